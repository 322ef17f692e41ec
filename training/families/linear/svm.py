"""A linear support vector machine on TF-IDF n-grams.

Its margins are not probabilities. As for every family, Platt scaling on validation data makes them so: Platt,
"Probabilistic outputs for support vector machines", 1999.
"""

from typing import Annotated, Any

from msgspec import Meta
from sklearn.svm import LinearSVC

from training.families.base import Examples, RunContext

from . import linear_model
from .linear_model import Candidates, LinearModel, LinearPipeline


class Configuration(linear_model.Configuration, frozen=True):
    C: Candidates = (0.15,)  # inverse strength of the L2 penalty
    max_iter: Annotated[int, Meta(ge=1)] = 1000  # of coordinate descent


def fit(configuration: Configuration, train: Examples, _: Examples, context: RunContext) -> LinearModel:
    classifier = LinearSVC(max_iter=configuration.max_iter, random_state=0)
    pipeline = LinearPipeline(classifier, {"C": configuration.C}, tfidf=True)
    return linear_model.fit(configuration, pipeline, train, context)


def space(trial: Any) -> dict[str, Any]:
    return linear_model.space(trial) | {"C": [trial.suggest_float("C", 0.01, 2, log=True)]}
