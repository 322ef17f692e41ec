"""Read emoji that are more than one character: 🙂‍↔️ is no smile, 🇫🇷 is no pair of letters.

Single emoji have their names in Unicode, but Python's copy of it lacks the newest ones. A table has the names of those,
and of sequences whose parts do not say the same.
"""

import re
from functools import cache
from pathlib import Path

_TABLE = Path(__file__).with_name("emoji_names.txt")  # written by `python -m tools.emoji_names`

_BASE = "©®\u203c-\u3299\U0001f000-\U0001faff"
_VARIANTS = "\ufe0e\ufe0f\U0001f3fb-\U0001f3ff"  # in black or in colour; skin tones
EMOJI = re.compile(
    rf"(?P<flags>[\U0001f1e6-\U0001f1ff]++)|\U0001f3f4[\U000e0020-\U000e007f]++"
    rf"|[{_BASE}][{_VARIANTS}]*+(?:\u200d[{_BASE}][{_VARIANTS}]*+)++"
    r"|[\U0001f6d8-\U0001f6ff\U0001fa70-\U0001faff]"  # where the newest are
)
# What parts of a sequence say beside the picture: its gender, and that it looks to the right.
_DETAILS = re.compile(f"[{_VARIANTS}]|\u200d[♀♂➡]")


def name_emoji(match: re.Match[str]) -> str:
    """Return the name of a match of EMOJI, as <name>, or what it consists of."""
    names = _names()
    if match["flags"]:
        return _read_flags(match["flags"], names)
    sequence = _DETAILS.sub("", match[0])
    if sequence in names:
        return f" <{names[sequence]}> "
    parts = sequence.split("\u200d")
    return "".join(f" <{names[part]}> " if part in names else part for part in parts)


def _read_flags(letters: str, names: dict[str, str]) -> str:
    """Read the letters of flags in pairs. If one pair is no flag, they are letters: 🇳🇴🇹 is a word, not Norway."""
    pairs = [letters[i : i + 2] for i in range(0, len(letters), 2)]
    return "".join(f" <{names[pair]}> " for pair in pairs) if all(pair in names for pair in pairs) else letters


@cache
def _names() -> dict[str, str]:
    """Return the table, which takes 0.1 ms to read, and few texts need."""
    return dict(line.split(" ") for line in _TABLE.read_text(encoding="utf-8").splitlines())
