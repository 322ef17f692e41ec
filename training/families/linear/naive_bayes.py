"""Naive Bayes on n-gram counts: the fastest to train, the baseline of every text classifier.

Multinomial as in McCallum and Nigam, 1998; complement as in Rennie et al., "Tackling the poor assumptions of naive
Bayes text classifiers", 2003.
"""

from typing import Any, Literal

from sklearn.naive_bayes import ComplementNB, MultinomialNB

from training.families.base import Examples, RunContext

from . import linear_model
from .linear_model import Candidates, LinearModel, LinearPipeline

KINDS = {"multinomial": MultinomialNB, "complement": ComplementNB}


class Configuration(linear_model.Configuration, frozen=True):
    kind: Literal["multinomial", "complement"] = "complement"
    alpha: Candidates = (1.0,)  # additive smoothing: this is added to the count of every n-gram
    tfidf: bool = False  # weight the counts by TF-IDF


def fit(configuration: Configuration, train: Examples, _: Examples, context: RunContext) -> LinearModel:
    classifier = KINDS[configuration.kind]()
    pipeline = LinearPipeline(classifier, {"alpha": configuration.alpha}, tfidf=configuration.tfidf)
    return linear_model.fit(configuration, pipeline, train, context)


def space(trial: Any) -> dict[str, Any]:
    return linear_model.space(trial) | {
        "kind": trial.suggest_categorical("kind", list(KINDS)),
        "alpha": [trial.suggest_float("alpha", 0.05, 5, log=True)],
        "tfidf": trial.suggest_categorical("tfidf", [False, True]),
    }
