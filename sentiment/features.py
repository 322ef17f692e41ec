"""Tokens become the arrays an ONNX graph takes, by the input contract of the manifest."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from .errors import ModelError
from .manifest import IdsCounts, Input, TokenIds, WordPieces

type Tokens = list[str]


class Encoded(NamedTuple):
    arrays: Mapping[str, NDArray[Any]]  # by input name of the graph, batch first
    unknown_share: NDArray[
        np.float64
    ]  # [batch]: the share of a text's tokens that the vocabulary lacks; 1 if it has none


class Encoder(Protocol):
    def __call__(self, batch: Sequence[Tokens]) -> Encoded: ...


def encoder(contract: Input, files: Mapping[str, bytes]) -> Encoder:
    """The encoder of a contract. `files` holds the vocabulary. Raises ModelError if it is not one."""
    vocabulary = files[contract.vocabulary]
    match contract:
        case IdsCounts():
            return IdsCountsEncoder(contract, vocabulary)
        case TokenIds():
            return TokenIdsEncoder(contract, vocabulary)
        case WordPieces():
            return WordPiecesEncoder(contract, vocabulary, files[contract.words])


# --- n-grams ---------------------------------------------------------------------------------------------------------
#
# A batch reads " ␂ token token … ␃ ␂ token … ␃ " here: that a text starts or ends with a word is worth knowing. Every
# n-gram is a stretch of it, so one pass of prefix sums hashes them all: with H[k] = Σ c[i]·Pⁱ for i < k, the stretch
# [s, e) has the hash (H[e] - H[s])·P⁻ˢ mod 2⁶⁴, wherever it stands (Karp and Rabin, "Efficient randomized
# pattern-matching algorithms", 1987). No string is built and no dictionary is loaded at a cold start.

_BASE = 0x9E3779B97F4A7C15  # any large odd number: odd numbers have an inverse mod 2⁶⁴
_INVERSE = pow(_BASE, -1, 2**64)
_SPREAD = np.uint64(0xD6E8FEB86659FD93)  # odd too: carries what the hash knows into its high half
_START, _END = "\2", "\3"


class HashedNgrams(NamedTuple):
    """The n-grams of a batch; the first `words` of them are the single tokens."""

    document: NDArray[np.int64]  # [n]: which text of the batch
    hash: NDArray[np.uint64]  # [n]
    words: int


def hash_ngrams(batch: Sequence[Tokens], max_ngram: int) -> HashedNgrams:
    """Every n-gram of 1 … max_ngram tokens of every text, repeated as often as it occurs; O(characters + n-grams)."""
    text = "".join(f" {_START} {' '.join(tokens)} {_END}" if tokens else f" {_START} {_END}" for tokens in batch) + " "
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    spaces = np.flatnonzero(codes == ord(" "))
    starts, ends = spaces[:-1] + 1, spaces[1:]
    sizes = np.array([len(tokens) + 2 for tokens in batch], np.int64)
    document = np.repeat(np.arange(len(batch)), sizes)
    prefix = np.zeros(len(codes) + 1, np.uint64)
    np.cumsum(codes * _powers(_BASE, len(codes)), out=prefix[1:])
    shift = _powers(_INVERSE, len(codes)) * _SPREAD

    def hashes(first: NDArray[np.int64], last: NDArray[np.int64]) -> NDArray[np.uint64]:
        start, end = starts[first], ends[last]
        return (prefix[end] - prefix[start]) * shift[start]

    last = np.cumsum(sizes) - 1
    words = np.delete(np.arange(len(starts)), [last - sizes + 1, last])
    documents, found = [document[words]], [hashes(words, words)]
    for n in range(2, max_ngram + 1):
        first = np.flatnonzero(document[: 1 - n] == document[n - 1 :])
        documents.append(document[first])
        found.append(hashes(first, first + n - 1))
    return HashedNgrams(np.concatenate(documents), np.concatenate(found), len(words))


def _powers(base: int, n: int) -> NDArray[np.uint64]:
    powers = np.full(n, base, np.uint64)
    powers[:1] = 1
    return np.multiply.accumulate(powers)


class IdsCountsEncoder:
    """n-gram lookup: `ids` int32 and `counts` float32, both [batch, n], n the most known n-grams of a text, at least 1.

    A hash that is not in the vocabulary is no feature; the id after the last one is padding, with count 0.
    """

    def __init__(self, contract: IdsCounts, vocabulary: bytes) -> None:
        if not vocabulary or len(vocabulary) % (contract.bits // 8):
            raise ModelError(f"{contract.vocabulary}: not a table of {contract.bits}-bit hashes")
        self.max_ngram = contract.max_ngram
        self.hashes = np.frombuffer(vocabulary, f"<u{contract.bits // 8}")
        self._shift = np.uint64(64 - contract.bits)  # the high bits of a product are its well-mixed ones
        if not (self.hashes[1:] > self.hashes[:-1]).all():
            raise ModelError(f"{contract.vocabulary}: the hashes are not sorted and distinct")

    def __call__(self, batch: Sequence[Tokens]) -> Encoded:
        hashed = hash_ngrams(batch, self.max_ngram)
        ids, known = self.lookup(hashed.hash)
        unknown = _share(~known[: hashed.words], hashed.document[: hashed.words], len(batch))
        padding = len(self.hashes)
        # A feature of a document is one number, so that one sort counts them all.
        keys, counts = np.unique(hashed.document[known] * padding + ids[known], return_counts=True)
        document, ids = np.divmod(keys, padding)
        column = np.arange(len(keys)) - np.searchsorted(document, document)
        shape = len(batch), int(column.max(initial=0)) + 1
        arrays = {"ids": np.full(shape, padding, np.int32), "counts": np.zeros(shape, np.float32)}
        arrays["ids"][document, column] = ids
        arrays["counts"][document, column] = counts
        return Encoded(arrays, unknown)

    def lookup(self, hashes: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """The id of each hash, and whether the vocabulary has it (else the id means nothing)."""
        keys = (hashes >> self._shift).astype(self.hashes.dtype)
        ids = np.minimum(np.searchsorted(self.hashes, keys), len(self.hashes) - 1)
        return ids, self.hashes[ids] == keys


class TokenIdsEncoder:
    """`token_ids` int32 [batch, n], n the longest text (1 … `max_length`), and `lengths` int32 [batch]."""

    def __init__(self, contract: TokenIds, vocabulary: bytes) -> None:
        self.contract = contract
        self.ids = _lines(contract.vocabulary, vocabulary, contract.padding, contract.unknown)

    def __call__(self, batch: Sequence[Tokens]) -> Encoded:
        contract = self.contract
        texts = [[self.ids.get(t, contract.unknown) for t in tokens[: contract.max_length]] for tokens in batch]
        arrays = _padded(texts, contract.padding)
        inside = np.arange(arrays["token_ids"].shape[1]) < arrays["lengths"][:, None]
        document = np.repeat(np.arange(len(batch)), arrays["lengths"])
        unknown = _share(arrays["token_ids"][inside] == contract.unknown, document, len(batch))
        return Encoded(arrays, unknown)


_PART = re.compile(r"[^\W_]+|[^\w\s]|_")  # what BERT calls a word: punctuation stands alone
_LONGEST_WORD = 100  # characters; what is longer is no word


class WordPiecesEncoder:
    """As `TokenIdsEncoder`, with every token cut into the longest pieces that the vocabulary has.

    WordPiece as in Devlin et al., "BERT", 2019: pieces that continue a word are written with ## in the vocabulary;
    `start` and `end` frame a text. A token like <red_apple> is read as its words.
    """

    def __init__(self, contract: WordPieces, vocabulary: bytes, words: bytes) -> None:
        self.contract = contract
        self.ids = _lines(contract.vocabulary, vocabulary, *contract.special_ids)
        self._words = IdsCountsEncoder(IdsCounts(contract.words, 32, 1), words)
        self.pieces = lru_cache(2**16)(self._pieces)

    def __call__(self, batch: Sequence[Tokens]) -> Encoded:
        hashed = hash_ngrams(batch, 1)
        _, known = self._words.lookup(hashed.hash)
        return Encoded(
            _padded([self.text(tokens) for tokens in batch], self.contract.padding),
            _share(~known, hashed.document, len(batch)),
        )

    def text(self, tokens: Tokens) -> list[int]:
        """The ids of one text, framed, at most `max_length`."""
        ids = [self.contract.start]
        for token in tokens:
            ids += self.pieces(token)
            if len(ids) >= self.contract.max_length:
                break
        return [*ids[: self.contract.max_length - 1], self.contract.end]

    def _pieces(self, token: str) -> list[int]:
        if token[0] == "<" and token[-1] == ">":
            token = token[1:-1].replace("_", " ")
        if not token.isascii():
            decomposed = unicodedata.normalize("NFD", token)
            token = "".join(character for character in decomposed if unicodedata.category(character) != "Mn")
        return [piece for part in _PART.findall(token) for piece in self._longest_first(part)]

    def _longest_first(self, word: str) -> list[int]:
        if len(word) > _LONGEST_WORD:
            return [self.contract.unknown]
        found: list[int] = []
        start, end = 0, len(word)
        while start < end:
            piece = self.ids.get(("##" if start else "") + word[start:end])
            if piece is None:
                end -= 1
            else:
                found.append(piece)
                start, end = end, len(word)
        return found if start == len(word) else [self.contract.unknown]


def _lines(file: str, vocabulary: bytes, *needed: int) -> dict[str, int]:
    """The id of every line. Raises ModelError if it is no text or has no line for a needed id."""
    try:
        lines = vocabulary.decode().removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        raise ModelError(f"{file}: {error}") from error
    if not 0 <= max(needed) < len(lines):
        raise ModelError(f"{file}: has {len(lines)} lines, none for the ids {needed}")
    return {token: i for i, token in enumerate(lines)}


def _padded(texts: Sequence[Sequence[int]], padding: int) -> dict[str, NDArray[np.int32]]:
    """`token_ids` [batch, n], n the longest text or 1, and `lengths` [batch]."""
    lengths = np.array([len(ids) for ids in texts], np.int32)
    token_ids = np.full((len(texts), max(1, int(lengths.max(initial=0)))), padding, np.int32)
    token_ids[np.arange(token_ids.shape[1]) < lengths[:, None]] = [i for ids in texts for i in ids]
    return {"token_ids": token_ids, "lengths": lengths}


def _share(of: NDArray[np.bool_], document: NDArray[np.int64], documents: int) -> NDArray[np.float64]:
    """For each document the share of its tokens that are `of`; 1 where it has no token."""
    total = np.bincount(document, minlength=documents)
    counted = np.bincount(document, weights=of, minlength=documents)
    return np.divide(counted, total, out=np.ones(documents), where=total > 0)
