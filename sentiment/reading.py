"""Read a text as a person does: what is escaped, disguised, garbled or invisible reads as what a person sees.

A text is read in steps, each a pattern and what reads in the place of its matches. So the same steps also tell where in
the text each character comes from.
"""

import html
import re
import unicodedata
from collections.abc import Callable, Iterable
from typing import NamedTuple

from .emoji import EMOJI, name_emoji
from .lookalikes import read_words
from .mojibake import GARBLED, MOJIBAKE, repair
from .styles import STYLED, read_style


class Step(NamedTuple):
    """Every match of `pattern` reads as `read` returns. Both take linear time."""

    pattern: re.Pattern[str]
    read: Callable[[re.Match[str]], str]
    in_ascii: bool = False  # whether an ASCII text can have a match

    def concerns(self, text: str) -> bool:
        return self.in_ascii or not text.isascii()


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


# --- entities --------------------------------------------------------------------------------------------------------


def _decode(entity: re.Match[str]) -> str:
    """Decode an entity that may have been escaped several times, like &amp;amp;lt;."""
    return html.unescape("&" + entity[0].rpartition("&")[2].split(";")[-2] + ";")


ENTITIES = Step(
    re.compile(r"&(?:(?:amp|#38|#x26);)*(?:#\d{1,7}|#x[0-9a-f]{1,6}|[a-z][a-z0-9]{1,31});", re.IGNORECASE),
    _decode,
    in_ascii=True,
)

# --- marks -----------------------------------------------------------------------------------------------------------

_MARKS = "\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"  # that stand on any letter
_MARK = re.compile(f"[{_MARKS}]")
_STACK = re.compile(f"[{_MARKS}]{{3}}")  # of more marks than a letter has in any language that uses these
_MAX_MARKS = 30


def _compose(cluster: re.Match[str]) -> str:
    return unicodedata.normalize("NFC", _stream_safe(cluster[0]))


def _stream_safe(text: str) -> str:
    """Drop all but the first 30 of consecutive combining marks, because composing sorts them in quadratic time.

    No language needs more: Stream-Safe Text Format, UAX #15, section 13.
    """
    if len(text) <= _MAX_MARKS:
        return text
    kept, n_marks = [], 0
    for character in text:
        n_marks = n_marks + 1 if unicodedata.combining(character) else 0
        if n_marks <= _MAX_MARKS:
            kept.append(character)
    return "".join(kept)


def _undecorate(word: re.Match[str]) -> str:
    """Drop marks that only decorate a composed word: underlines, strokes, heaps of accents.

    A mark that does not compose with its letter is decoration, and so is the same mark on the other letters of a word.
    """
    text = word[0]
    if text.isascii() or not (marks := set(_MARK.findall(text))):
        return text
    decomposed = unicodedata.normalize("NFD", text)
    decoration = _MARK if len(marks) > 2 or _STACK.search(decomposed) else re.compile(f"[{''.join(marks)}]")
    return unicodedata.normalize("NFC", decoration.sub("", decomposed))


# Characters below U+0300 compose with none before them.
COMPOSITION = Step(re.compile(r"(?s).?[^\x00-\u02ff]++"), _compose)
DECORATION = Step(re.compile(rf"[\w{_MARKS}]++"), _undecorate)
# Marks of one alphabet on a letter of another one, as in "ħ็็็": the letter is read.
FOREIGN_MARKS = Step(
    re.compile(r"(?<=[a-zA-Z])[^\x00-\u02ff\w\s]++"),
    lambda marks: "".join(mark for mark in marks[0] if unicodedata.category(mark)[0] != "M"),
)

# --- what is invisible -----------------------------------------------------------------------------------------------

SPACES = Step(
    re.compile(
        "[\t-\r\x1c-\x1f\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\u2800\u115f\u1160\u3164\uffa0]"
    ),
    lambda _: " ",
    in_ascii=True,
)
INVISIBLE = Step(
    re.compile(
        "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u17b4\u17b5"
        "\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\ufff0-\ufffb"
        "\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]++"
    ),
    lambda _: "",
    in_ascii=True,
)
# What no font has: private use, unassigned, half a surrogate pair.
UNKNOWN = Step(
    re.compile(r"[^\w\s!-~]"), lambda character: character[0] if character[0].isprintable() else "", in_ascii=False
)

# --- letters and signs -----------------------------------------------------------------------------------------------

_APOSTROPHES = "'’‘‛‚ʻʼʽʾʿˈˊˋʹ˴′‵´`΄᾽᾿῾՚׳ߴߵꞌꞋ❛❜"

GARBLED_TEXT = Step(MOJIBAKE, repair)
EMOJI_NAMES = Step(EMOJI, name_emoji)
STYLES = Step(STYLED, read_style)
LOOKALIKES = Step(re.compile(r"(?s).+"), lambda text: read_words(text[0]).text)
APOSTROPHES = Step(re.compile(rf"(?<=[^\W_])[{_APOSTROPHES}](?=[^\W\d_])"), lambda _: "'", in_ascii=True)
DOTTED_I = Step(re.compile("İ"), lambda _: "I")  # the only character whose lower case is longer

# --- what cannot be read ---------------------------------------------------------------------------------------------

# Override the direction of letters; a box for a character; a circle that strikes out what it stands on.
_UNREADABLE = re.compile("[\u202d\u202e\ufffc\ufffd\u20e0]")


def is_readable(text: str) -> bool:
    """Return whether all of a text can be read: its letters, its signs, their order."""
    plain = read(text, (ENTITIES, COMPOSITION, GARBLED_TEXT))
    if plain.isascii():
        return True
    if GARBLED.search(plain) or _UNREADABLE.search(plain):
        return False
    plain = read(plain, (EMOJI_NAMES, SPACES, INVISIBLE))
    if not plain.isprintable():
        return False
    return read_words(read(plain, (STYLES, COMPOSITION, DECORATION, FOREIGN_MARKS, LOOKALIKES, APOSTROPHES))).is_certain
