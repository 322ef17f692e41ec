"""What the linear families share: n-grams in, one weight each, a Gather graph out.

Trained twice: once on every n-gram, to learn which ones matter, and again on those alone, so that the weights know
what is missing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
import scipy.sparse as sp
from msgspec import Meta
from numpy.typing import NDArray
from rich.console import Console
from sklearn.base import BaseEstimator
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.metrics import make_scorer
from sklearn.model_selection import GridSearchCV, StratifiedKFold

from sentiment.manifest import IdsCounts
from sentiment.text import TextSpec
from training.evaluation import metrics
from training.families import GRAPH, Examples, RunContext, text_space
from training.onnx_export import graph_builder

from .ngram_counts import NgramCounts

VOCABULARY = "ngrams.bin"
FREQUENT = 5  # a word in that many texts stays in the vocabulary, whatever its weight: it is no unknown word
FOLDS = 3

console = Console(stderr=True)

type Positive = Annotated[float, Meta(gt=0)]
type Choice = Annotated[tuple[Positive, ...], Meta(min_length=1)]  # of several, cross-validation takes one


class Configuration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The settings of every linear family; each adds its own."""

    text: TextSpec = TextSpec()
    longest: Annotated[int, Meta(ge=1, le=9)] = 3  # n-grams have 1 … longest tokens
    min_df: Annotated[int, Meta(ge=1)] = 3  # an n-gram in fewer texts is no feature
    keep: Annotated[int, Meta(ge=1)] = 450_000  # n-grams that survive the first training


@dataclass(frozen=True)
class LinearModel:
    """Counts, weighted or not, times coefficients."""

    counts: NgramCounts
    tfidf: TfidfTransformer | None  # sublinear, l2-normalised
    classifier: BaseEstimator

    @property
    def text(self) -> TextSpec:
        return self.counts.text

    def features(self, texts: Sequence[str]) -> sp.csr_matrix:
        counts = self.counts.transform(texts)
        return counts if self.tfidf is None else self.tfidf.transform(counts)

    def logit(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """As scikit-learn computes it."""
        features = self.features(texts)
        if hasattr(self.classifier, "decision_function"):
            return np.asarray(self.classifier.decision_function(features), np.float64)
        joint = self.classifier.predict_joint_log_proba(features)
        return np.asarray(joint[:, 1] - joint[:, 0], np.float64)

    def write(self, folder: Path, *, compact: bool) -> IdsCounts:
        """Compact: float16 weights, 32-bit hashes."""
        weight, intercept = coefficients(self.classifier)
        idf = None if self.tfidf is None else self.tfidf.idf_
        hashes = self.counts.vocabulary_
        if compact:  # the high half of a hash is enough; of two that share it, the first stays
            hashes, first = np.unique(hashes >> np.uint64(32), return_index=True)
            weight, idf = weight[first], None if idf is None else idf[first]
        bits = 32 if compact else 64
        (folder / VOCABULARY).write_bytes(hashes.astype(f"<u{bits // 8}").tobytes())
        graph_builder.optimise(
            graph_builder.linear(idf, weight, intercept, "float16" if compact else "float32"), folder / GRAPH
        )
        return IdsCounts(VOCABULARY, bits, self.counts.longest)  # type: ignore[arg-type]


def coefficients(classifier: Any) -> tuple[NDArray[np.float64], float]:
    """What a feature adds to the log-odds, [features], and where they start."""
    if hasattr(classifier, "coef_"):
        return classifier.coef_[0], float(classifier.intercept_[0])
    negative, positive = classifier.feature_log_prob_
    prior = classifier.class_log_prior_ if "Complement" not in type(classifier).__name__ else np.zeros(2)
    return positive - negative, float(prior[1] - prior[0])


def fit(
    configuration: Configuration,
    classifier: BaseEstimator,
    grid: Mapping[str, Sequence[float]],
    train: Examples,
    context: RunContext,
    *,
    tfidf: bool,
) -> LinearModel:
    """Fit `classifier` on n-grams of `train`, with the values of `grid` that cross-validation finds most precise."""
    counts = NgramCounts(configuration.text, configuration.longest, configuration.min_df).fit(train.texts)
    features = counts.transform(train.texts)
    full = _fit(classifier, counts, features, train.target, grid, context, tfidf)
    columns = _worth_keeping(configuration.keep, full)
    chosen = {name: [full.classifier.get_params()[name]] for name in grid}
    return _fit(classifier, counts.keep(columns), features[:, columns], train.target, chosen, context, tfidf)


def _fit(
    classifier: BaseEstimator,
    counts: NgramCounts,
    features: sp.csr_matrix,
    target: NDArray[np.float32],
    grid: Mapping[str, Sequence[float]],
    context: RunContext,
    tfidf: bool,
) -> LinearModel:
    """`counts` is fitted already; the rest is fitted to its `features`."""
    weighting = TfidfTransformer(sublinear_tf=True).fit(features) if tfidf else None
    weighted = features if weighting is None else weighting.transform(features)
    with console.status(f"{classifier} on {features.shape[1]:,} n-grams of {features.shape[0]:,} texts"):
        values = most_precise(classifier, grid, weighted, target, context)
        rows, labels, weights = as_labels(weighted, target)
        fitted = classifier.set_params(**values).fit(rows, labels, sample_weight=weights)
    return LinearModel(counts, weighting, fitted)


def as_labels(
    features: sp.csr_matrix, target: NDArray[np.float32]
) -> tuple[sp.csr_matrix, NDArray[np.int8], NDArray[np.float32]]:
    """Features, labels and weights. A text that is positive with P = 0.8 counts 0.8 as positive and 0.2 as negative."""
    if np.isin(target, (0, 1)).all():
        return features, target.astype(np.int8), np.ones_like(target)
    labels = np.repeat(np.array([1, 0], np.int8), len(target))
    return sp.vstack([features, features], format="csr"), labels, np.concatenate([target, 1 - target])


def most_precise(
    classifier: BaseEstimator,
    grid: Mapping[str, Sequence[float]],
    features: sp.csr_matrix,
    target: NDArray[np.float32],
    context: RunContext,
) -> dict[str, float]:
    """The values of `grid` with which `classifier` is most precise on held-out folds.

    Where there is nothing to choose, nothing is held out. Of what a teacher said only the label counts here: as two
    weighted labels a text would be on both sides of a fold.
    """
    if all(len(values) == 1 for values in grid.values()):
        return {name: values[0] for name, values in grid.items()}
    scoring = {"precision": make_scorer(metrics.break_even, response_method=_RESPONSES), "auc": "roc_auc"}
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    search = GridSearchCV(classifier, {n: list(v) for n, v in grid.items()}, scoring=scoring, refit=False, cv=folds)
    tried = search.fit(features, (target >= 0.5).astype(np.int8)).cv_results_
    for step, values in enumerate(tried["params"]):
        figures = {f"cv_{name}": float(tried[f"mean_test_{name}"][step]) for name in scoring}
        context.report(step, values | figures)
        console.print(values, figures)
    return dict(tried["params"][int(np.argmax(tried["mean_test_precision"]))])


_RESPONSES = ("decision_function", "predict_proba")


def _worth_keeping(keep: int, full: LinearModel) -> NDArray[np.bool_]:
    """The columns that move a score most often and most, and every word that is not rare."""
    weight, _ = coefficients(full.classifier)
    worth = np.abs(weight) * np.sqrt(full.counts.document_frequency_)
    worth[full.counts.word_ & (full.counts.document_frequency_ >= FREQUENT)] = np.inf
    columns = np.zeros(len(worth), bool)
    columns[np.argsort(-worth, kind="stable")[:keep]] = True
    return columns


def space(trial: Any) -> dict[str, Any]:
    """What `tune` tries in every linear family: how texts are cut, how long n-grams are, how many there are."""
    return text_space(trial) | {
        "longest": trial.suggest_int("longest", 1, 3),
        "min_df": trial.suggest_int("min_df", 1, 10, log=True),
        "keep": trial.suggest_int("keep", 20_000, 450_000, log=True),
    }
