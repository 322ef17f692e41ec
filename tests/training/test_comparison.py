"""docs/models.md is rendered from docs/models.json."""

import argparse
import shutil
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, precision_recall_fscore_support, roc_auc_score

from tests.support.paths import ROOT
from training.commands import compare
from training.evaluation import metrics, roc
from training.evaluation.estimates import estimate_compared
from training.evaluation.metrics import Floats, Labels
from training.reports import comparison


@pytest.fixture(scope="module")
def scored() -> tuple[Labels, Floats]:
    random = np.random.default_rng(3)
    labels = random.integers(0, 2, 400).astype(np.int8)
    return labels, np.clip(0.5 + 0.3 * (labels - 0.5) + random.normal(0, 0.2, 400), 0, 1)


def test_compared_metrics_are_those_of_scikit_learn(scored: tuple[Labels, Floats]) -> None:
    labels, probability = scored
    found = {title: metric.value for title, metric in estimate_compared(labels, probability).items()}
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
        "ECE": float(metrics.calibration_error(metrics.predictions(labels, probability), np.ones(len(labels)))),
    }
    assert found == pytest.approx(expected, abs=1e-5)


def test_every_compared_group_has_a_table() -> None:
    assert [group for groups in comparison.GROUPS for group in groups] == list(metrics.COMPARED)


def test_every_value_lies_in_its_interval(scored: tuple[Labels, Floats]) -> None:
    for title, metric in estimate_compared(*scored).items():
        low, high = metric.interval
        assert low < high
        assert title == "ECE" or low <= metric.value <= high  # resampling adds to the calibration error


def test_roc_points_are_few_and_end_in_the_corners(scored: tuple[Labels, Floats]) -> None:
    points = roc.roc_points(*scored)
    assert points[0] == (0, 0) and points[-1] == (1, 1) and len(points) <= roc.MAX_POINTS


def test_metric_that_no_model_has_gets_no_column() -> None:
    rows = comparison.load(ROOT / "docs")
    for row in rows:
        del row.metrics["ECE"]
    assert "| Brier |" in comparison.markdown(rows) and "ECE" not in comparison.markdown(rows)


def test_model_without_auc_comes_last_with_an_empty_cell(tmp_path: Path) -> None:
    best, *others = comparison.load(ROOT / "docs")
    del best.metrics["AUC"]
    comparison.save([best, *others], tmp_path)
    assert comparison.render(tmp_path) == len(others) + 1
    table = (tmp_path / comparison.DOCUMENT).read_text().split("\n\n")[3].splitlines()
    assert table[0].startswith("|  | accuracy | AUC |") and len(table) == len(others) + 3
    assert [line.startswith(f"| `{best.name}` |") for line in table[2:]] == [False] * len(others) + [True]
    assert table[-1].split("|")[3].strip() == ""


def test_text_outside_the_marks_does_not_change(tmp_path: Path) -> None:
    document = tmp_path / "models.md"
    document.write_text(f"before\n{comparison.START}\nold\n{comparison.END}\nafter\n")
    comparison.write_between_marks(document, "new")
    assert document.read_text() == f"before\n{comparison.START}\n\nnew\n\n{comparison.END}\nafter\n"


def test_rejects_document_without_marks(tmp_path: Path) -> None:
    document = tmp_path / "models.md"
    document.write_text("no marks\n")
    with pytest.raises(SystemExit, match="must have <!-- measured -->"):
        comparison.write_between_marks(document, "new")


def test_document_and_plot_are_rendered_from_the_record(tmp_path: Path) -> None:
    for name in (comparison.DOCUMENT, comparison.RECORD):
        shutil.copy(ROOT / "docs" / name, tmp_path)
    compare.run(argparse.Namespace(docs=tmp_path, render=True))
    for name in (comparison.DOCUMENT, "models.svg"):
        assert (tmp_path / name).read_text() == (ROOT / "docs" / name).read_text()


def test_rejects_missing_record_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="there is no such file; run `compare`"):
        compare.run(argparse.Namespace(docs=tmp_path, render=True))
