"""Which pieces of a pretrained vocabulary a model needs. It spells with shorter ones what it has lost."""

import unicodedata
from collections.abc import Callable, Sequence
from typing import Annotated

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from sentiment.unigram import WORD_START, Unigram

LANGUAGE_WORDS = 60_000  # the most frequent words of a language

type Language = Annotated[str, Meta(pattern=r"\A[a-z]{2,3}\Z")]


def is_letter(piece: str) -> bool:
    """Return whether a piece is one character, which spells words: a Latin letter, or a sign of any kind."""
    character = piece.removeprefix("##").removeprefix(WORD_START)
    if len(character) != 1:
        return piece == WORD_START
    if unicodedata.category(character)[0] == "L":
        return unicodedata.name(character).startswith("LATIN ")
    return character.isascii() or unicodedata.category(character)[0] in "PS"


def frequent_pieces(
    language: str, n_pieces: int, size: int, split: Callable[[str], Sequence[int]]
) -> NDArray[np.int64]:
    """Return the ids of the pieces, of `size`, that words of a language need most often, at most `n_pieces`.

    `split` returns the ids of a word; each counts twice, once with a capital. How frequent words are says the package
    wordfreq (Speer, 2022), from books, subtitles, news, the web and tweets; its lists are CC BY-SA 4.0. Raises
    SystemExit if it has none of the language.
    """
    import wordfreq  # imported lazily: only vocabularies for named languages need it

    try:
        words = wordfreq.top_n_list(language, LANGUAGE_WORDS)
    except LookupError as error:
        raise SystemExit(f"languages: wordfreq has no list of {language}") from error
    frequency = np.zeros(size)
    for word in words:
        np.add.at(frequency, [*split(word), *split(word.capitalize())], wordfreq.word_frequency(word, language))
    most_frequent = np.argsort(-frequency, kind="stable")[:n_pieces]
    return most_frequent[frequency[most_frequent] > 0]


def is_useful(pieces: Sequence[str], scores: NDArray[np.float32], unknown: int) -> NDArray[np.bool_]:
    """Return for each piece whether `Unigram` may use it: no other path through it is more probable."""
    unigram = Unigram({piece: i for i, piece in enumerate(pieces)}, scores.astype(np.float64), unknown)
    return np.array([unigram.split(piece) == [i] for i, piece in enumerate(pieces)])
