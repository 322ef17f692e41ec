"""docs/models.md is rendered from docs/models.json."""

import argparse
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.support.paths import ROOT
from training.commands import compare
from training.evaluation import metrics
from training.evaluation.metrics import Floats, Labels
from training.reports import comparison


@pytest.fixture(scope="module")
def scored() -> tuple[Labels, Floats]:
    random = np.random.default_rng(3)
    labels = random.integers(0, 2, 400).astype(np.int8)
    return labels, np.clip(0.5 + 0.3 * (labels - 0.5) + random.normal(0, 0.2, 400), 0, 1)


def test_figures_are_those_of_the_metrics_table(scored: tuple[Labels, Floats]) -> None:
    found = comparison.figures(*scored)
    assert list(found) == [metric.title for metric in metrics.METRICS.values() if metric.group != "decision"]
    values = metrics.evaluate(metrics.predictions(*scored), digits=comparison.DIGITS)
    assert found["AUC"].value == values["auc"] and found["F1"].value == values["f1"]


def test_every_value_lies_in_its_interval(scored: tuple[Labels, Floats]) -> None:
    for name, figure in comparison.figures(*scored).items():
        low, high = figure.interval
        assert low < high
        assert name == "ECE" or low <= figure.value <= high  # resampling adds to the calibration error


def test_roc_points_are_few_and_end_in_the_corners(scored: tuple[Labels, Floats]) -> None:
    points = comparison.roc_points(*scored)
    assert points[0] == (0, 0) and points[-1] == (1, 1) and len(points) <= comparison.MAX_ROC_POINTS


def test_metric_without_recorded_figures_has_no_column() -> None:
    rows = comparison.load(ROOT / "docs")
    for row in rows:
        del row.figures["ECE"]
    assert "| Brier |" in comparison.markdown(rows) and "ECE" not in comparison.markdown(rows)


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
