"""N-gram counts for scikit-learn, over the very hashes the serving half looks up."""

from collections.abc import Iterator, Sequence
from typing import Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from rich.progress import track
from sklearn.base import BaseEstimator, TransformerMixin

from sentiment.features import IdsCountsEncoder, hash_ngrams
from sentiment.manifest import IdsCounts
from sentiment.text import TextSpec
from training.families import Untrainable

CHUNK = 20_000  # texts hashed at a time, and
PENDING = 20_000_000  # hashes not yet counted: they bound the memory


class NgramCounts(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Texts -> CSR float32 [texts, vocabulary]: how often each known n-gram occurs.

    `vocabulary_` uint64: the sorted hashes of the n-grams that stand in at least `min_df` training texts.
    `document_frequency_` int64: in how many. `word_` bool: whether it is a single token.
    """

    def __init__(self, text: TextSpec, longest: int, min_df: int = 2) -> None:
        self.text = text
        self.longest = longest
        self.min_df = min_df

    def fit(self, texts: Sequence[str], _: object = None) -> Self:
        seen, frequency = np.empty(0, np.uint64), np.empty(0, np.int64)
        words = np.empty(0, np.uint64)
        pending: list[NDArray[np.uint64]] = []
        for chunk in self._chunks(texts, "count n-grams"):
            document, hashes, tokens = hash_ngrams(chunk, self.longest)
            words = np.union1d(words, hashes[:tokens])
            pending.append(_distinct(document, hashes))
            if sum(map(len, pending)) > max(len(seen), PENDING):
                seen, frequency = _merge(seen, frequency, pending)
                pending = []
        seen, frequency = _merge(seen, frequency, pending)
        frequent = frequency >= self.min_df
        if not frequent.any():
            raise Untrainable(f"min_df={self.min_df}: no n-gram is in so many of {len(texts):,} texts")
        self.vocabulary_, self.document_frequency_ = seen[frequent], frequency[frequent]
        self.word_ = np.isin(self.vocabulary_, words, assume_unique=True)
        return self

    def transform(self, texts: Sequence[str]) -> sp.csr_matrix:
        encode = self.encoder()
        parts = []
        for chunk in self._chunks(texts, "look n-grams up"):
            document, hashes, _ = hash_ngrams(chunk, self.longest)
            ids, known = encode.lookup(hashes)
            ones = np.ones(int(known.sum()), np.float32)
            shape = (len(chunk), len(self.vocabulary_))
            parts.append(sp.coo_matrix((ones, (document[known], ids[known].astype(np.int32))), shape).tocsr())
        return sp.vstack(parts, format="csr", dtype=np.float32)

    def encoder(self) -> IdsCountsEncoder:
        """What serving uses in the place of this."""
        return IdsCountsEncoder(IdsCounts("vocabulary", 64, self.longest), self.vocabulary_.astype("<u8").tobytes())

    def keep(self, columns: NDArray[np.bool_]) -> "NgramCounts":
        """The same over fewer n-grams; `columns` [vocabulary] says which."""
        kept = NgramCounts(self.text, self.longest, self.min_df)
        kept.vocabulary_ = self.vocabulary_[columns]
        kept.document_frequency_ = self.document_frequency_[columns]
        kept.word_ = self.word_[columns]
        return kept

    def _chunks(self, texts: Sequence[str], what: str) -> Iterator[list[list[str]]]:
        for start in track(range(0, len(texts), CHUNK), what, disable=len(texts) <= CHUNK):
            yield [self.text.tokens(text) for text in texts[start : start + CHUNK]]


def _distinct(document: NDArray[np.int64], hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Each hash once for every document it stands in."""
    order = np.lexsort((hashes, document))
    document, hashes = document[order], hashes[order]
    new = np.ones(len(hashes), bool)
    new[1:] = (document[1:] != document[:-1]) | (hashes[1:] != hashes[:-1])
    return hashes[new]


def _merge(
    seen: NDArray[np.uint64], frequency: NDArray[np.int64], pending: list[NDArray[np.uint64]]
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Add the hashes of `pending` to the frequencies counted so far."""
    hashes, counts = np.unique(np.concatenate([*pending, np.empty(0, np.uint64)]), return_counts=True)
    both, inverse = np.unique(np.concatenate([seen, hashes]), return_inverse=True)
    total = np.bincount(inverse, np.concatenate([frequency, counts]), len(both)).astype(np.int64)
    return both, total
