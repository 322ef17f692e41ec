"""Logistic regression on TF-IDF n-grams: small, fast, hard to beat for its size.

Wang and Manning, "Baselines and bigrams", 2012, show how far such models go on short texts.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta
from sklearn.linear_model import LogisticRegression

from training.families import Examples, RunContext

from . import base
from .base import Choice, LinearModel


class Configuration(base.Configuration, frozen=True):
    C: Choice = (2.0,)  # inverse strength of the L2 penalty
    solver: Literal["lbfgs", "liblinear", "newton-cg"] = "lbfgs"
    max_iter: Annotated[int, Meta(ge=1)] = 300  # of the solver


def fit(configuration: Configuration, train: Examples, _: Examples, context: RunContext) -> LinearModel:
    solver, max_iter = configuration.solver, configuration.max_iter
    regression = LogisticRegression(solver=solver, max_iter=max_iter, tol=1e-5, random_state=0)
    return base.fit(configuration, regression, {"C": configuration.C}, train, context, tfidf=True)


def space(trial: Any) -> dict[str, Any]:
    return base.space(trial) | {
        "C": [trial.suggest_float("C", 0.1, 20, log=True)],
        "solver": trial.suggest_categorical("solver", ["lbfgs", "liblinear", "newton-cg"]),
    }
