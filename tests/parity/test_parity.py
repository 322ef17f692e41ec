"""scikit-learn against ONNX, in one process: the same labels, the same probabilities, on thousands of texts."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sentiment.model import Model
from tests.tweets import hostile, invented
from training import export, metrics
from training.train import Trained

DATA = os.environ.get("BUZZGUARD_DATA")


def pipeline_probability(trained: Trained, texts: list[str]) -> metrics.Floats:
    """By scikit-learn's own predict_proba, calibrated."""
    probability = trained.pipeline.predict_proba(texts)[:, 1].astype(np.float64)
    return metrics.probability(np.log(probability / (1 - probability)), trained.calibration)


@pytest.fixture(scope="module", params=["hostile", "invented", "real"])
def texts(request: pytest.FixtureRequest) -> list[str]:
    """At least 10,000 texts."""
    match request.param:
        case "hostile":
            return hostile(10_000)
        case "invented":
            return invented(10_000, seed=9).text.tolist()
    if DATA is None:
        pytest.skip("BUZZGUARD_DATA names no folder of real tweets")
    return pd.read_parquet(Path(DATA) / "sentiment140.parquet", columns=["text"]).text[:10_000].tolist()


def test_the_reference_export_is_the_pipeline(trained: Trained, texts: list[str], tmp_path: Path) -> None:
    model = Model.load(export.write(trained, "reference", "run", tmp_path / "reference", "float32"))
    comparison = export.compare(model, texts, pipeline_probability(trained, texts))
    assert (comparison.texts, comparison.flips) == (10_000, 0)
    assert comparison.largest_difference < 1e-5


def test_the_compact_export_keeps_the_labels(trained: Trained, texts: list[str], tmp_path: Path) -> None:
    model = Model.load(export.write(trained, "compact", "run", tmp_path / "compact", "float16"))
    comparison = export.compare(model, texts, pipeline_probability(trained, texts))
    assert comparison.flips <= 10


def test_an_export_that_is_not_the_pipeline_is_refused(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    linear = export.graphs.linear
    monkeypatch.setattr(export.graphs, "linear", lambda idf, weight, *rest: linear(idf, weight * 1.01, *rest))
    with pytest.raises(SystemExit, match="the reference export is not the pipeline"):
        export.export(trained, invented(500, seed=9), "broken", "run", tmp_path)


def test_an_export_that_is_too_large_is_refused(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "SIZE", 1000)
    with pytest.raises(SystemExit, match="more than 1,000"):
        export.export(trained, invented(500, seed=9), "large", "run", tmp_path)
