"""Logistic regression in scikit-learn and in ONNX give the same labels on thousands of texts; `export` checks that."""

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from sentiment.model import Model
from tests.support.dataframes import invented
from tests.support.tweets import hostile
from training.data import dataset, preparation
from training.data.dataset import Split
from training.evaluation import calibration, metrics
from training.families import RunContext
from training.families.fit import Trained, fit
from training.families.linear import logreg
from training.families.linear.linear_model import LinearModel
from training.onnx_export import linear
from training.registry.build import Expected, ExportSource, build, check_export
from training.registry.model_folder import write_model_folder

DATA = os.environ.get("BUZZGUARD_DATA")


def pipeline_probability(trained: Trained, texts: list[str]) -> metrics.Floats:
    """Return P(positive) of scikit-learn's own predict_proba, calibrated."""
    assert isinstance(trained.fitted, LinearModel)
    probability = trained.fitted.classifier.predict_proba(trained.fitted.features(texts))[:, 1].astype(np.float64)
    return calibration.calibrated_probability(np.log(probability / (1 - probability)), trained.calibration)


@pytest.fixture(scope="module")
def trained_on_real(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    if DATA is None:
        pytest.skip("BUZZGUARD_DATA is not set to a folder of real tweets")
    folder = tmp_path_factory.mktemp("data")
    source = Path(DATA) / "training.20k.processed.noemoticon.csv"
    preparation.prepare(source, folder, preparation.Options(holdout=0.1))
    splits: tuple[Split, ...] = ("train", "validation", "test")
    data = {split: dataset.load(split, folder) for split in splits}
    target = data["train"].label.to_numpy(np.float32)
    context = RunContext(folder, lambda step, metrics: None)
    return fit("logreg", logreg.Configuration(min_df=2, max_ngrams=30_000), data, target, context)[0]


class Case(NamedTuple):
    trained: Trained
    texts: list[str]


@pytest.fixture(scope="module", params=["hostile", "invented", "real"])
def case(request: pytest.FixtureRequest, trained: Trained) -> Case:
    """Return a model and 10,000 texts."""
    match request.param:
        case "hostile":
            return Case(trained, hostile(10_000))
        case "invented":
            return Case(trained, invented(10_000, seed=9).text.tolist())
    trained = request.getfixturevalue("trained_on_real")
    tweets = pd.read_parquet(Path(str(DATA)) / "sentiment140.parquet", columns=["text"]).text
    return Case(trained, tweets[-10_000:].tolist())


def test_reference_export_gives_the_probabilities_of_scikit_learn(case: Case, tmp_path: Path) -> None:
    assert len(case.texts) == 10_000  # check_export compares no more
    folder = write_model_folder(case.trained, "reference", "run", tmp_path / "reference", compact=False)
    check = check_export(Model.load(folder), Expected(case.texts, pipeline_probability(*case)), folder)
    assert (check.texts, check.label_changes) == (10_000, 0)
    assert check.largest_difference < 1e-5


def test_compact_export_gives_the_labels_of_scikit_learn(case: Case, tmp_path: Path) -> None:
    assert len(case.texts) == 10_000
    folder = write_model_folder(case.trained, "compact", "run", tmp_path / "compact", compact=True)
    check = check_export(Model.load(folder), Expected(case.texts, pipeline_probability(*case)), folder)
    assert check.label_changes <= 10


def test_exported_model_is_calibrated_and_measured_on_its_own_scores(
    trained: Trained, data: dict[Split, pd.DataFrame], tmp_path: Path
) -> None:
    exported = build(ExportSource(trained, "mine", "run", data, "Data: invented."), tmp_path / "mine")
    model = Model.load(tmp_path / "mine")
    assert model.manifest == exported.manifest
    assert exported.reference.label_changes == exported.shipped.label_changes == 0
    assert exported.reference.texts == 3000  # all there are
    right = (model.score(data["test"].text.tolist()).probability >= 0.5) == (data["test"].label == 1)
    assert exported.manifest.metrics["test"].values["accuracy"] == round(right.mean(), 4)
    card = (tmp_path / "mine" / "MODEL_CARD.md").read_text()
    validation = model.score(data["validation"].text.tolist())
    shares = [float((np.floor(validation.probability * 10) == tenth).mean()) for tenth in range(10)]
    assert model.manifest.baseline is not None
    assert model.manifest.baseline.probability == pytest.approx(shares, abs=1e-4)
    assert model.manifest.baseline.unknown_share == pytest.approx(validation.unknown_share.mean(), abs=1e-4)
    assert "\n\nData: invented.\n\n" in card
    assert exported.manifest.version in card and "| negation |" in card and "Direction" in card


def test_refuses_a_reference_export_with_other_weights(
    trained: Trained, data: dict[Split, pd.DataFrame], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = linear.linear_graph
    monkeypatch.setattr(linear, "linear_graph", lambda idf, weight, *rest: original(idf, weight * 1.1, *rest))
    with pytest.raises(SystemExit, match="the reference export is not the model that was trained"):
        build(ExportSource(trained, "broken", "run", data, "Data: invented."), tmp_path)


def test_calibrates_a_compact_export_whose_logits_are_shifted(
    trained: Trained, data: dict[Split, pd.DataFrame], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = linear.linear_graph

    def shifted(
        idf: metrics.Floats, weight: metrics.Floats, intercept: float, weight_type: linear.WeightType
    ) -> object:
        return original(idf, weight, intercept - (3 if weight_type == "float16" else 0), weight_type)

    monkeypatch.setattr(linear, "linear_graph", shifted)
    assert build(ExportSource(trained, "shifted", "run", data, "Data: invented."), tmp_path).shipped.label_changes == 0


def test_refuses_a_compact_export_that_changes_labels(
    trained: Trained, data: dict[Split, pd.DataFrame], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = linear.linear_graph

    def reversed_weights(
        idf: metrics.Floats, weight: metrics.Floats, intercept: float, weight_type: linear.WeightType
    ) -> object:
        return original(idf, weight[::-1] if weight_type == "float16" else weight, intercept, weight_type)

    monkeypatch.setattr(linear, "linear_graph", reversed_weights)
    with pytest.raises(SystemExit, match="the compact export is too far from the model that was trained"):
        build(ExportSource(trained, "turned", "run", data, "Data: invented."), tmp_path)
    exported = build(ExportSource(trained, "whole", "run", data, "Data: invented."), tmp_path / "whole", compact=False)
    assert exported.shipped.label_changes == 0 and exported.shipped.bytes == exported.reference.bytes
