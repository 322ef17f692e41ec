"""Read a text as a person does: what is escaped, disguised, garbled or invisible reads as what a person sees.

A text is read in steps, each a pattern and what reads in the place of its matches. So the same steps also tell where in
the text each character comes from. The steps here are those of ordinary texts. `disguises.py` has the others, and is
loaded with the first text that needs them.
"""

import html
import re
from collections.abc import Callable, Iterable
from functools import cache, cached_property
from typing import NamedTuple


class Step:
    """Every match of `pattern` reads as `read` returns. Both take linear time."""

    def __init__(
        self,
        pattern: str | re.Pattern[str],
        read: Callable[[re.Match[str]], str],
        switch: str | None = None,
        is_in_ascii: Callable[[str], bool] = lambda text: False,
    ) -> None:
        self._pattern = pattern
        self.read = read
        self.switch = switch  # the field of TextSpec that turns the step off
        self._is_in_ascii = is_in_ascii  # whether an ASCII text may have a match

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Return the pattern. It is compiled for the first text that may have a match."""
        return re.compile(self._pattern)

    def concerns(self, text: str) -> bool:
        """Return whether the text may have a match."""
        return not text.isascii() or self._is_in_ascii(text)


class Aligned(NamedTuple):
    """A text after reading, and where each of its characters starts and ends in the text before."""

    text: str
    starts: list[int]
    ends: list[int]


def read(text: str, steps: Iterable[Step]) -> str:
    """Return the text that a person reads."""
    for step in steps:
        if step.concerns(text):
            text = step.pattern.sub(step.read, text)
    return text


def align(text: str, steps: Iterable[Step]) -> Aligned:
    """Return the same text as `read`, with its alignment."""
    aligned = Aligned(text, list(range(len(text))), list(range(1, len(text) + 1)))
    for step in steps:
        if step.concerns(aligned.text):
            aligned = _apply(step, aligned)
    return aligned


def _apply(step: Step, before: Aligned) -> Aligned:
    pieces: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    position = 0
    for match in step.pattern.finditer(before.text):
        start, end, plain = match.start(), match.end(), step.read(match)
        if len(plain) == end - start:  # one character for another
            pieces += before.text[position:start], plain
            starts += before.starts[position:end]
            ends += before.ends[position:end]
        else:
            same = _common_prefix(match[0], plain)  # at least one character of the match differs
            start += same
            pieces += before.text[position:start], plain[same:]
            starts += before.starts[position:start] + [before.starts[start]] * (len(plain) - same)
            ends += before.ends[position:start] + [before.ends[end - 1]] * (len(plain) - same)
        position = end
    pieces.append(before.text[position:])
    starts += before.starts[position:]
    ends += before.ends[position:]
    return Aligned("".join(pieces), starts, ends)


def _common_prefix(match: str, plain: str) -> int:
    """Return how many characters are the same at the start of both, without the last of the match."""
    for length, (one, other) in enumerate(zip(match[:-1], plain, strict=False)):
        if one != other:
            return length
    return min(len(match) - 1, len(plain))


# --- the steps of ordinary texts -------------------------------------------------------------------------------------


def _decode(entity: re.Match[str]) -> str:
    """Decode an entity that may have been escaped several times, like &amp;amp;lt;."""
    return html.unescape("&" + entity[0].rpartition("&")[2].split(";")[-2] + ";")


def _has_control_character(text: str) -> bool:
    return not text.isprintable()


ENTITIES = Step(
    r"(?i)&(?:(?:amp|#38|#x26);)*(?:#\d{1,7}|#x[0-9a-f]{1,6}|[a-z][a-z0-9]{1,31});",
    _decode,
    "unescape",
    lambda text: "&" in text,
)
SPACES = Step(
    "[\t-\r\x1c-\x1f\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\u2800\u115f\u1160\u3164\uffa0]",
    lambda _: " ",
    "printable",
    _has_control_character,
)
INVISIBLE = Step(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u17b4\u17b5"
    "\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\ufff0-\ufffb"
    "\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]++",
    lambda _: "",
    "printable",
    _has_control_character,
)
# Signs that stand for an apostrophe between letters, and are quotation marks, accents or primes elsewhere.
APOSTROPHES = Step(
    r"(?<=[^\W_])[’‘‛‚ʻʼʽʾʿˈˊˋʹ˴′‵´`΄᾽᾿῾՚׳ߴߵꞌꞋ❛❜](?=[^\W\d_])", lambda _: "'", None, lambda text: "`" in text
)
DOTTED_I = Step("İ", lambda _: "I", "lowercase")  # the only character whose lower case is longer

ORDINARY_STEPS = (ENTITIES, SPACES, INVISIBLE, APOSTROPHES, DOTTED_I)


def is_ordinary(text: str) -> bool:
    """Return whether the steps above are all that a text needs, in one quick look."""
    if text.isascii():
        return "&" not in text or not _suspicious().search(text)
    return _ordinary_characters().issuperset(text) and not _suspicious().search(text)


# First and last of ASCII, letters of European languages, punctuation, and emoji that need no name but their own.
_ORDINARY = (
    *("\x00\x7f", "\xa0\xa1", "££", "§§", "©©", "««", "®®", "°°", "´´", "··", "»»"),
    *("¿Á", "ÄÏ", "ÑÖ", "Øï", "ñö", "øň", "Ŋŷ", "Źž", "‐‧", "‹›", "€€", "☀❵", "➔➿", "\ufe0f\ufe0f"),
    *("\U0001f300\U0001f6d7", "\U0001f7e0\U0001f7eb", "\U0001f90c\U0001f9ff"),
)


@cache
def _ordinary_characters() -> frozenset[str]:
    return frozenset().union(*(map(chr, range(ord(ends[0]), ord(ends[1]) + 1)) for ends in _ORDINARY))


@cache
def _suspicious() -> re.Pattern[str]:
    """Return the pattern of what needs more steps: mojibake, money that stands for a letter, rare entities."""
    return re.compile(
        r"[À-ž](?:[\xa0-\xbf]|[^\x00-\u0151]) | (?<=[^\W\d_])[€£] | [€£](?=[^\W\d_])"
        r"| &(?!(?:lt|gt|quot|apos|\#0?39|amp);(?![\w\#]{1,32};))(?=[\w\#]{1,32};)",
        re.VERBOSE,
    )
