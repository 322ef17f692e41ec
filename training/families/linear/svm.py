"""A linear support vector machine on TF-IDF n-grams.

Its margins are no probabilities; as every family's they become such by Platt scaling on validation data, which is
what Platt, "Probabilistic outputs for support vector machines", 1999, is about.
"""

from typing import Annotated, Any

from msgspec import Meta
from sklearn.svm import LinearSVC

from training.families import Examples, RunContext

from . import base
from .base import Choice, LinearModel


class Configuration(base.Configuration, frozen=True):
    C: Choice = (0.15,)  # inverse strength of the L2 penalty
    max_iter: Annotated[int, Meta(ge=1)] = 1000  # of coordinate descent


def fit(configuration: Configuration, train: Examples, _: Examples, context: RunContext) -> LinearModel:
    machine = LinearSVC(max_iter=configuration.max_iter, random_state=0)
    return base.fit(configuration, machine, {"C": configuration.C}, train, context, tfidf=True)


def space(trial: Any) -> dict[str, Any]:
    return base.space(trial) | {"C": [trial.suggest_float("C", 0.01, 2, log=True)]}
