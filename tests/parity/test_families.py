"""Every family over n-grams, from invented tweets to the model that serves: it learns, and ONNX gives its labels."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sentiment.model import Model
from tests.support.tweets import hostile
from training.data.dataset import Split
from training.evaluation import calibration
from training.families import RunContext, Untrainable, family
from training.families.fit import Trained, fit
from training.families.linear import base
from training.families.settings import configure
from training.registry.build import MAX_REFERENCE_DIFFERENCE, TrainedRun, build

KINDS = {
    "logreg": ("logreg", "keep=300"),
    "liblinear": ("logreg", "solver=liblinear"),
    "newton": ("logreg", "solver=newton-cg"),
    "complement": ("naive_bayes", "keep=300"),
    "multinomial": ("naive_bayes", "kind=multinomial"),
    "weighed": ("naive_bayes", "kind=multinomial", "tfidf=true"),
    "svm": ("svm", "keep=300"),
    "forest": ("forest", "n_estimators=20", "keep=200"),
}

type Data = dict[Split, pd.DataFrame]


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> tuple[str, ...]:
    return KINDS[request.param]


def trained_on(
    kind: tuple[str, ...], data: Data, folder: Path, target: Any = None, reported: list[Any] | None = None
) -> Trained:
    name, *settings = kind
    context = RunContext(folder, lambda *told: None if reported is None else reported.append(told))
    labels = data["train"].label.to_numpy(np.float32)
    configuration = configure(family(name).Configuration, ["min_df=1", *settings])
    return fit(name, configuration, data, labels if target is None else target, context)[0]


def test_what_is_served_is_what_was_trained(kind: tuple[str, ...], data: Data, tmp_path: Path) -> None:
    trained = trained_on(kind, data, tmp_path)
    exported = build(TrainedRun(trained, "mine", "run", data, "Data: invented."), tmp_path / "mine")
    assert exported.reference.label_changes == 0 and exported.reference.largest_difference < MAX_REFERENCE_DIFFERENCE
    assert exported.manifest.metrics["test"].values["accuracy"] > 0.95
    texts = [*data["test"].text, *hostile(300, seed=3)]
    expected = calibration.calibrated_probability(trained.fitted.logit(texts), trained.calibration)
    labels = Model.load(tmp_path / "mine").score(texts).probability >= 0.5
    assert (labels == (expected >= 0.5)).mean() >= 0.995


def test_what_a_teacher_said_is_learnt_by_degrees(kind: tuple[str, ...], data: Data, tmp_path: Path) -> None:
    positive = data["train"].label == 1
    unsure = np.where(positive, 0.75, 0.25).astype(np.float32)
    logit = {
        str(target[0]): trained_on(kind, data, tmp_path, target).fitted.logit(data["test"].text.tolist())
        for target in (unsure, positive.to_numpy(np.float32))
    }
    hesitant, sure = (np.abs(found).mean() for found in logit.values())
    assert hesitant < sure
    assert ((next(iter(logit.values())) >= 0) == (data["test"].label == 1)).mean() > 0.95


@pytest.mark.parametrize("kind", ["logreg", "svm", "complement"], indirect=True)
def test_of_several_values_the_most_precise_is_taken(kind: tuple[str, ...], data: Data, tmp_path: Path) -> None:
    key = "alpha" if kind[0] == "naive_bayes" else "C"
    several = (kind[0], f"{key}=[1e-4,0.1,10]", "text.stop_words=true")
    labels = np.where(np.arange(1000) % 4, data["train"].label, 1 - data["train"].label).astype(np.float32)
    found = []
    for target in (labels, 0.5 + 0.4 * (labels - 0.5)):  # of a teacher, who is not sure, the label counts
        reported: list[Any] = []
        trained = trained_on(several, data, tmp_path, target, reported)
        precision = {figures[key]: figures["cv_precision"] for _, figures in reported}
        assert len(precision) == 3 and len(set(precision.values())) > 1
        assert isinstance(trained.fitted, base.LinearModel)
        assert trained.fitted.classifier.get_params()[key] == max(precision, key=lambda value: precision[value])
        found.append(precision)
    assert found[0] == found[1]


def test_settings_that_leave_no_ngram_are_told(kind: tuple[str, ...], data: Data, tmp_path: Path) -> None:
    with pytest.raises(Untrainable, match="min_df=9999: no n-gram is in so many of 1,000 texts"):
        trained_on((*kind, "min_df=9999"), data, tmp_path)
