"""Tables of estimates, slices and behavioural tests, for Markdown and for the console."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Self

from rich.table import Table as RichTable

from training.data.dataset import SourceReport, Split
from training.data.labels import CLASSES
from training.evaluation.checklist import CheckResult
from training.evaluation.estimates import Estimates

SLICE_METRICS = ("accuracy", "auc", "precision", "recall")
UNDEFINED = "–"


class Table(NamedTuple):
    head: Sequence[str]
    rows: Sequence[Sequence[str]]

    def with_column(self, head: str, cells: Iterable[str]) -> Self:
        rows = [[*row, cell] for row, cell in zip(self.rows, cells, strict=True)]
        return self._replace(head=[*self.head, head], rows=rows)


def format_estimate(estimates: Estimates, name: str) -> str:
    """Return a metric, with its interval if it has one."""
    if name not in estimates.values:
        return UNDEFINED
    value = f"{estimates.values[name]:.4f}"
    if name not in estimates.intervals:
        return value
    low, high = estimates.intervals[name]
    return f"{value} ({low:.4f}–{high:.4f})"


def label(name: str) -> str:
    """Return a metric's name as tables show it."""
    return name.replace("_", " ")


def estimates_table(rows: Mapping[str, Estimates], names: Sequence[str]) -> Table:
    """Return a table with a row for each of `rows` and a column for each metric."""
    return Table(
        ["", *map(label, names)],
        [[row, *(format_estimate(found, name) for name in names)] for row, found in rows.items()],
    )


def slices_table(slices: Mapping[str, Estimates | None], *, show_empty: bool = False) -> Table:
    """Return a table with a row for each slice that has texts or, with `show_empty`, for every slice."""
    return Table(
        ["", "texts", "positive", *SLICE_METRICS],
        [[name, *_slice_cells(found)] for name, found in slices.items() if found is not None or show_empty],
    )


def _slice_cells(slice_: Estimates | None) -> list[str]:
    if slice_ is None:
        return ["0", "-", *["-" for _ in SLICE_METRICS]]
    return [f"{slice_.n:,}", f"{slice_.positive:.0%}", *(format_estimate(slice_, name) for name in SLICE_METRICS)]


def sources_table(sources: Iterable[SourceReport], splits: Sequence[Split]) -> Table:
    """Return a table with a row for each source: its texts in these splits, by label, and where they come from."""
    return Table(
        ["source", *CLASSES, "weight", "language", "labels by", "licence", "sha256 of the file"],
        [
            [
                source.name,
                *(f"{source.count(splits, label):,}" for label in CLASSES),
                f"{source.weight:g}",
                ", ".join(source.texts),
                source.labelled_by,
                source.licence,
                f"{source.sha256:.16}…",
            ]
            for source in sources
        ],
    )


def behaviour_table(results: Iterable[CheckResult], *, signed: bool = False) -> Table:
    """Return a table with a row for each behavioural test. With `signed`, a change in a direction has its sign."""
    return Table(
        ["", "kind", "failed", "mean change of P(positive)"],
        [
            [result.name, result.kind, f"{result.failures} of {result.cases}", _change(result, signed=signed)]
            for result in results
        ],
    )


def _change(result: CheckResult, *, signed: bool) -> str:
    if result.change is None:
        return ""
    return f"{result.change:+.3f}" if signed and result.kind == "direction" else f"{result.change:.3f}"


def to_markdown(table: Table) -> str:
    """Return a Markdown table; every column but the first is right-aligned."""
    lines = [table.head, ["---", *["---:"] * (len(table.head) - 1)], *table.rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def to_rich(table: Table, title: str | None = None) -> RichTable:
    """Return a table for a rich console."""
    shown = RichTable(*table.head, title=title, title_justify="left")
    for row in table.rows:
        shown.add_row(*row)
    return shown
