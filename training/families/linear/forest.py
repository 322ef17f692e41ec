"""A random forest (Breiman, 2001) on the most informative n-grams. It is here for comparison.

Trees test one n-gram at a time, so a forest needs many nodes for what a linear model says with one weight a word. Its
depth is limited: a node takes about 40 bytes in the graph, and an unlimited forest of 300 trees on 200,000 tweets has
tens of millions of nodes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray
from scipy.special import logit
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_selection import chi2

from sentiment.manifest import MAX_NGRAM, IdsCounts
from sentiment.text import TextSpec
from training.families.base import GRAPH_FILE, Examples, RunContext, text_space
from training.families.ngram_counts import NgramCounts
from training.onnx_export import graph_builder
from training.onnx_export.forest import forest_graph

from . import linear_model
from .linear_model import VOCABULARY_FILE, hard_labels

EPSILON = 1e-6  # probabilities are clipped to EPSILON … 1 - EPSILON: a forest may be certain, log-odds may not


class Configuration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    RENAMED: ClassVar[Mapping[str, str]] = linear_model.Configuration.RENAMED

    text: TextSpec = TextSpec()
    max_ngram: Annotated[int, Meta(ge=1, le=MAX_NGRAM)] = 2  # n-grams have 1 … max_ngram tokens
    min_df: Annotated[int, Meta(ge=1)] = 5  # an n-gram in fewer texts is no feature
    max_ngrams: Annotated[int, Meta(ge=1)] = 2_000  # those that depend most on the label, by χ²
    n_estimators: Annotated[int, Meta(ge=1)] = 200  # trees
    max_depth: Annotated[int, Meta(ge=1, le=64)] = 24
    min_samples_leaf: Annotated[int, Meta(ge=1)] = 3
    seed: int = 0


@dataclass(frozen=True)
class Forest:
    counts: NgramCounts
    classifier: RandomForestClassifier

    @property
    def text(self) -> TextSpec:
        return self.counts.text

    def logit(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return the log-odds of positive, [texts], as scikit-learn computes them: of the mean over all trees."""
        positive = self.classifier.predict_proba(self.counts.transform(texts))[:, 1]
        return np.asarray(logit(np.clip(positive, EPSILON, 1 - EPSILON)), np.float64)

    def export(self, folder: Path, *, compact: bool) -> IdsCounts:
        """Write the model. There is no compact form of trees."""
        (folder / VOCABULARY_FILE).write_bytes(self.counts.vocabulary_.astype("<u8").tobytes())
        graph_builder.save_optimized(forest_graph(self.classifier, EPSILON), folder / GRAPH_FILE)
        return IdsCounts(VOCABULARY_FILE, 64, self.counts.max_ngram)


def fit(configuration: Configuration, train: Examples, _: Examples, context: RunContext) -> Forest:
    counts = NgramCounts(configuration.text, configuration.max_ngram, configuration.min_df).fit(train.texts)
    features, labels, sample_weight = hard_labels(counts.transform(train.texts), train.target)
    dependence = np.nan_to_num(chi2(features, labels)[0])
    columns = np.zeros(features.shape[1], bool)
    columns[np.argsort(-dependence, kind="stable")[: configuration.max_ngrams]] = True
    forest = RandomForestClassifier(
        configuration.n_estimators,
        max_depth=configuration.max_depth,
        min_samples_leaf=configuration.min_samples_leaf,
        n_jobs=-1,
        random_state=configuration.seed,
    )
    forest.fit(features[:, columns], labels, sample_weight=sample_weight)
    return Forest(counts.select(columns), forest)


def space(trial: Any) -> dict[str, Any]:
    return text_space(trial) | {
        "max_ngram": trial.suggest_int("max_ngram", 1, 3),
        "max_ngrams": trial.suggest_int("max_ngrams", 500, 4000, log=True),
        "n_estimators": trial.suggest_int("n_estimators", 50, 400, log=True),
        "max_depth": trial.suggest_int("max_depth", 8, 48),
        "min_samples_leaf": trial.suggest_int("min_samples_leaf", 1, 20, log=True),
    }
