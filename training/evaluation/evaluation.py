"""`evaluate`: how good a model folder is on any labelled file: overall, by kind of text, and in its behaviour.

Reads parquet or CSV with `text` and `label` (0, 1, negative or positive), or the format of Sentiment140. Accuracy and
AUC come with 95% bootstrap intervals; a figure that the texts cannot give, such as the AUC of one class, is left out.

    python -m training evaluate models/lite tweets.csv --out lite.json
"""

import argparse
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.model_selection import KFold

from sentiment.errors import ModelError
from sentiment.manifest import Thresholds
from sentiment.model import Model, Scores
from training.data import dataset, readers
from training.scoring.predict import predict

from . import bootstrap, checklist, metrics, slices
from .bootstrap import Interval
from .checklist import Behaviour
from .metrics import Floats, Labels
from .slices import SLICES, Reading

FEWEST = 30  # texts; of fewer, an interval would pretend to know
FOLDS = 10
SHOWN = ("accuracy", "auc", "precision", "recall")  # of a slice; the file of --out has every figure

console = Console(width=None if sys.stdout.isatty() else 120)


class Measured(msgspec.Struct, frozen=True):
    """Figures of some texts: those of `metrics.evaluate` that the texts can give, and intervals where there are."""

    n: int
    positive: float  # the share of label 1
    values: dict[str, float]
    intervals: dict[str, Interval]


class BestThreshold(msgspec.Struct, frozen=True):
    """Accuracy with the threshold that suits this kind of text best, found on nine tenths, measured on the other."""

    accuracy: float
    lowest: float  # of the FOLDS thresholds
    highest: float


class Evaluation(msgspec.Struct, frozen=True):
    model: str
    version: str
    dataset_sha256: str
    overall: Measured
    best_threshold: BestThreshold | None  # None where there are too few texts to divide
    slices: dict[str, Measured | None]  # None: no text is of that kind
    behaviour: list[Behaviour]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, metavar="MODEL", help="a model folder")
    parser.add_argument("data", type=Path, metavar="DATA", help="a labelled file")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="write every figure to a file, too")


def run(arguments: argparse.Namespace) -> None:
    if arguments.out and arguments.out.is_dir():
        raise SystemExit(f"--out {arguments.out}: is a folder")
    left_out: Counter[str] = Counter()
    rows = readers.read(arguments.data, left_out)
    try:
        evaluation = evaluate(Model.load(arguments.model), rows)
    except ModelError as error:
        raise SystemExit(str(error)) from error
    show(evaluation)
    for reason, number in left_out.items():
        console.print(f"left out: {number:,} rows, {reason}")
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_bytes(msgspec.json.format(msgspec.json.encode(evaluation)))


def evaluate(model: Model, rows: pd.DataFrame, scores: Scores | None = None) -> Evaluation:
    """Everything measured about a model on labelled texts, at least one: columns text and label (0, 1).

    `scores` saves scoring the texts where that has been done.
    """
    texts, labels = rows.text.tolist(), rows.label.to_numpy()
    thresholds = model.manifest.thresholds
    scores = scores or predict(model, texts)
    readings = [slices.read(text, unknown) for text, unknown in zip(texts, scores.unknown_share.tolist(), strict=True)]

    def measured(fit: Callable[[Reading], bool]) -> Measured | None:
        fits = np.array([fit(reading) for reading in readings])
        return measure(labels[fits], scores.probability[fits], thresholds) if fits.any() else None

    return Evaluation(
        model.manifest.name,
        model.manifest.version,
        dataset.dataset_sha256(rows),
        measure(labels, scores.probability, thresholds),
        cross_fit(labels, scores.probability) if len(rows) >= FEWEST else None,
        {name: measured(fit) for name, fit in SLICES.items()},
        checklist.run_checklist(lambda sentences: predict(model, sentences).probability),
    )


def measure(labels: Labels, probability: Floats, thresholds: Thresholds) -> Measured:
    """The figures of at least one text; intervals of FEWEST texts and more."""
    values = figures(labels, probability, thresholds)
    statistics = {"accuracy": bootstrap.accuracy, "auc": bootstrap.auc} if len(labels) >= FEWEST else {}
    intervals = {
        name: bootstrap.interval(statistic, labels, probability)
        for name, statistic in statistics.items()
        if name in values
    }
    return Measured(len(labels), float(labels.mean()), values, intervals)


def figures(labels: Labels, probability: Floats, thresholds: Thresholds) -> dict[str, float]:
    """`metrics.evaluate` without what these texts cannot say: a share of nothing, a ranking of one class."""
    positive = labels == 1
    possible = {
        "auc": positive.any() and not positive.all(),
        "recall": positive.any(),
        "f1": (positive | (probability >= 0.5)).any(),
        "publish_recall": positive.any(),
        "hold_recall": not positive.all(),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedMetricWarning)  # of the very figures that are left out
        values = metrics.evaluate(labels, probability, thresholds)
    return {name: value for name, value in values.items() if possible.get(name, True)}


def cross_fit(labels: Labels, probability: Floats) -> BestThreshold:
    """How much of the error is a threshold in the wrong place: cross-fitted, so that no text judges its own threshold.

    Of at least FOLDS texts.
    """
    right, thresholds = np.zeros(len(labels), bool), []
    for others, fold in KFold(FOLDS, shuffle=True, random_state=0).split(labels):
        threshold = best_threshold(labels[others], probability[others])
        right[fold] = (probability[fold] >= threshold) == (labels[fold] == 1)
        thresholds.append(threshold)
    return BestThreshold(float(right.mean()), min(thresholds), max(thresholds))


def best_threshold(labels: Labels, probability: Floats) -> float:
    """The probability from which on calling texts positive is right most often; above all of them if that is never."""
    order = np.argsort(-probability, kind="stable")
    ordered = np.append(probability[order], -np.inf)
    gain = np.append(0, np.cumsum(np.where(labels[order] == 1, 1, -1)))  # of calling the first 0 … n positive
    separable = np.append(True, ordered[1:] < ordered[:-1])  # a threshold cannot part equals
    called = int(np.argmax(np.where(separable, gain, -np.inf)))
    return float(ordered[called - 1]) if called else float(np.nextafter(ordered[0], np.inf))


def show(evaluation: Evaluation) -> None:
    """Print an evaluation as tables."""
    overall, best = evaluation.overall, evaluation.best_threshold
    console.print(
        f"{evaluation.model} {evaluation.version} on {overall.n:,} texts, {overall.positive:.0%} positive "
        f"(sha256 {evaluation.dataset_sha256:.16}…)"
    )
    table = Table("figure", "value", title="Overall, with 95% intervals", title_justify="left")
    for name in overall.values:
        table.add_row(name.replace("_", " "), _figure(overall, name))
    if best:
        where = f"at {best.lowest:.2f} to {best.highest:.2f}, each found on other texts of the file"
        table.add_row("accuracy, best threshold", f"{best.accuracy:.4f} {where}")
    console.print(table)
    console.print(_slices(evaluation.slices))
    console.print(_behaviour(evaluation.behaviour))


def _slices(slices: dict[str, Measured | None]) -> Table:
    table = Table("slice", "n", "positive", *SHOWN, title="By kind of text", title_justify="left")
    for name, measured in slices.items():
        if measured is None:
            table.add_row(name, "0", *"-" * (1 + len(SHOWN)))
        else:
            shown = (_figure(measured, figure) for figure in SHOWN)
            table.add_row(name, f"{measured.n:,}", f"{measured.positive:.0%}", *shown)
    return table


def _behaviour(tests: Sequence[Behaviour]) -> Table:
    table = Table("kind", "test", "failed", "Δp", "the first that failed", title="Behaviour", title_justify="left")
    for test in tests:
        change = (
            "" if test.change is None else f"{test.change:+.3f}" if test.kind == "direction" else f"{test.change:.3f}"
        )
        failed = f"{test.failures} of {test.cases}"
        table.add_row(test.kind, test.name, failed, change, test.example or "")
    return table


def _figure(measured: Measured, name: str) -> str:
    if name not in measured.values:
        return "-"
    low, high = measured.intervals.get(name, (None, None))
    return f"{measured.values[name]:.4f}" + (f" ({low:.3f}–{high:.3f})" if low is not None else "")
