"""docs/models.md: every exported model beside the others, measured on the test split.

What was measured is kept in docs/models.json, from which the document and its plot are rendered.
"""

import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from training.data.errors import refuse_damaged
from training.data.json_files import read_json, write_json
from training.data.replacement import replacing
from training.evaluation import metrics
from training.evaluation.estimates import MetricEstimate
from training.evaluation.metrics import METRICS, Group

from . import plots
from .tables import Table, to_markdown

DOCUMENT, RECORD, PLOT = "models.md", "models.json", "models.svg"
START, END = "<!-- measured -->", "<!-- /measured -->"
GROUPS: tuple[tuple[Group, ...], ...] = (("headline",), ("positive", "negative"), ("calibration",))  # a table each
PUBLISHED = [  # on Sentiment140, by systems of the same kind, on other test data
    ["logistic regression", "0.78", "0.85", ""],
    ["LSTM", "0.79", "0.88", ""],
    ["BERT", "0.82", "0.90", ""],
    ["DistilBERT", "", "", "0.88"],
]


class Row(msgspec.Struct, frozen=True):
    """A model in the tables."""

    name: str
    run_id: str
    family: str
    train_texts: int = msgspec.field(name="texts")
    train_seconds: float = msgspec.field(name="seconds")
    test_texts: int = msgspec.field(name="tested")
    metrics: dict[str, MetricEstimate] = msgspec.field(name="figures")  # by title
    size_bytes: int = msgspec.field(name="bytes")
    milliseconds: float  # the median time of one text
    roc: list[tuple[float, float]]  # (false positive rate, true positive rate)


def save(rows: Sequence[Row], docs: Path) -> None:
    """Write what was measured to models.json."""
    docs.mkdir(parents=True, exist_ok=True)
    write_json(docs / RECORD, rows)


def load(docs: Path) -> list[Row]:
    """Load what was measured from models.json. Raises SystemExit if it does not exist or is damaged."""
    record, advice = docs / RECORD, "run `compare` without --render first"
    if not record.is_file():
        raise SystemExit(f"{record}: there is no such file; {advice}")
    return read_json(record, list[Row], advice)


def render(docs: Path) -> int:
    """Render models.md and models.svg from models.json; return the number of models. Raises SystemExit.

    The model with the highest AUC comes first. Models without an AUC come last.
    """
    rows = sorted(load(docs), key=_auc, reverse=True)
    write_between_marks(docs / DOCUMENT, markdown(rows))
    roc_curves = plots.plot_roc_curves({row.name: row.roc for row in rows})
    with replacing(docs / PLOT) as path:
        roc_curves.savefig(path, metadata={"Date": None})
    return len(rows)


def markdown(rows: Sequence[Row]) -> str:
    """Return the measured part of the document. The rows keep their order."""
    test_texts = " or ".join(f"{n:,}" for n in sorted({row.test_texts for row in rows}))
    return "\n\n".join(
        [
            f"On {test_texts} test texts; small: 95% bootstrap intervals of 1,000 resamples. Precision, recall and F1 "
            "are for the positive class unless stated otherwise.",
            *(to_markdown(_metrics_table(rows, groups)) for groups in GROUPS),
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
    text = f"# Models, compared\n\n{START}\n{END}\n"
    if document.exists():
        with refuse_damaged(document, f"it must be text with {START} and {END}"):
            text = document.read_text("utf-8")
    if len(re.findall(f"{START}.*{END}", text, re.DOTALL)) != 1:
        raise SystemExit(f"{document}: must have {START} and {END} once each")
    before, after = text[: text.index(START)], text[text.index(END) :]
    with replacing(document) as path:
        path.write_text(f"{before}{START}\n\n{part}\n\n{after}", "utf-8")


def _auc(row: Row) -> float:
    auc = row.metrics.get(METRICS["auc"].title)
    return -math.inf if auc is None else auc.value


def _metrics_table(rows: Sequence[Row], groups: Iterable[Group]) -> Table:
    """Return the metrics of these groups. A metric that no model has gets no column."""
    titles = [METRICS[name].title for name in metrics.names(groups)]
    titles = [title for title in titles if any(title in row.metrics for row in rows)]
    return Table(["", *titles], [[f"`{row.name}`", *(_cell(row, title) for title in titles)] for row in rows])


def _cell(row: Row, title: str) -> str:
    if title not in row.metrics:
        return ""
    low, high = row.metrics[title].interval
    return f"{row.metrics[title].value:.4f} <sub>{low:.4f}–{high:.4f}</sub>"


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
