"""N-gram counts for scikit-learn, over the same hashes that the app looks up."""

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

from .base import Untrainable

MIN_KNOWN_TEXTS = 5  # a word in fewer training texts counts as unknown
# These two bound the memory that counting takes.
CHUNK_TEXTS = 20_000
MAX_PENDING_HASHES = 20_000_000


class NgramCounts(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Like CountVectorizer: texts -> CSR float32 [texts, vocabulary], how often each known n-gram occurs.

    `vocabulary_` uint64: the sorted hashes of the n-grams that occur in at least `min_df` training texts.
    `document_frequency_` int64: in how many. `is_word_` bool: whether the n-gram is a single token.
    """

    def __init__(self, text: TextSpec, max_ngram: int, min_df: int = 2) -> None:
        self.text = text
        self.max_ngram = max_ngram  # n-grams have 1 … max_ngram tokens
        self.min_df = min_df

    def fit(self, texts: Sequence[str], _: object = None) -> Self:
        """Learn the vocabulary of `texts`. Raises Untrainable if it is empty."""
        vocabulary, frequency = np.empty(0, np.uint64), np.empty(0, np.int64)
        words = np.empty(0, np.uint64)
        pending: list[NDArray[np.uint64]] = []
        for chunk in self._tokenized_chunks(texts, "count n-grams"):
            document, hashes, tokens = hash_ngrams(chunk, self.max_ngram)
            words = np.union1d(words, hashes[:tokens])
            pending.append(_unique_per_document(document, hashes))
            if sum(map(len, pending)) > max(len(vocabulary), MAX_PENDING_HASHES):
                vocabulary, frequency = _add_counts(vocabulary, frequency, pending)
                pending = []
        vocabulary, frequency = _add_counts(vocabulary, frequency, pending)
        frequent = frequency >= self.min_df
        if not frequent.any():
            raise Untrainable(f"min_df={self.min_df}: no n-gram is in so many of {len(texts):,} texts")
        self.vocabulary_, self.document_frequency_ = vocabulary[frequent], frequency[frequent]
        self.is_word_ = np.isin(self.vocabulary_, words, assume_unique=True)
        return self

    def transform(self, texts: Sequence[str]) -> sp.csr_matrix:
        encoder = self.encoder()
        parts = []
        for chunk in self._tokenized_chunks(texts, "look n-grams up"):
            document, hashes, _ = hash_ngrams(chunk, self.max_ngram)
            ids, known = encoder.lookup(hashes)
            ones = np.ones(int(known.sum()), np.float32)
            shape = (len(chunk), len(self.vocabulary_))
            parts.append(sp.coo_matrix((ones, (document[known], ids[known].astype(np.int32))), shape).tocsr())
        return sp.vstack(parts, format="csr", dtype=np.float32)

    def encoder(self) -> IdsCountsEncoder:
        """Return the encoder that the app uses instead."""
        return IdsCountsEncoder(IdsCounts("vocabulary", 64, self.max_ngram), self.vocabulary_.astype("<u8").tobytes())

    def select(self, columns: NDArray[np.bool_]) -> "NgramCounts":
        """Return a copy with the n-grams of the mask `columns` [vocabulary] only."""
        selected = NgramCounts(self.text, self.max_ngram, self.min_df)
        selected.vocabulary_ = self.vocabulary_[columns]
        selected.document_frequency_ = self.document_frequency_[columns]
        selected.is_word_ = self.is_word_[columns]
        return selected

    def _tokenized_chunks(self, texts: Sequence[str], description: str) -> Iterator[list[list[str]]]:
        for start in track(range(0, len(texts), CHUNK_TEXTS), description, disable=len(texts) <= CHUNK_TEXTS):
            yield [self.text.tokens(text) for text in texts[start : start + CHUNK_TEXTS]]


def _unique_per_document(document: NDArray[np.int64], hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return each hash once for every document it occurs in."""
    order = np.lexsort((hashes, document))
    document, hashes = document[order], hashes[order]
    is_first = np.ones(len(hashes), bool)
    is_first[1:] = (document[1:] != document[:-1]) | (hashes[1:] != hashes[:-1])
    return hashes[is_first]


def _add_counts(
    vocabulary: NDArray[np.uint64], frequency: NDArray[np.int64], pending: list[NDArray[np.uint64]]
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Return vocabulary and document frequencies with the hashes of `pending` counted in."""
    hashes, counts = np.unique(np.concatenate([*pending, np.empty(0, np.uint64)]), return_counts=True)
    merged, inverse = np.unique(np.concatenate([vocabulary, hashes]), return_inverse=True)
    total = np.bincount(inverse, np.concatenate([frequency, counts]), len(merged)).astype(np.int64)
    return merged, total
