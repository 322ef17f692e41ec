"""Logistic regression on TF-IDF n-grams: small, fast, hard to beat for its size.

Wang and Manning, "Baselines and bigrams", 2012, show how far such models go on short texts.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta
from sklearn.linear_model import LogisticRegression

from training.families.base import Examples, RunContext

from . import linear_model
from .linear_model import Candidates, LinearModel, LinearPipeline


class Configuration(linear_model.Configuration, frozen=True):
    C: Candidates = (2.0,)  # inverse strength of the L2 penalty
    solver: Literal["lbfgs", "liblinear", "newton-cg"] = "lbfgs"
    max_iter: Annotated[int, Meta(ge=1)] = 300  # of the solver


def fit(configuration: Configuration, train: Examples, _: Examples, context: RunContext) -> LinearModel:
    classifier = LogisticRegression(
        solver=configuration.solver, max_iter=configuration.max_iter, tol=1e-5, random_state=0
    )
    pipeline = LinearPipeline(classifier, {"C": configuration.C}, tfidf=True)
    return linear_model.fit(configuration, pipeline, train, context)


def space(trial: Any) -> dict[str, Any]:
    return linear_model.space(trial) | {
        "C": [trial.suggest_float("C", 0.1, 20, log=True)],
        "solver": trial.suggest_categorical("solver", ["lbfgs", "liblinear", "newton-cg"]),
    }
