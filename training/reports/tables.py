"""Rows about estimates, slices and behavioural tests, for Markdown and for the console."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Self

from rich.table import Table as RichTable

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


def estimate(estimates: Estimates, name: str) -> str:
    """Return a metric, with its interval if it has one."""
    if name not in estimates.values:
        return UNDEFINED
    value = f"{estimates.values[name]:.4f}"
    if name not in estimates.intervals:
        return value
    low, high = estimates.intervals[name]
    return f"{value} ({low:.4f}–{high:.4f})"


def title(name: str) -> str:
    return name.replace("_", " ")


def estimates(rows: Mapping[str, Estimates], names: Sequence[str]) -> Table:
    """A row for each of `rows`, a column for each metric."""
    return Table(
        ["", *map(title, names)],
        [[row, *(estimate(found, name) for name in names)] for row, found in rows.items()],
    )


def slices(found: Mapping[str, Estimates | None]) -> Table:
    """A row for each slice that is not empty."""
    return Table(
        ["", "texts", "positive", *SLICE_METRICS],
        [
            [name, f"{part.n:,}", f"{part.positive:.0%}", *(estimate(part, metric) for metric in SLICE_METRICS)]
            for name, part in found.items()
            if part is not None
        ],
    )


def behaviour(results: Iterable[CheckResult]) -> Table:
    """A row for each behavioural test."""
    return Table(
        ["", "kind", "failed", "mean change of P(positive)"],
        [
            [
                result.name,
                result.kind,
                f"{result.failures} of {result.cases}",
                "" if result.change is None else f"{result.change:.3f}",
            ]
            for result in results
        ],
    )


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
