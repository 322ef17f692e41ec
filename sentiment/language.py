"""Tell which languages a text is in, with a linear model over hashed character n-grams.

Each word is evidence: its n-grams of one to MAX_NGRAM letters and the whole word select rows of a table, and the sum of
these rows says by how many nats the word speaks for each language. `python -m training languages` fits the table; see
docs/languages.md. N-grams identify languages (Cavnar and Trenkle, "N-gram-based text categorization", 1994); hashing
them keeps the table small (Joulin et al., "Bag of tricks for efficient text classification", 2017).
"""

import mmap
import re
import unicodedata
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .errors import ModelError
from .features import powers_of
from .files import file_sha256
from .links import split_at_links

ENGLISH, OTHER = "en", "other"
LANGUAGES = (ENGLISH, "fr", "de", "es", "it", "pt", "ar", "hi", OTHER)  # ISO 639-1, but OTHER: any other language
TABLE = Path(__file__).with_name("languages.bin")  # int8 [BUCKETS, len(LANGUAGES)]
TABLE_SHA256 = "c784fa8758159ca5ebf8d2f7b8cb4bbc9aa9413bbd26439901b7b749fb9267ba"  # what this code was measured with
BUCKET_BITS = 18
BUCKETS = 2**BUCKET_BITS
NATS_PER_STEP = 1 / 16  # of the table
MAX_NGRAM = 4  # letters, with the spaces around a word

DOUBT_NATS = 1.0  # how much likelier than English another language must be
NAME_DOUBT_NATS = 2.0  # the same, more, for each word of a text in title case or in capitals: Real Madrid
PASSAGE_NATS = 20.0  # how much likelier a passage must be in a language that is not that of the text

_TAG = re.compile(r"[@#]\w++|<[a-z][a-z0-9_-]{0,79}>")  # the last is the name of an emoji
_WORD = re.compile(r"(?<!\w)[^\W\d_]++(?!\w)")  # not the letters of AF1234 or A320neo
_ELONGATION = re.compile(r"(.)\1\1++")
_SPACE = ord(" ")
_OTHER_LETTER = "文"  # stands for every letter that is neither Latin nor Arabic nor Devanagari
_MULTIPLIER = 0x9E3779B1  # odd, so that it has an inverse modulo 2**32
_INVERSE = pow(_MULTIPLIER, -1, 2**32)


def detect_languages(text: str) -> tuple[str, ...]:
    """Return the languages of a text, some of LANGUAGES, that of the most words first.

    The others are those of which a passage is: a text that is half English and half French has both. In doubt a text is
    English, such as one without words: names, numbers, links, mentions, hashtags and emoji are no evidence.
    """
    plain = _drop_addresses(text)
    words = _split(plain)
    if not words:
        return (ENGLISH,)
    evidence = _weigh(words)
    nats = evidence.sum(axis=0)
    nats[0] += DOUBT_NATS + (NAME_DOUBT_NATS * len(words) if plain.istitle() or plain.isupper() else 0)
    main = int(nats.argmax())
    gains = _strongest_passages(evidence - evidence[:, [main]])
    return (LANGUAGES[main], *(LANGUAGES[i] for i in np.argsort(-gains, kind="stable") if gains[i] > PASSAGE_NATS))


def is_probably_not_english(text: str) -> bool:
    """Return whether `text`, or a passage of it, is probably not English."""
    return detect_languages(text) != (ENGLISH,)


def split_words(text: str) -> list[str]:
    """Return the words that say what language a text is in: lower case, no letter more than twice in a row."""
    return _split(_drop_addresses(text))


def _split(plain: str) -> list[str]:
    if not plain.isascii():
        plain = "".join(map(_fold_script, unicodedata.normalize("NFKC", plain)))
    return _WORD.findall(_ELONGATION.sub(r"\1\1", plain.lower()))


def _drop_addresses(text: str) -> str:
    """Return a text without links, mentions, hashtags and names of emoji."""
    unlinked = " ".join(text[start:end] for start, end, is_link in split_at_links(text) if not is_link)
    return _TAG.sub(" ", unlinked)


def _fold_script(character: str) -> str:
    """Return the character, or one and the same letter for those of scripts that no language with a name is written in.

    No large set in a regular expression: compiling it takes milliseconds, even if no text needs it.
    """
    if character < "\u0250" or "\u0600" <= character < "\u0700" or "\u0900" <= character < "\u0980":
        return character
    is_letter = character.isalnum() and not character.isdecimal()
    return _OTHER_LETTER if is_letter and not "\u1e00" <= character < "\u1f00" else character


def hash_ngrams(words: Sequence[str]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the buckets of the n-grams of all words, word by word, and for each word where its n-grams begin.

    A word has a space on both sides. Its last n-gram is the whole word. Takes time linear in the number of letters: the
    hash of an n-gram is a difference of two prefix sums (Karp and Rabin, "Efficient randomized pattern-matching
    algorithms", 1987).
    """
    letters = np.frombuffer(f" {' '.join(words)} ".encode("utf-32-le"), np.uint32)
    spaces = np.flatnonzero(letters == _SPACE)
    starts = np.arange(len(letters) - 1)[:, None]
    word_ends = spaces[np.searchsorted(spaces, starts, side="right")] + 1
    ends = np.hstack([starts + np.arange(1, MAX_NGRAM + 1), word_ends])  # [letters, n-grams that start there]
    is_ngram = ends <= word_ends
    is_ngram[:, -1] = False
    is_ngram[spaces[:-1], 0] = False  # a space alone
    is_ngram[spaces[:-1], -1] = True  # the whole word
    powers = powers_of(_MULTIPLIER, len(letters), np.uint32)
    prefix = np.zeros(len(letters) + 1, np.uint32)
    np.cumsum(letters * powers, dtype=np.uint32, out=prefix[1:])
    row, column = np.nonzero(is_ngram)
    hashes = (prefix[ends[row, column]] - prefix[row]) * powers_of(_INVERSE, len(letters), np.uint32)[row]
    firsts = np.searchsorted(row, spaces[:-1])
    return (hashes * np.uint32(_MULTIPLIER) >> np.uint32(32 - BUCKET_BITS)).astype(np.intp), firsts


def _weigh(words: Sequence[str]) -> NDArray[np.float64]:
    """Return the evidence of each word for each language, in nats: [words, languages]."""
    buckets, firsts = hash_ngrams(words)
    steps = np.add.reduceat(read_table()[buckets], firsts, axis=0, dtype=np.int32)
    return steps * NATS_PER_STEP


def _strongest_passages(evidence: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the largest sum over consecutive rows, of each column (Bentley, "Programming pearls", 1984)."""
    sums = np.vstack([np.zeros(evidence.shape[1]), np.cumsum(evidence, axis=0)])
    return (sums - np.minimum.accumulate(sums)).max(axis=0)


@cache
def read_table() -> NDArray[np.int8]:
    """Map the table of evidence into memory: only the pages that a text needs are read.

    Raises ModelError if it has another size. Its digest is checked when the package is built, like that of the code
    beside it: hashing it here would take longer than everything else that a first text needs.
    """
    try:
        with TABLE.open("rb") as file:
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:  # ValueError: it is empty
        raise ModelError(f"{TABLE}: {error}") from error
    if len(content) != BUCKETS * len(LANGUAGES):
        raise ModelError(f"{TABLE}: {len(content)} bytes; {BUCKETS * len(LANGUAGES)} are expected")
    return np.frombuffer(content, np.int8).reshape(BUCKETS, len(LANGUAGES))


def check_table() -> None:
    """Raise ModelError if the table is not the one that this code was measured with."""
    if file_sha256(TABLE, BUCKETS * len(LANGUAGES)) != TABLE_SHA256:
        raise ModelError(f"{TABLE}: is not the table that was released")
