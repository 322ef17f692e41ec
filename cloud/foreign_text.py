"""What others wrote, as it stands in a mail: on one line, short, and with nothing that a mail client makes a link of.

Others are the people who comment, and whoever sends an alert. Mail clients make links of whatever looks like an
address, also without "https://". So the signs that make an address stand in brackets: example[.]org, as is usual where
addresses are quoted that nobody should follow.
"""

import re
import unicodedata
from functools import cache

MAX_CHARACTERS = 300
_READ_TIMES = 4  # how many times the characters that a line may have are read: some are invisible


def foreign(text: str, max_characters: int = MAX_CHARACTERS) -> str:
    """Return `text` on one line, cut to `max_characters` with a final "…", and its addresses broken."""
    line = single_line(text, max_characters + 1)
    if len(line) > max_characters or len(text) > _READ_TIMES * max_characters:
        line = line[: max_characters - 1].rstrip() + "…"
    return break_addresses(line)


def single_line(text: str, max_characters: int) -> str:
    """Return `text` on one line without invisible characters, safe for a header, cut to `max_characters`.

    In the form NFKC, as mail clients and browsers read addresses: a one dot leader is a dot. Never reads all of a long
    text: the time that NFKC takes grows with the square of the marks on one letter.
    """
    plain = unicodedata.normalize("NFKC", text[: _READ_TIMES * max_characters])
    return "".join(c for c in " ".join(plain.split()) if c.isprintable())[:max_characters]


def break_addresses(line: str) -> str:
    """Put the signs that make an address into brackets, and the plus of a telephone number.

    Decimal numbers and times of day stay as they are.
    """
    return _signs().sub(lambda found: found[0] if found[0][0].isdigit() else f"[{found[0]}]", line)


@cache
def _signs() -> re.Pattern[str]:
    """Return what makes an address. Compiled on first use: only a report needs it."""
    return re.compile(
        r"""
        (?<![\w.]) \d+ \. \d+ [a-z]? (?! \w | \.\w)  # a number, found first so that its dot stays
        | (?<= [^\s.]) [.。．｡] (?= [^\s.)\]}>"'!?,;:…»”’])  # example.org; some clients know all four dots
        | (?<= www) \.
        | (?<! \s) @ (?! \s)  # bob@localhost
        | \+ (?= (?: [\s().-]* \d){7})  # +33612345678
        | (?<= [\w+-]) : (?: //+ | (?= [\w/\\+?%#*&~@.]) (?! (?<= \d:) \d))  # https:, mailto:, but not 14:05
        | \\\\+  # \\server\share
        """,
        re.VERBOSE | re.IGNORECASE,
    )
