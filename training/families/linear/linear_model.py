"""What the linear families share: n-grams in, one weight each, a Gather graph out.

They train twice: on all n-grams, to find out which ones matter, and again on those alone, so that the weights make up
for the n-grams that are missing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import msgspec
import numpy as np
import scipy.sparse as sp
from msgspec import Meta
from numpy.typing import NDArray
from rich.console import Console
from sklearn.base import BaseEstimator, clone
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.metrics import make_scorer
from sklearn.model_selection import GridSearchCV, StratifiedKFold

from sentiment.manifest import MAX_NGRAM, IdsCounts
from sentiment.text import TextSpec
from training.evaluation import metrics
from training.families.base import GRAPH_FILE, Examples, RunContext, text_space
from training.families.ngram_counts import MIN_KNOWN_TEXTS, NgramCounts
from training.onnx_export import graph_builder, linear

VOCABULARY_FILE = "ngrams.bin"
FOLDS = 3
RESPONSE_METHODS = ("decision_function", "predict_proba")  # what the classifiers rank texts by, where they have it

console = Console(stderr=True)

type Positive = Annotated[float, Meta(gt=0)]
type Candidates = Annotated[tuple[Positive, ...], Meta(min_length=1)]  # cross-validation chooses one of several


class Configuration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The settings of every linear family. Each family adds its own."""

    RENAMED: ClassVar[Mapping[str, str]] = {"longest": "max_ngram", "keep": "max_ngrams"}

    text: TextSpec = TextSpec()
    max_ngram: Annotated[int, Meta(ge=1, le=MAX_NGRAM)] = 3  # n-grams have 1 … max_ngram tokens
    min_df: Annotated[int, Meta(ge=1)] = 3  # an n-gram in fewer texts is no feature
    max_ngrams: Annotated[int, Meta(ge=1)] = 450_000  # n-grams that remain for the second training


@dataclass(frozen=True)
class LinearModel:
    """N-gram counts, weighted by TF-IDF or not, and a linear classifier."""

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
        """Return the log-odds of positive, [texts], as scikit-learn computes them."""
        features = self.features(texts)
        if hasattr(self.classifier, "decision_function"):
            return np.asarray(self.classifier.decision_function(features), np.float64)
        joint = self.classifier.predict_joint_log_proba(features)
        return np.asarray(joint[:, 1] - joint[:, 0], np.float64)

    def export(self, folder: Path, *, compact: bool) -> IdsCounts:
        """Write the model. Compact: float16 weights, 32-bit hashes."""
        weight, intercept = linear_weights(self.classifier)
        idf = None if self.tfidf is None else self.tfidf.idf_
        hashes = self.counts.vocabulary_
        bits: Literal[32, 64] = 64
        if compact:  # the high half of a hash is enough; of two n-grams that share it, the first stays
            bits = 32
            hashes, first = np.unique(hashes >> np.uint64(32), return_index=True)
            weight, idf = weight[first], None if idf is None else idf[first]
        (folder / VOCABULARY_FILE).write_bytes(hashes.astype(f"<u{bits // 8}").tobytes())
        graph = linear.linear_graph(idf, weight, intercept, "float16" if compact else "float32")
        graph_builder.save_optimized(graph, folder / GRAPH_FILE)
        return IdsCounts(VOCABULARY_FILE, bits, self.counts.max_ngram)


def linear_weights(classifier: Any) -> tuple[NDArray[np.float64], float]:
    """Return what each feature adds to the log-odds, [features], and the intercept."""
    if hasattr(classifier, "coef_"):
        return classifier.coef_[0], float(classifier.intercept_[0])
    negative, positive = classifier.feature_log_prob_
    prior = classifier.class_log_prior_ if "Complement" not in type(classifier).__name__ else np.zeros(2)
    return positive - negative, float(prior[1] - prior[0])


@dataclass(frozen=True)
class LinearPipeline:
    """What a linear family fits to n-gram counts: TF-IDF or not, then a classifier, tuned by cross-validation."""

    classifier: BaseEstimator
    param_grid: Mapping[str, Sequence[float]]  # of the classifier, as in GridSearchCV
    tfidf: bool  # weight the counts before they reach the classifier

    def fit(
        self, counts: NgramCounts, features: sp.csr_matrix, target: NDArray[np.float32], context: RunContext
    ) -> LinearModel:
        """Fit to `features`, the transformed training texts of `counts`."""
        tfidf = TfidfTransformer(sublinear_tf=True).fit(features) if self.tfidf else None
        weighted = features if tfidf is None else tfidf.transform(features)
        with console.status(f"{self.classifier} on {features.shape[1]:,} n-grams of {features.shape[0]:,} texts"):
            params = self._grid_search(weighted, target, context)
            rows, labels, sample_weight = hard_labels(weighted, target)
            classifier = clone(self.classifier).set_params(**params).fit(rows, labels, sample_weight=sample_weight)
        return LinearModel(counts, tfidf, classifier)

    def _grid_search(
        self, features: sp.csr_matrix, target: NDArray[np.float32], context: RunContext
    ) -> dict[str, float]:
        """Return the parameters with the best precision in cross-validation.

        A teacher's probabilities count as labels here: as two weighted rows a text would be on both sides of a fold.
        """
        if all(len(values) == 1 for values in self.param_grid.values()):
            return {name: values[0] for name, values in self.param_grid.items()}
        scoring = {"precision": make_scorer(metrics.break_even, response_method=RESPONSE_METHODS), "auc": "roc_auc"}
        param_grid = {name: list(values) for name, values in self.param_grid.items()}
        folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
        search = GridSearchCV(self.classifier, param_grid, scoring=scoring, refit=False, cv=folds)
        results = search.fit(features, (target >= 0.5).astype(np.int8)).cv_results_
        for step, params in enumerate(results["params"]):
            values = {f"cv_{name}": float(results[f"mean_test_{name}"][step]) for name in scoring}
            context.report(step, params | values)
            console.print(params, values)
        return dict(results["params"][int(np.argmax(results["mean_test_precision"]))])


def fit(configuration: Configuration, pipeline: LinearPipeline, train: Examples, context: RunContext) -> LinearModel:
    """Fit `pipeline` to all n-grams of `train`, and again to those that matter."""
    counts = NgramCounts(configuration.text, configuration.max_ngram, configuration.min_df).fit(train.texts)
    features = counts.transform(train.texts)
    model = pipeline.fit(counts, features, train.target, context)
    columns = select_ngrams(model, configuration.max_ngrams)
    best_params = {name: [model.classifier.get_params()[name]] for name in pipeline.param_grid}
    pipeline = replace(pipeline, param_grid=best_params)
    return pipeline.fit(counts.select(columns), features[:, columns], train.target, context)


def hard_labels(
    features: sp.csr_matrix, target: NDArray[np.float32]
) -> tuple[sp.csr_matrix, NDArray[np.int8], NDArray[np.float32]]:
    """Return features, labels and sample weights for classifiers that take no probabilities.

    A text with P(positive) = 0.8 becomes two rows: a positive one of weight 0.8, and a negative one of weight 0.2.
    """
    if np.isin(target, (0, 1)).all():
        return features, target.astype(np.int8), np.ones_like(target)
    labels = np.repeat(np.array([1, 0], np.int8), len(target))
    return sp.vstack([features, features], format="csr"), labels, np.concatenate([target, 1 - target])


def select_ngrams(model: LinearModel, max_ngrams: int) -> NDArray[np.bool_]:
    """Return a mask of the n-grams that change scores most often and most.

    A word that is not rare stays whatever its weight: the app would call it unknown.
    """
    weight, _ = linear_weights(model.classifier)
    importance = np.abs(weight) * np.sqrt(model.counts.document_frequency_)
    importance[model.counts.is_word_ & (model.counts.document_frequency_ >= MIN_KNOWN_TEXTS)] = np.inf
    selected = np.zeros(len(importance), bool)
    selected[np.argsort(-importance, kind="stable")[:max_ngrams]] = True
    return selected


def space(trial: Any) -> dict[str, Any]:
    """Return the search space of every linear family."""
    return text_space(trial) | {
        "max_ngram": trial.suggest_int("max_ngram", 1, 3),
        "min_df": trial.suggest_int("min_df", 1, 10, log=True),
        "max_ngrams": trial.suggest_int("max_ngrams", 20_000, 450_000, log=True),
    }
