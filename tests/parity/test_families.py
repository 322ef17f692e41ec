"""The families over n-grams, trained on synthetic tweets, and their ONNX exports."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

from sentiment.model import Model
from tests.support.tweets import hostile
from training.data.dataset import Split
from training.evaluation import calibration
from training.families import RunContext, Untrainable, load_family
from training.families.fit import Trained, fit
from training.families.linear.linear_model import LinearModel
from training.families.settings import configure
from training.registry.build import MAX_REFERENCE_DIFFERENCE, ExportSource, build

SETTINGS = {
    "logreg": ("logreg", "max_ngrams=300"),
    "liblinear": ("logreg", "solver=liblinear"),
    "newton": ("logreg", "solver=newton-cg"),
    "complement": ("naive_bayes", "max_ngrams=300"),
    "multinomial": ("naive_bayes", "kind=multinomial"),
    "tfidf": ("naive_bayes", "kind=multinomial", "tfidf=true"),
    "svm": ("svm", "max_ngrams=300"),
    "forest": ("forest", "n_estimators=20", "max_ngrams=200"),
}

type Data = dict[Split, pd.DataFrame]


@pytest.fixture(params=SETTINGS)
def settings(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """Return a family and its settings."""
    return SETTINGS[request.param]


def train(settings: tuple[str, ...], data: Data, context: RunContext, target: Any = None) -> Trained:
    """Train on `target`, by default on the labels."""
    name, *keys = settings
    configuration = configure(load_family(name).Configuration, ["min_df=1", *keys])
    if target is None:
        target = data["train"].label.to_numpy(np.float32)
    return fit(name, configuration, data, target, context)[0]


@pytest.fixture
def context(tmp_path: Path) -> RunContext:
    return RunContext(tmp_path, lambda step, metrics: None)


def test_exported_model_gives_the_labels_of_scikit_learn(
    settings: tuple[str, ...], data: Data, context: RunContext, tmp_path: Path
) -> None:
    trained = train(settings, data, context)
    exported = build(ExportSource(trained, "mine", "run", data, "Data: invented."), tmp_path / "mine")
    assert exported.reference.label_changes == 0 and exported.reference.largest_difference < MAX_REFERENCE_DIFFERENCE
    assert exported.manifest.metrics["test"].values["accuracy"] > 0.95
    texts = [*data["test"].text, *hostile(300, seed=3)]
    expected = calibration.calibrated_probability(trained.fitted.logit(texts), trained.calibration)
    labels = Model.load(tmp_path / "mine").score(texts).probability >= 0.5
    assert (labels == (expected >= 0.5)).mean() >= 0.995


def test_learns_the_confidence_of_a_teacher(settings: tuple[str, ...], data: Data, context: RunContext) -> None:
    labels = data["train"].label.to_numpy(np.float32)
    texts = data["test"].text.tolist()
    unsure = train(settings, data, context, 0.25 + 0.5 * labels).fitted.logit(texts)
    sure = train(settings, data, context, labels).fitted.logit(texts)
    assert np.abs(unsure).mean() < np.abs(sure).mean()
    assert ((unsure >= 0) == (data["test"].label == 1)).mean() > 0.95


class Search(NamedTuple):
    param: str
    precision: dict[float, float]  # of every candidate, in cross-validation
    trained: Trained


def search(settings: tuple[str, ...], data: Data, folder: Path, *, teacher: bool) -> Search:
    """Train on noisy labels with three candidates for the first parameter of the family."""
    param = "alpha" if settings[0] == "naive_bayes" else "C"
    reports: list[dict[str, float]] = []
    context = RunContext(folder, lambda step, metrics: reports.append(metrics))
    labels = np.where(np.arange(1000) % 4, data["train"].label, 1 - data["train"].label).astype(np.float32)
    target = 0.5 + 0.4 * (labels - 0.5) if teacher else labels
    trained = train((settings[0], f"{param}=[1e-4,0.1,10]", "text.stop_words=true"), data, context, target)
    return Search(param, {report[param]: report["cv_precision"] for report in reports}, trained)


def best_value(found: Search) -> float:
    """Return the value that the final model was trained with."""
    assert isinstance(found.trained.fitted, LinearModel)
    return float(found.trained.fitted.classifier.get_params()[found.param])


@pytest.mark.parametrize("settings", ["logreg", "svm", "complement"], indirect=True)
def test_cross_validation_chooses_the_most_precise_value(settings: tuple[str, ...], data: Data, tmp_path: Path) -> None:
    found = search(settings, data, tmp_path, teacher=False)
    assert len(found.precision) == 3 and len(set(found.precision.values())) > 1
    assert best_value(found) == max(found.precision, key=lambda value: found.precision[value])


@pytest.mark.parametrize("settings", ["logreg", "svm", "complement"], indirect=True)
def test_cross_validation_uses_the_label_of_a_teacher(settings: tuple[str, ...], data: Data, tmp_path: Path) -> None:
    labels, teacher = (search(settings, data, tmp_path, teacher=teacher) for teacher in (False, True))
    assert labels.precision == teacher.precision
    assert best_value(labels) == best_value(teacher)


def test_refuses_settings_that_leave_no_ngram(settings: tuple[str, ...], data: Data, context: RunContext) -> None:
    with pytest.raises(Untrainable, match="min_df=9999: no n-gram is in so many of 1,000 texts"):
        train((*settings, "min_df=9999"), data, context)
