"""scikit-learn against ONNX, in one process: the same labels, the same probabilities, on thousands of texts."""

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from sentiment.manifest import champion
from sentiment.model import Model
from tests.tweets import hostile, invented
from training import export, metrics, prepare
from training.families.logreg import Configuration
from training.train import Trained, fit

DATA = os.environ.get("BUZZGUARD_DATA")


def pipeline_probability(trained: Trained, texts: list[str]) -> metrics.Floats:
    """By scikit-learn's own predict_proba, calibrated."""
    probability = trained.pipeline.predict_proba(texts)[:, 1].astype(np.float64)
    return metrics.probability(np.log(probability / (1 - probability)), trained.calibration)


@pytest.fixture(scope="module")
def trained_on_real(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    if DATA is None:
        pytest.skip("BUZZGUARD_DATA names no folder of real tweets")
    folder = tmp_path_factory.mktemp("data")
    prepare.prepare(Path(DATA) / "training.20k.processed.noemoticon.csv", folder, 0.1)
    data = {split: prepare.load(split, folder) for split in ("train", "validation", "test")}
    return fit("logreg", Configuration(min_df=2, keep=30_000), data)


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
    model = Model.load(export.write(case.trained, "reference", "run", tmp_path / "reference", "float32"))
    comparison = export.compare(model, case.texts, pipeline_probability(*case))
    assert (comparison.texts, comparison.flips) == (10_000, 0)
    assert comparison.largest_difference < 1e-5


def test_the_compact_export_keeps_the_labels(case: Case, tmp_path: Path) -> None:
    model = Model.load(export.write(case.trained, "compact", "run", tmp_path / "compact", "float16"))
    comparison = export.compare(model, case.texts, pipeline_probability(*case))
    assert comparison.flips <= 10


def test_an_export_that_is_not_the_pipeline_is_refused(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    linear = export.graphs.linear
    monkeypatch.setattr(export.graphs, "linear", lambda idf, weight, *rest: linear(idf, weight * 1.01, *rest))
    with pytest.raises(SystemExit, match="the reference export is not the pipeline"):
        export.export(trained, invented(500, seed=9), "broken", "run", tmp_path)


def test_a_compact_export_that_turns_labels_is_refused(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    linear = export.graphs.linear

    def turned(idf: metrics.Floats, weight: metrics.Floats, intercept: float, weights: str) -> object:
        return linear(idf, weight, intercept - (3 if weights == "float16" else 0), weights)

    monkeypatch.setattr(export.graphs, "linear", turned)
    with pytest.raises(SystemExit, match="the compact export is too far from the pipeline"):
        export.export(trained, invented(500, seed=9), "turned", "run", tmp_path)


def test_a_second_model_does_not_dethrone_the_champion(trained: Trained, tmp_path: Path) -> None:
    for name in ("first", "second"):
        export.export(trained, invented(500, seed=9), name, "run", tmp_path / name)
        export.publish(tmp_path / name, tmp_path / "models", name)
    assert champion(tmp_path / "models") == "first"
    (tmp_path / "models" / "second" / "stale.txt").touch()
    export.export(trained, invented(500, seed=9), "second", "run", tmp_path / "again")
    export.publish(tmp_path / "again", tmp_path / "models", "second")
    assert not (tmp_path / "models" / "second" / "stale.txt").exists()
    assert Model.load(tmp_path / "models" / "second").manifest.name == "second"


def test_an_export_that_is_too_large_is_refused(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "SIZE", 1000)
    with pytest.raises(SystemExit, match="more than 1,000"):
        export.export(trained, invented(500, seed=9), "large", "run", tmp_path)
