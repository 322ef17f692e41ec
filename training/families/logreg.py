"""Logistic regression on TF-IDF n-grams: small, fast, hard to beat for its size.

Trained twice: once on every n-gram, to learn which ones matter, and again on those alone, so that the weights know
what is missing. Wang and Manning, "Baselines and bigrams", 2012, show how far such models go on short texts.
"""

from collections.abc import Sequence
from typing import Annotated

import msgspec
import numpy as np
import scipy.sparse as sp
from msgspec import Meta
from numpy.typing import NDArray
from rich.console import Console
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from sentiment.text import TextSpec
from training.ngrams import NgramCounts

console = Console(stderr=True)

FREQUENT = 5  # a word in that many texts stays in the vocabulary, whatever its weight: it is no unknown word


class Configuration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    text: TextSpec = TextSpec()
    longest: Annotated[int, Meta(ge=1, le=9)] = 3  # n-grams have 1 … longest tokens
    min_df: Annotated[int, Meta(ge=1)] = 3  # an n-gram in fewer texts is no feature
    keep: Annotated[int, Meta(ge=1)] = 450_000  # n-grams that survive the first training
    C: Annotated[float, Meta(gt=0)] = 2.0  # inverse strength of the L2 penalty
    max_iter: Annotated[int, Meta(ge=1)] = 300  # of L-BFGS


def fit(configuration: Configuration, texts: Sequence[str], labels: NDArray[np.int8]) -> tuple[Pipeline, Pipeline]:
    """The model that ships, and the unpruned one it was cut from: pipelines from texts to log-odds."""
    counts = NgramCounts(configuration.text, configuration.longest, configuration.min_df).fit(texts)
    features = counts.transform(texts)
    full = _fit(configuration, counts, features, labels)
    columns = _worth_keeping(configuration.keep, full)
    return _fit(configuration, counts.keep(columns), features[:, columns], labels), full


def _fit(
    configuration: Configuration, counts: NgramCounts, features: sp.csr_matrix, labels: NDArray[np.int8]
) -> Pipeline:
    """`counts` is fitted already; the rest is fitted to its `features`."""
    tfidf = TfidfTransformer(sublinear_tf=True)
    regression = LogisticRegression(C=configuration.C, max_iter=configuration.max_iter, tol=1e-5)
    with console.status(f"logistic regression on {features.shape[1]:,} n-grams of {features.shape[0]:,} texts"):
        regression.fit(tfidf.fit_transform(features), labels)
    return Pipeline([("counts", counts), ("tfidf", tfidf), ("regression", regression)])


def _worth_keeping(keep: int, full: Pipeline) -> NDArray[np.bool_]:
    """The columns that move a score most often and most, and every word that is not rare."""
    counts = full["counts"]
    weight = np.abs(full["regression"].coef_[0]) * np.sqrt(counts.document_frequency_)
    weight[counts.word_ & (counts.document_frequency_ >= FREQUENT)] = np.inf
    columns = np.zeros(len(weight), bool)
    columns[np.argsort(-weight, kind="stable")[:keep]] = True
    return columns
