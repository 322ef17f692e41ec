"""Logistic regression on TF-IDF n-grams: small, fast, hard to beat for its size.

Wang and Manning, "Baselines and bigrams", 2012, show how far such models go on short texts.
"""

from typing import Annotated, Any

from msgspec import Meta
from sklearn.linear_model import LogisticRegression

from training import linear
from training.families import Desk, Examples
from training.linear import LinearModel, Positive


class Configuration(linear.Configuration, frozen=True):
    C: tuple[Positive, ...] = (2.0,)  # inverse strength of the L2 penalty; of several, cross-validation takes one
    max_iter: Annotated[int, Meta(ge=1)] = 300  # of L-BFGS


def fit(configuration: Configuration, train: Examples, _: Examples, desk: Desk) -> LinearModel:
    regression = LogisticRegression(max_iter=configuration.max_iter, tol=1e-5)
    return linear.fit(configuration, regression, {"C": configuration.C}, train, desk, tfidf=True)


def space(trial: Any) -> dict[str, Any]:
    return linear.space(trial) | {"C": [trial.suggest_float("C", 0.1, 20, log=True)]}
