"""`compare`: every exported run, measured the same way on the test split, side by side in docs/models.md.

    python -m training compare             measures what the registry holds into docs/models.json, then renders it
    python -m training compare --render    renders docs/models.json again

Of several exports with the same name the last one stands. What docs/models.md says outside the marks is left alone.
"""

import argparse
import re
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

import mlflow
import msgspec
import numpy as np
from matplotlib.figure import Figure
from rich.console import Console
from sklearn.metrics import roc_curve

from training.evaluation import bootstrap
from training.evaluation.bootstrap import Counts, Interval
from training.evaluation.metrics import Floats, Labels
from training.registry import mlflow_tracking

from . import plots
from .model_card import table

DOCUMENT, RECORD = "models.md", "models.json"
START, END = "<!-- measured -->", "<!-- /measured -->"
POINTS = 200  # of a ROC curve that are kept
PUBLISHED = [  # on Sentiment140, by systems of the same kind; their test data is not ours
    ["logistic regression", "0.78", "0.85", ""],
    ["LSTM", "0.79", "0.88", ""],
    ["BERT", "0.82", "0.90", ""],
    ["DistilBERT", "", "", "0.88"],
]

console = Console(stderr=True)


class Figured(msgspec.Struct, frozen=True):
    value: float
    interval: Interval  # 95%, bootstrap


class Row(msgspec.Struct, frozen=True):
    """A model in the table."""

    name: str
    run_id: str
    family: str
    texts: int  # trained on
    seconds: float  # of training
    tested: int  # texts
    figures: dict[str, Figured]
    bytes: int
    milliseconds: float
    roc: list[tuple[float, float]]  # (false positive rate, true positive rate)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="where the document is (default: %(default)s)")
    parser.add_argument("--render", action="store_true", help="measure nothing")


def run(arguments: argparse.Namespace) -> None:
    record = arguments.docs / RECORD
    if not arguments.render:
        mlflow_tracking.connect()
        rows = list(measured(mlflow_tracking.exported_runs()))
        if not rows:
            raise SystemExit("nothing has been exported: run `train` and `export` first")
        record.parent.mkdir(parents=True, exist_ok=True)
        record.write_bytes(msgspec.json.format(msgspec.json.encode(rows)) + b"\n")
    elif not record.is_file():
        raise SystemExit(f"{record}: there is no such file; run `compare` without --render first")
    rows = msgspec.json.decode(record.read_bytes(), type=list[Row])
    document = arguments.docs / DOCUMENT
    write(document, markdown(rows))
    figure(rows).savefig(arguments.docs / "models.svg", metadata={"Date": None})
    console.print(f"{document}: {len(rows)} models", markup=False, soft_wrap=True)


def measured(runs: Iterable[mlflow.entities.Run]) -> Iterable[Row]:
    """A row for every run, by what `export` kept of it."""
    for run in runs:
        predictions = mlflow_tracking.load_predictions(run.info.run_id)
        labels, probability = predictions.label.to_numpy(), predictions.probability.to_numpy()
        fpr, tpr, _ = roc_curve(labels, probability)
        kept = np.unique(np.linspace(0, len(fpr) - 1, POINTS).astype(int))
        yield Row(
            name=run.info.run_name,
            run_id=run.info.run_id,
            family=run.data.params["family"],
            texts=int(run.data.params["texts"]),
            seconds=run.data.metrics["seconds"],
            tested=len(labels),
            figures=figures(labels, probability),
            bytes=int(run.data.metrics["bytes"]),
            milliseconds=run.data.metrics["milliseconds"],
            roc=[(round(float(x), 5), round(float(y), 5)) for x, y in zip(fpr[kept], tpr[kept], strict=True)],
        )


def figures(labels: Labels, probability: Floats) -> dict[str, Figured]:
    """The figures of a model, each with its interval."""
    once = np.ones((1, len(labels)))
    return {
        name: Figured(
            round(float(statistic(labels, probability, once)[0]), 5),
            tuple(round(edge, 5) for edge in bootstrap.interval(statistic, labels, probability)),  # type: ignore[arg-type]
        )
        for name, statistic in STATISTICS.items()
    }


def precision(labels: Labels, probability: Floats, counts: Counts, of: int = 1) -> Floats:
    """Of the texts that are called `of`, the share that is; nan where none is called so."""
    called = (probability >= 0.5) == (of == 1)
    return _ratio(counts @ (called & (labels == of)), counts @ called)


def recall(labels: Labels, probability: Floats, counts: Counts, of: int = 1) -> Floats:
    """Of the texts that are `of`, the share that is called so."""
    called = (probability >= 0.5) == (of == 1)
    return _ratio(counts @ (called & (labels == of)), counts @ (labels == of))


def f1(labels: Labels, probability: Floats, counts: Counts, of: int = 1) -> Floats:
    """The harmonic mean of precision and recall."""
    p, r = precision(labels, probability, counts, of), recall(labels, probability, counts, of)
    return _ratio(2 * p * r, p + r)


def brier(labels: Labels, probability: Floats, counts: Counts) -> Floats:
    """The mean squared error of the probabilities."""
    return _ratio(counts @ (probability - labels) ** 2, counts.sum(axis=1))


def calibration_error(labels: Labels, probability: Floats, counts: Counts, bins: int = 15) -> Floats:
    """As `metrics.calibration_error`, in each resample, in the bins of the texts as they are."""
    parts = np.array_split(np.argsort(probability), bins)
    gaps = [np.abs(counts[:, part] @ (probability[part] - labels[part])) for part in parts]
    return _ratio(np.sum(gaps, axis=0), counts.sum(axis=1))


STATISTICS: Mapping[str, bootstrap.Statistic] = {
    "accuracy": bootstrap.accuracy,
    "AUC": bootstrap.auc,
    "precision": precision,
    "recall": recall,
    "F1": f1,
    "precision of negative": partial(precision, of=0),
    "recall of negative": partial(recall, of=0),
    "F1 of negative": partial(f1, of=0),
    "Brier": brier,
    "ECE": calibration_error,
}


def markdown(rows: list[Row]) -> str:
    """The part of the document that is measured."""
    ordered = sorted(rows, key=lambda row: -row.figures["AUC"].value)
    tested = " or ".join(f"{n:,}" for n in sorted({row.tested for row in rows}))
    names = list(STATISTICS)

    def cell(row: Row, name: str) -> str:
        low, high = row.figures[name].interval
        return f"{row.figures[name].value:.4f} <sub>{low:.4f}–{high:.4f}</sub>"

    def part(columns: list[str]) -> str:
        return table(["", *columns], ([f"`{row.name}`", *(cell(row, name) for name in columns)] for row in ordered))

    cost = table(
        ["", "trained on", "training", "size", "p50 of a tweet"],
        (
            [
                f"`{r.name}`",
                f"{r.texts:,}",
                f"{r.seconds / 60:.1f} min",
                f"{r.bytes / 1e6:.1f} MB",
                f"{r.milliseconds} ms",
            ]
            for r in ordered
        ),
    )
    return "\n\n".join(
        [
            f"On {tested} test texts; small: 95% bootstrap intervals of 1,000 resamples. Precision, recall and F1 are "
            "those of positive where nothing else is said.",
            part(names[:3]),
            part(names[3:8]),
            part(names[8:]),
            "What each cost. Size: all files that are shipped. Time: the median for a tweet of 30 tokens, alone, on "
            "one thread.",
            cost,
            "![ROC curves of the models above](models.svg)",
            "Published by the first systems of this kind, on test texts of their own, with near-duplicates of training "
            "texts among them:",
            table(["", "accuracy", "AUC", "precision"], PUBLISHED),
        ]
    )


def write(document: Path, part: str) -> None:
    """Put `part` between the marks of the document, which is made if there is none."""
    text = document.read_text() if document.exists() else f"# Models, compared\n\n{START}\n{END}\n"
    if len(re.findall(f"{START}.*{END}", text, re.DOTALL)) != 1:
        raise SystemExit(f"{document}: must have {START} and {END} once each")
    before, after = text[: text.index(START)], text[text.index(END) :]
    document.write_text(f"{before}{START}\n\n{part}\n\n{after}")


def figure(rows: list[Row]) -> Figure:
    """The ROC curves, best first."""
    ordered = sorted(rows, key=lambda row: -row.figures["AUC"].value)
    return plots.curves({row.name: row.roc for row in ordered})


def _ratio(of: Floats, to: Floats) -> Floats:
    return np.asarray(np.divide(of, to, out=np.full(len(of), np.nan), where=to > 0))
