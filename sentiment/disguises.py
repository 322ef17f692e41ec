"""Read what few texts have: letters in a style or from other alphabets, marks, sequences of emoji, mojibake."""

import re
import unicodedata

from .emoji import EMOJI, name_emoji
from .lookalikes import read_words
from .mojibake import GARBLED, MOJIBAKE, repair
from .reading import APOSTROPHES, DOTTED_I, ENTITIES, INVISIBLE, SPACES, Step, read
from .styles import STYLED, read_style

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
    if text.isascii() or not (decoration := set(_MARK.findall(text))):
        return text
    decomposed = unicodedata.normalize("NFD", text)
    if len(decoration) > 2 or _STACK.search(decomposed):
        decoration.update(_MARK.findall(decomposed))
    kept = "".join(character for character in decomposed if character not in decoration)
    return unicodedata.normalize("NFC", kept)


def _drop_marks(signs: re.Match[str]) -> str:
    return "".join(sign for sign in signs[0] if unicodedata.category(sign)[0] != "M")


def _drop_unknown(sign: re.Match[str]) -> str:
    return sign[0] if sign[0].isprintable() else ""


GARBLED_TEXT = Step(MOJIBAKE, repair)
EMOJI_NAMES = Step(EMOJI, name_emoji, "emoji")
STYLES = Step(STYLED, read_style)
COMPOSITION = Step(r"(?s).?[^\x00-\u02ff]++", _compose, "nfc")  # characters below U+0300 compose with none before them
DECORATION = Step(rf"[\w{_MARKS}]++", _undecorate)
FOREIGN_MARKS = Step(r"(?<=[a-zA-Z])[^\x00-\u02ff\w\s]++", _drop_marks)  # of an alphabet that the letter is not of
LOOKALIKES = Step(r"(?s).+", lambda text: read_words(text[0]).text)
# What has no picture: private use, unassigned code points, half a surrogate pair.
UNKNOWN = Step(r"[^\w\s!-~]", _drop_unknown, "printable")

# In their order: each relies on what those before it have read.
_CHARACTERS = (ENTITIES, COMPOSITION, GARBLED_TEXT)
_SIGNS = (EMOJI_NAMES, SPACES, INVISIBLE, STYLES)  # some emoji are joined by what is invisible
_WORDS = (
    COMPOSITION,  # of letters that stood apart from their marks
    DECORATION,
    FOREIGN_MARKS,
    DOTTED_I,
    LOOKALIKES,
    APOSTROPHES,
)
STEPS = (*_CHARACTERS, *_SIGNS, UNKNOWN, *_WORDS)

# Letters in another order than they are stored in; boxes for a character; a circle that strikes out what it stands on.
_UNREADABLE = re.compile("[\u202d\u202e\ufffc\ufffd\u20e0]")


def is_readable(text: str) -> bool:
    """Return whether a person's reading of the text is known: its letters, its signs, their order."""
    plain = read(text, _CHARACTERS)
    if GARBLED.search(plain) or _UNREADABLE.search(plain):
        return False
    plain = read(plain, _SIGNS)
    if not plain.isprintable():
        return False
    return read_words(read(plain, _WORDS)).is_certain
