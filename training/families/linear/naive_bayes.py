"""Naive Bayes on n-gram counts: the fastest to train, the baseline of every text classifier.

Multinomial as in McCallum and Nigam, 1998; complement as in Rennie et al., "Tackling the poor assumptions of naive
Bayes text classifiers", 2003.
"""

from typing import Any, Literal

from sklearn.naive_bayes import ComplementNB, MultinomialNB

from training.families import Examples, RunContext

from . import base
from .base import Choice, LinearModel

KINDS = {"multinomial": MultinomialNB, "complement": ComplementNB}


class Configuration(base.Configuration, frozen=True):
    kind: Literal["multinomial", "complement"] = "complement"
    alpha: Choice = (1.0,)  # how often every n-gram is taken to have been seen beforehand
    tfidf: bool = False  # weigh the counts


def fit(configuration: Configuration, train: Examples, _: Examples, context: RunContext) -> LinearModel:
    grid = {"alpha": configuration.alpha}
    return base.fit(configuration, KINDS[configuration.kind](), grid, train, context, tfidf=configuration.tfidf)


def space(trial: Any) -> dict[str, Any]:
    return base.space(trial) | {
        "kind": trial.suggest_categorical("kind", list(KINDS)),
        "alpha": [trial.suggest_float("alpha", 0.05, 5, log=True)],
        "tfidf": trial.suggest_categorical("tfidf", [False, True]),
    }
