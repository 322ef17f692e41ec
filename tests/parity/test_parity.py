"""The framework a model was trained in against ONNX, in one process: the same labels, on thousands of texts."""

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from sentiment.model import Model
from tests.support.dataframes import invented
from tests.support.tweets import hostile
from training.commands import prepare
from training.data import dataset
from training.data.dataset import Split
from training.evaluation import metrics
from training.families import RunContext
from training.families.fit import Trained, fit
from training.families.linear import logreg
from training.families.linear.base import LinearModel
from training.onnx_export import graph_builder
from training.registry import build

DATA = os.environ.get("BUZZGUARD_DATA")


def pipeline_probability(trained: Trained, texts: list[str]) -> metrics.Floats:
    """By scikit-learn's own predict_proba, calibrated."""
    assert isinstance(trained.fitted, LinearModel)
    probability = trained.fitted.classifier.predict_proba(trained.fitted.features(texts))[:, 1].astype(np.float64)
    return metrics.probability(np.log(probability / (1 - probability)), trained.calibration)


@pytest.fixture(scope="module")
def trained_on_real(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    if DATA is None:
        pytest.skip("BUZZGUARD_DATA names no folder of real tweets")
    folder = tmp_path_factory.mktemp("data")
    prepare.prepare(Path(DATA) / "training.20k.processed.noemoticon.csv", folder, 0.1)
    splits: tuple[Split, ...] = ("train", "validation", "test")
    data = {split: dataset.load(split, folder) for split in splits}
    target = data["train"].label.to_numpy(np.float32)
    context = RunContext(folder, lambda step, figures: None)
    return fit("logreg", logreg.Configuration(min_df=2, keep=30_000), data, target, context)[0]


class Case(NamedTuple):
    trained: Trained
    texts: list[str]


@pytest.fixture(scope="module", params=["hostile", "invented", "real"])
def case(request: pytest.FixtureRequest, trained: Trained) -> Case:
    """A model, and 10,000 texts."""
    match request.param:
        case "hostile":
            return Case(trained, hostile(10_000))
        case "invented":
            return Case(trained, invented(10_000, seed=9).text.tolist())
    trained = request.getfixturevalue("trained_on_real")
    tweets = pd.read_parquet(Path(str(DATA)) / "sentiment140.parquet", columns=["text"]).text
    return Case(trained, tweets[-10_000:].tolist())


def test_the_reference_export_is_the_pipeline(case: Case, tmp_path: Path) -> None:
    folder = build.write(case.trained, "reference", "run", tmp_path / "reference", compact=False)
    comparison = build.compare(folder, case.texts, pipeline_probability(*case))
    assert (comparison.texts, comparison.flips) == (10_000, 0)
    assert comparison.largest_difference < 1e-5


def test_the_compact_export_keeps_the_labels(case: Case, tmp_path: Path) -> None:
    folder = build.write(case.trained, "compact", "run", tmp_path / "compact", compact=True)
    assert build.compare(folder, case.texts, pipeline_probability(*case)).flips <= 10


def test_what_was_exported_is_calibrated_and_measured_by_its_own_answers(
    trained: Trained, data: dict[Split, pd.DataFrame], tmp_path: Path
) -> None:
    exported = build.export(trained, data, "Data: invented.", "mine", "run", tmp_path / "mine")
    model = Model.load(tmp_path / "mine")
    assert model.manifest == exported.manifest
    assert exported.reference.flips == exported.shipped.flips == 0
    assert exported.reference.texts == 3000  # all there are
    right = (model.score(data["test"].text.tolist()).probability >= 0.5) == (data["test"].label == 1)
    assert exported.manifest.metrics["test"].values["accuracy"] == round(right.mean(), 4)
    card = (tmp_path / "mine" / "MODEL_CARD.md").read_text()
    validation = model.score(data["validation"].text.tolist())
    shares = [float((np.floor(validation.probability * 10) == tenth).mean()) for tenth in range(10)]
    assert model.manifest.baseline is not None
    assert model.manifest.baseline.probability == pytest.approx(shares, abs=1e-4)
    assert model.manifest.baseline.unknown == pytest.approx(validation.unknown.mean(), abs=1e-4)
    assert "\n\nData: invented.\n\n" in card
    assert exported.manifest.version in card and "| negation |" in card and "Direction" in card


def test_an_export_that_is_not_the_model_is_refused(
    trained: Trained, data: dict[Split, pd.DataFrame], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    linear = graph_builder.linear
    monkeypatch.setattr(graph_builder, "linear", lambda idf, weight, *rest: linear(idf, weight * 1.1, *rest))
    with pytest.raises(SystemExit, match="the reference export is not the model that was trained"):
        build.export(trained, data, "Data: invented.", "broken", "run", tmp_path)


def test_a_compact_export_that_is_only_shifted_is_calibrated(
    trained: Trained, data: dict[Split, pd.DataFrame], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    linear = graph_builder.linear

    def shifted(
        idf: metrics.Floats, weight: metrics.Floats, intercept: float, weights: graph_builder.Weights
    ) -> object:
        return linear(idf, weight, intercept - (3 if weights == "float16" else 0), weights)

    monkeypatch.setattr(graph_builder, "linear", shifted)
    assert build.export(trained, data, "Data: invented.", "shifted", "run", tmp_path).shipped.flips == 0


def test_a_compact_export_that_turns_labels_is_refused(
    trained: Trained, data: dict[Split, pd.DataFrame], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    linear = graph_builder.linear

    def turned(idf: metrics.Floats, weight: metrics.Floats, intercept: float, weights: graph_builder.Weights) -> object:
        return linear(idf, weight[::-1] if weights == "float16" else weight, intercept, weights)

    monkeypatch.setattr(graph_builder, "linear", turned)
    with pytest.raises(SystemExit, match="the compact export is too far from the model that was trained"):
        build.export(trained, data, "Data: invented.", "turned", "run", tmp_path)
    exported = build.export(trained, data, "Data: invented.", "whole", "run", tmp_path / "whole", compact=False)
    assert exported.shipped.flips == 0 and exported.shipped.bytes == exported.reference.bytes
