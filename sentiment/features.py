"""Encode tokens as the arrays that an ONNX graph takes. The manifest says which encoding a model uses."""

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
    ]  # [batch]: share of a text's tokens that are not in the vocabulary; 1 without tokens


class Encoder(Protocol):
    def __call__(self, batch: Sequence[Tokens]) -> Encoded: ...


def encoder(contract: Input, files: Mapping[str, bytes]) -> Encoder:
    """Return the encoder of an input contract. Raises ModelError if the vocabulary in `files` is invalid."""
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
# A batch is joined to " ␂ token token … ␃ ␂ token … ␃ ": the markers tell words at the start and end of a text from
# others. Every n-gram is a substring of it, so one pass of prefix sums hashes them all: with H[k] = Σ c[i]·Pⁱ for
# i < k, the substring [s, e) has the hash (H[e] - H[s])·P⁻ˢ mod 2⁶⁴, wherever it stands (Karp and Rabin, "Efficient
# randomized pattern-matching algorithms", 1987). So no string is built, and a cold start loads no dictionary.

_BASE = 0x9E3779B97F4A7C15  # any large odd number: only odd numbers have an inverse mod 2⁶⁴
_INVERSE = pow(_BASE, -1, 2**64)
_SPREAD = np.uint64(0xD6E8FEB86659FD93)  # odd too: mixes the low bits of a hash into its high bits
_START_MARKER, _END_MARKER = "\2", "\3"


class HashedNgrams(NamedTuple):
    """The n-grams of a batch. The single tokens come first."""

    document: NDArray[np.int64]  # [n]: index of the text in the batch
    hash: NDArray[np.uint64]  # [n]
    n_unigrams: int


def hash_ngrams(batch: Sequence[Tokens], max_ngram: int) -> HashedNgrams:
    """Hash every n-gram of 1 … max_ngram tokens, each as often as it occurs. Takes O(characters + n-grams)."""
    text = "".join(" ".join(("", _START_MARKER, *tokens, _END_MARKER)) for tokens in batch) + " "
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
    """Counts of known n-grams: `ids` int32 and `counts` float32, both [batch, n]; n is the largest number of a text.

    Hashes that are not in the vocabulary are left out. Padding has the id after the last one, and count 0; n ≥ 1.
    """

    def __init__(self, contract: IdsCounts, vocabulary: bytes) -> None:
        if not vocabulary or len(vocabulary) % (contract.bits // 8):
            raise ModelError(f"{contract.vocabulary}: not a table of {contract.bits}-bit hashes")
        self.max_ngram = contract.max_ngram
        self.hashes = np.frombuffer(vocabulary, f"<u{contract.bits // 8}")
        self._shift = np.uint64(64 - contract.bits)  # a product is mixed best in its high bits
        if not (self.hashes[1:] > self.hashes[:-1]).all():
            raise ModelError(f"{contract.vocabulary}: the hashes are not sorted and distinct")

    def __call__(self, batch: Sequence[Tokens]) -> Encoded:
        hashed = hash_ngrams(batch, self.max_ngram)
        ids, known = self.lookup(hashed.hash)
        unknown_share = _share_by_document(
            ~known[: hashed.n_unigrams], hashed.document[: hashed.n_unigrams], len(batch)
        )
        padding = len(self.hashes)
        # Combine document and id into one number, so that one sort counts them all.
        keys, counts = np.unique(hashed.document[known] * padding + ids[known], return_counts=True)
        document, ids = np.divmod(keys, padding)
        column = np.arange(len(keys)) - np.searchsorted(document, document)
        shape = len(batch), int(column.max(initial=0)) + 1
        arrays = {"ids": np.full(shape, padding, np.int32), "counts": np.zeros(shape, np.float32)}
        arrays["ids"][document, column] = ids
        arrays["counts"][document, column] = counts
        return Encoded(arrays, unknown_share)

    def lookup(self, hashes: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return the id of each hash, and whether it is in the vocabulary. If not, the id is meaningless."""
        keys = (hashes >> self._shift).astype(self.hashes.dtype)
        ids = np.minimum(np.searchsorted(self.hashes, keys), len(self.hashes) - 1)
        return ids, self.hashes[ids] == keys


class TokenIdsEncoder:
    """`token_ids` int32 [batch, n], n the length of the longest text (1 … `max_length`), `lengths` int32 [batch]."""

    def __init__(self, contract: TokenIds, vocabulary: bytes) -> None:
        self.contract = contract
        self.ids = _lines(contract.vocabulary, vocabulary, contract.padding, contract.unknown)

    def __call__(self, batch: Sequence[Tokens]) -> Encoded:
        contract = self.contract
        texts = [[self.ids.get(t, contract.unknown) for t in tokens[: contract.max_length]] for tokens in batch]
        arrays = _padded(texts, contract.padding)
        inside = np.arange(arrays["token_ids"].shape[1]) < arrays["lengths"][:, None]
        document = np.repeat(np.arange(len(batch)), arrays["lengths"])
        unknown_share = _share_by_document(arrays["token_ids"][inside] == contract.unknown, document, len(batch))
        return Encoded(arrays, unknown_share)


_BERT_WORD = re.compile(r"[^\W_]+|[^\w\s]|_")  # BERT splits off punctuation
_MAX_WORD_LENGTH = 100  # characters; a longer word is unknown


class WordPiecesEncoder:
    """Like `TokenIdsEncoder`, but splits every token into the longest pieces that the vocabulary has.

    WordPiece as in Devlin et al., "BERT", 2019: pieces that continue a word start with ## in the vocabulary, and a text
    stands between the ids `start` and `end`. A token like <red_apple> is split into its words.
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
            _share_by_document(~known, hashed.document, len(batch)),
        )

    def text(self, tokens: Tokens) -> list[int]:
        """Return the ids of one text, `start` and `end` included; at most `max_length`."""
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
        return [piece for part in _BERT_WORD.findall(token) for piece in self._longest_first(part)]

    def _longest_first(self, word: str) -> list[int]:
        if len(word) > _MAX_WORD_LENGTH:
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
    """Return the id of every line. Raises ModelError if a needed id has no line, or the file is not UTF-8."""
    try:
        lines = vocabulary.decode().removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        raise ModelError(f"{file}: {error}") from error
    if not 0 <= max(needed) < len(lines):
        raise ModelError(f"{file}: has {len(lines)} lines, none for the ids {needed}")
    return {token: i for i, token in enumerate(lines)}


def _padded(texts: Sequence[Sequence[int]], padding: int) -> dict[str, NDArray[np.int32]]:
    """Return `token_ids` [batch, n], n the length of the longest text, at least 1, and `lengths` [batch]."""
    lengths = np.array([len(ids) for ids in texts], np.int32)
    token_ids = np.full((len(texts), max(1, int(lengths.max(initial=0)))), padding, np.int32)
    token_ids[np.arange(token_ids.shape[1]) < lengths[:, None]] = [i for ids in texts for i in ids]
    return {"token_ids": token_ids, "lengths": lengths}


def _share_by_document(mask: NDArray[np.bool_], document: NDArray[np.int64], n_documents: int) -> NDArray[np.float64]:
    """Return the share of tokens in `mask` for each document; 1 for a document without tokens."""
    total = np.bincount(document, minlength=n_documents)
    counted = np.bincount(document, weights=mask, minlength=n_documents)
    return np.divide(counted, total, out=np.ones(n_documents), where=total > 0)
