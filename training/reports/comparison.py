"""docs/models.md: every exported model beside the others, measured on the test split.

What was measured is kept in docs/models.json, from which the document and its plot are rendered.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
import numpy as np
from sklearn.metrics import roc_curve

from training.evaluation import bootstrap, metrics
from training.evaluation.bootstrap import Interval
from training.evaluation.metrics import METRICS, Floats, Group, Labels

from . import plots
from .tables import Table, to_markdown

DOCUMENT, RECORD, PLOT = "models.md", "models.json", "models.svg"
START, END = "<!-- measured -->", "<!-- /measured -->"
DIGITS = 5
MAX_ROC_POINTS = 200  # of a curve in models.json
COMPARED: tuple[tuple[Group, ...], ...] = (("headline",), ("positive", "negative"), ("calibration",))  # a table each
PUBLISHED = [  # on Sentiment140, by systems of the same kind, on other test data
    ["logistic regression", "0.78", "0.85", ""],
    ["LSTM", "0.79", "0.88", ""],
    ["BERT", "0.82", "0.90", ""],
    ["DistilBERT", "", "", "0.88"],
]


class Figure95(msgspec.Struct, frozen=True):
    """A metric with its 95% bootstrap interval."""

    value: float
    interval: Interval


class Row(msgspec.Struct, frozen=True):
    """A model in the tables."""

    name: str
    run_id: str
    family: str
    train_texts: int = msgspec.field(name="texts")
    train_seconds: float = msgspec.field(name="seconds")
    test_texts: int = msgspec.field(name="tested")
    figures: dict[str, Figure95]  # by the title of the metric
    size_bytes: int = msgspec.field(name="bytes")
    milliseconds: float  # the median time of one text
    roc: list[tuple[float, float]]  # (false positive rate, true positive rate)


def figures(labels: Labels, probability: Floats) -> dict[str, Figure95]:
    """Return the metrics of a model with their intervals, by title."""
    predictions = metrics.predictions(labels, probability)
    groups = [group for table in COMPARED for group in table]
    values = metrics.evaluate(predictions, groups, DIGITS)
    intervals = bootstrap.intervals(values, predictions)
    return {
        METRICS[name].title: Figure95(value, (round(intervals[name][0], DIGITS), round(intervals[name][1], DIGITS)))
        for name, value in values.items()
    }


def roc_points(labels: Labels, probability: Floats) -> list[tuple[float, float]]:
    """Return at most MAX_ROC_POINTS points of the ROC curve: (false positive rate, true positive rate)."""
    fpr, tpr, _ = roc_curve(labels, probability)
    kept = np.unique(np.linspace(0, len(fpr) - 1, MAX_ROC_POINTS).astype(int))
    return [(round(float(x), DIGITS), round(float(y), DIGITS)) for x, y in zip(fpr[kept], tpr[kept], strict=True)]


def save(rows: Sequence[Row], docs: Path) -> None:
    """Write what was measured to models.json."""
    docs.mkdir(parents=True, exist_ok=True)
    (docs / RECORD).write_bytes(msgspec.json.format(msgspec.json.encode(rows)) + b"\n")


def load(docs: Path) -> list[Row]:
    """Load what was measured from models.json. Raises SystemExit if it does not exist."""
    record = docs / RECORD
    if not record.is_file():
        raise SystemExit(f"{record}: there is no such file; run `compare` without --render first")
    return msgspec.json.decode(record.read_bytes(), type=list[Row])


def render(docs: Path) -> int:
    """Render models.md and models.svg from models.json; return the number of models. Raises SystemExit."""
    rows = sorted(load(docs), key=lambda row: -row.figures["AUC"].value)
    write_between_marks(docs / DOCUMENT, markdown(rows))
    roc_curves = plots.curves({row.name: row.roc for row in rows})
    roc_curves.savefig(docs / PLOT, metadata={"Date": None})
    return len(rows)


def markdown(rows: Sequence[Row]) -> str:
    """Return the measured part of the document. The rows keep their order."""
    test_texts = " or ".join(f"{n:,}" for n in sorted({row.test_texts for row in rows}))
    return "\n\n".join(
        [
            f"On {test_texts} test texts; small: 95% bootstrap intervals of 1,000 resamples. Precision, recall and F1 "
            "are those of positive where nothing else is said.",
            *(to_markdown(_figures_table(rows, groups)) for groups in COMPARED),
            "What each cost. Size: all files that are shipped. Time: the median for a tweet of 30 tokens, alone, on "
            "one thread.",
            to_markdown(_cost_table(rows)),
            f"![ROC curves of the models above]({PLOT})",
            "Published by the first systems of this kind, on test texts of their own, with near-duplicates of training "
            "texts among them:",
            to_markdown(Table(["", "accuracy", "AUC", "precision"], PUBLISHED)),
        ]
    )


def write_between_marks(document: Path, part: str) -> None:
    """Replace what is between the marks of a document; create the document if it does not exist."""
    text = document.read_text() if document.exists() else f"# Models, compared\n\n{START}\n{END}\n"
    if len(re.findall(f"{START}.*{END}", text, re.DOTALL)) != 1:
        raise SystemExit(f"{document}: must have {START} and {END} once each")
    before, after = text[: text.index(START)], text[text.index(END) :]
    document.write_text(f"{before}{START}\n\n{part}\n\n{after}")


def _figures_table(rows: Sequence[Row], groups: Iterable[Group]) -> Table:
    """The metrics of these groups; a metric that no model was measured by has no column."""
    titles = [METRICS[name].title for name in metrics.names(groups)]
    titles = [title for title in titles if any(title in row.figures for row in rows)]
    return Table(["", *titles], [[f"`{row.name}`", *(_cell(row, title) for title in titles)] for row in rows])


def _cell(row: Row, title: str) -> str:
    if title not in row.figures:
        return ""
    low, high = row.figures[title].interval
    return f"{row.figures[title].value:.4f} <sub>{low:.4f}–{high:.4f}</sub>"


def _cost_table(rows: Sequence[Row]) -> Table:
    return Table(
        ["", "trained on", "training", "size", "p50 of a tweet"],
        [
            [
                f"`{row.name}`",
                f"{row.train_texts:,}",
                f"{row.train_seconds / 60:.1f} min",
                f"{row.size_bytes / 1e6:.1f} MB",
                f"{row.milliseconds} ms",
            ]
            for row in rows
        ],
    )
