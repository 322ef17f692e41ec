"""Tokens become the arrays an ONNX graph takes, by the input contract of the manifest."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from .errors import ModelError
from .manifest import IdsCounts, TokenIds

type Tokens = list[str]


class Encoded(NamedTuple):
    arrays: Mapping[str, NDArray[Any]]  # by input name of the graph, batch first
    unknown: NDArray[np.float64]  # [batch]: the share of a text's tokens that the vocabulary lacks; 1 if it has none


class Encoder(Protocol):
    def __call__(self, batch: Sequence[Tokens]) -> Encoded: ...


def encoder(contract: IdsCounts | TokenIds, files: Mapping[str, bytes]) -> Encoder:
    """The encoder of a contract. `files` holds the vocabulary. Raises ModelError if it is not one."""
    vocabulary = files[contract.vocabulary]
    match contract:
        case IdsCounts():
            return IdsCountsEncoder(contract, vocabulary)
        case TokenIds():
            return TokenIdsEncoder(contract, vocabulary)


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


class Hashed(NamedTuple):
    """The n-grams of a batch; the first `words` of them are the single tokens."""

    document: NDArray[np.int64]  # [n]: which text of the batch
    hash: NDArray[np.uint64]  # [n]
    words: int


def hash_ngrams(batch: Sequence[Tokens], longest: int) -> Hashed:
    """Every n-gram of 1 … longest tokens of every text, repeated as often as it occurs; O(characters + n-grams)."""
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
    for n in range(2, longest + 1):
        first = np.flatnonzero(document[: 1 - n] == document[n - 1 :])
        documents.append(document[first])
        found.append(hashes(first, first + n - 1))
    return Hashed(np.concatenate(documents), np.concatenate(found), len(words))


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
        self.longest = contract.longest
        self.hashes = np.frombuffer(vocabulary, f"<u{contract.bits // 8}")
        self._shift = np.uint64(64 - contract.bits)  # the high bits of a product are its well-mixed ones
        if not (self.hashes[1:] > self.hashes[:-1]).all():
            raise ModelError(f"{contract.vocabulary}: the hashes are not sorted and distinct")

    def __call__(self, batch: Sequence[Tokens]) -> Encoded:
        hashed = hash_ngrams(batch, self.longest)
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
        try:
            lines = vocabulary.decode().splitlines()
        except UnicodeDecodeError as error:
            raise ModelError(f"{contract.vocabulary}: {error}") from error
        if not 0 <= max(contract.padding, contract.unknown) < len(lines):
            raise ModelError(f"{contract.vocabulary}: has no line for padding or unknown")
        self.contract = contract
        self.ids = {token: i for i, token in enumerate(lines)}

    def __call__(self, batch: Sequence[Tokens]) -> Encoded:
        contract = self.contract
        texts = [[self.ids.get(t, contract.unknown) for t in tokens[: contract.max_length]] for tokens in batch]
        lengths = np.array([len(ids) for ids in texts], np.int32)
        width = max(1, int(lengths.max(initial=0)))
        token_ids = np.full((len(batch), width), contract.padding, np.int32)
        inside = np.arange(width) < lengths[:, None]
        token_ids[inside] = [i for ids in texts for i in ids]
        document = np.repeat(np.arange(len(batch)), lengths)
        unknown = _share(token_ids[inside] == contract.unknown, document, len(batch))
        return Encoded({"token_ids": token_ids, "lengths": lengths}, unknown)


def _share(of: NDArray[np.bool_], document: NDArray[np.int64], documents: int) -> NDArray[np.float64]:
    """For each document the share of its tokens that are `of`; 1 where it has no token."""
    total = np.bincount(document, minlength=documents)
    counted = np.bincount(document, weights=of, minlength=documents)
    return np.divide(counted, total, out=np.ones(documents), where=total > 0)
