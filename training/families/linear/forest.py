"""A random forest (Breiman, 2001) on the most telling n-grams.

Trees ask one n-gram at a time, so a forest needs many nodes to say what a weight a word says; it is here for
comparison. Its depth is capped: a node costs about 40 bytes in the graph, and an uncapped forest of 300 trees on
200,000 tweets has tens of millions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray
from scipy.special import logit
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_selection import chi2

from sentiment.manifest import IdsCounts
from sentiment.text import TextSpec
from training.families import GRAPH, Examples, RunContext, text_space
from training.onnx_export import graph_builder

from . import base
from .ngram_counts import NgramCounts

EDGE = 1e-6  # a forest may be certain; log-odds may not


class Configuration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    text: TextSpec = TextSpec()
    longest: Annotated[int, Meta(ge=1, le=9)] = 2  # n-grams have 1 … longest tokens
    min_df: Annotated[int, Meta(ge=1)] = 5  # an n-gram in fewer texts is no feature
    keep: Annotated[int, Meta(ge=1)] = 2_000  # n-grams, those that depend most on the label by χ²
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
        """As scikit-learn computes it: the log-odds of the mean of the trees' shares."""
        positive = self.classifier.predict_proba(self.counts.transform(texts))[:, 1]
        return np.asarray(logit(np.clip(positive, EDGE, 1 - EDGE)), np.float64)

    def write(self, folder: Path, *, compact: bool) -> IdsCounts:
        """Compact or not, the trees are what they are."""
        (folder / base.VOCABULARY).write_bytes(self.counts.vocabulary_.astype("<u8").tobytes())
        graph_builder.optimise(graph_builder.forest(self.classifier, EDGE), folder / GRAPH)
        return IdsCounts(base.VOCABULARY, 64, self.counts.longest)


def fit(configuration: Configuration, train: Examples, _: Examples, context: RunContext) -> Forest:
    counts = NgramCounts(configuration.text, configuration.longest, configuration.min_df).fit(train.texts)
    features, labels, weights = base.as_labels(counts.transform(train.texts), train.target)
    dependence = np.nan_to_num(chi2(features, labels)[0])
    columns = np.zeros(features.shape[1], bool)
    columns[np.argsort(-dependence, kind="stable")[: configuration.keep]] = True
    forest = RandomForestClassifier(
        configuration.n_estimators,
        max_depth=configuration.max_depth,
        min_samples_leaf=configuration.min_samples_leaf,
        n_jobs=-1,
        random_state=configuration.seed,
    )
    forest.fit(features[:, columns], labels, sample_weight=weights)
    return Forest(counts.keep(columns), forest)


def space(trial: Any) -> dict[str, Any]:
    return text_space(trial) | {
        "longest": trial.suggest_int("longest", 1, 3),
        "keep": trial.suggest_int("keep", 500, 4000, log=True),
        "n_estimators": trial.suggest_int("n_estimators", 50, 400, log=True),
        "max_depth": trial.suggest_int("max_depth", 8, 48),
        "min_samples_leaf": trial.suggest_int("min_samples_leaf", 1, 20, log=True),
    }
