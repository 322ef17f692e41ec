"""The comparison: its figures are scikit-learn's, and docs/models.md is what was recorded."""

import argparse
import shutil
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, precision_recall_fscore_support, roc_auc_score

from tests.support.paths import ROOT
from training.evaluation import metrics
from training.reports import comparison


@pytest.fixture(scope="module")
def judged() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(3)
    labels = random.integers(0, 2, 400).astype(np.int8)
    return labels, np.clip(0.5 + 0.3 * (labels - 0.5) + random.normal(0, 0.2, 400), 0, 1)


def test_the_figures_are_those_of_scikit_learn(judged: tuple[np.ndarray, np.ndarray]) -> None:
    labels, probability = judged
    found = {name: figure.value for name, figure in comparison.figures(labels, probability).items()}
    precision, recall, f1, _ = precision_recall_fscore_support(labels, probability >= 0.5)
    expected = {
        "accuracy": ((probability >= 0.5) == labels).mean(),
        "AUC": roc_auc_score(labels, probability),
        "precision": precision[1],
        "recall": recall[1],
        "F1": f1[1],
        "precision of negative": precision[0],
        "recall of negative": recall[0],
        "F1 of negative": f1[0],
        "Brier": brier_score_loss(labels, probability),
        "ECE": metrics.calibration_error(labels, probability),
    }
    assert found == pytest.approx(expected, abs=1e-5)


def test_every_figure_lies_in_its_interval(judged: tuple[np.ndarray, np.ndarray]) -> None:
    for name, figure in comparison.figures(*judged).items():
        low, high = figure.interval
        assert low < high
        assert name == "ECE" or low <= figure.value <= high  # a resample is never better calibrated than its source


def test_what_stands_outside_the_marks_is_left_alone(tmp_path: Path) -> None:
    document = tmp_path / "models.md"
    document.write_text(f"before\n{comparison.START}\nold\n{comparison.END}\nafter\n")
    comparison.write(document, "new")
    assert document.read_text() == f"before\n{comparison.START}\n\nnew\n\n{comparison.END}\nafter\n"
    document.write_text("no marks\n")
    with pytest.raises(SystemExit, match="must have <!-- measured -->"):
        comparison.write(document, "new")


def test_the_document_is_what_was_recorded(tmp_path: Path) -> None:
    for name in (comparison.DOCUMENT, comparison.RECORD):
        shutil.copy(ROOT / "docs" / name, tmp_path)
    comparison.run(argparse.Namespace(docs=tmp_path, render=True))
    for name in (comparison.DOCUMENT, "models.svg"):
        assert (tmp_path / name).read_text() == (ROOT / "docs" / name).read_text()


def test_without_a_record_there_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="there is no such file; run `compare`"):
        comparison.run(argparse.Namespace(docs=tmp_path, render=True))
