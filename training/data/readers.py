"""Read files of labelled texts, as `prepare`, `evaluate`, `calibrate` and `promote --on` take them.

Parquet or CSV with the columns `text` and `label`, or the format of Sentiment140: no header, six quoted columns,
latin-1, target 0 or 4. What the labels mean is decided in `labels.py`.
"""

import csv
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import pandas as pd
import psutil  # type: ignore[import-untyped]

from .chunked_files import Csv, Parquet, read_lines
from .errors import one_line
from .labels import (
    CLASS_TYPE,
    MAX_SHOWN_ROWS,
    MAX_VALUES,
    ZERO_FOUR,
    Labels,
    UnclearLabels,
    describe,
    describe_missing,
    key_of,
    resolve,
    two_classes,
)

SENTIMENT140_COLUMNS = 6

MEMORY_SHARE = 0.25  # of the memory that is free: the most that the texts of a file may take


class Columns(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The names of the columns of a file."""

    text: str = "text"
    label: str = "label"
    language: str | None = None

    def names(self) -> list[str]:
        return [self.text, self.label, *([self.language] if self.language is not None else [])]


DEFAULT_COLUMNS = Columns()


class Labelled(NamedTuple):
    rows: pd.DataFrame  # the usable ones: text (str), label and, where the file has it, language (str)
    skipped: Counter[str]  # reason -> rows


class _Rows:
    """Rows as they are read: their texts must fit in memory, several times over, since they are sorted and split."""

    def __init__(self, path: Path) -> None:
        self.skipped: Counter[str] = Counter()
        self._path = path
        self._rows = 0
        self._texts: list[str] = []
        self._keys: list[str] = []
        self._languages: list[object] = []
        self._found: Counter[str] = Counter()  # key of a label -> usable rows
        self._unlabelled: list[int] = []  # the first few; counted from 1
        self._bytes_left = self._limit = int(psutil.virtual_memory().available * MEMORY_SHARE)

    def skip(self, reason: str) -> None:
        self._rows += 1
        self.skipped[reason] += 1

    def add(self, text: object, label: object, *language: object) -> None:
        """Add a row. Raises SystemExit with one line if the texts become too large, or the labels too many."""
        if not isinstance(text, str) or not text.strip():
            self.skip("empty text")
            return
        self._rows += 1
        key = key_of(label)
        self._found[key] += 1
        if not key and len(self._unlabelled) < MAX_SHOWN_ROWS:
            self._unlabelled.append(self._rows)
        if len(self._found) > MAX_VALUES:
            values = f"over {MAX_VALUES} different values: {describe(self._found)}"
            raise UnclearLabels(f"{self._path}: its labels have {values}; are they labels?")
        self._texts.append(text)
        self._keys.append(key)
        self._languages.extend(language)
        self._bytes_left -= sys.getsizeof(text)
        if self._bytes_left < 0:
            raise SystemExit(
                f"{self._path}: its texts need more than {self._limit / 1e9:.1f} GB, {MEMORY_SHARE:.0%} of the memory "
                "that is free: give a part of the file"
            )

    def resolved(self, labels: Labels | None, **known: tuple[Labels, ...]) -> Labelled:
        """Return the rows with the classes of their labels. Raises UnclearLabels."""
        if self._unlabelled:
            raise UnclearLabels(f"{self._path}: {describe_missing(self._unlabelled, self._found[''])}")
        try:
            classes = resolve(self._found, labels, **known) if self._texts else {}
        except UnclearLabels as error:
            raise UnclearLabels(f"{self._path}: {error}") from error
        label = pd.Categorical([classes[key] for key in self._keys], dtype=CLASS_TYPE)
        rows = pd.DataFrame({"text": pd.Series(self._texts, dtype=object), "label": label})
        return Labelled(rows.assign(language=self._languages) if self._languages else rows, self.skipped)


def read_labelled(path: Path, labels: Labels | None = None) -> Labelled:
    """Read the usable rows of a file for a model of two classes: label 0 (negative) or 1 (positive), int8.

    Neutral rows are skipped. Raises SystemExit like `read_classes`.
    """
    rows, skipped = read_classes(path, labels)
    chosen = two_classes(rows).reset_index(drop=True)
    if neutral := len(rows) - len(chosen):
        skipped["neutral: the model has two classes"] += neutral
    if not len(chosen):
        raise SystemExit(f"{path}: every text is neutral; the model has two classes")
    return Labelled(chosen, skipped)


def read_classes(path: Path, labels: Labels | None = None, columns: Columns = DEFAULT_COLUMNS) -> Labelled:
    """Read the usable rows of a file: label is of CLASS_TYPE. Also return how many were skipped, by reason.

    Raises SystemExit with one line if there is no usable row, if a row has no label, or if it is not certain what the
    labels mean.
    """
    _require_content(path)
    try:
        if is_sentiment140(path, columns):
            read = _read_sentiment140(path)
            known: dict[str, tuple[Labels, ...]] = {"in_part": (ZERO_FOUR,), "in_full": ()}
        else:
            read, known = _read_columns(path, columns), {}
        labelled = read.resolved(labels, **known)
    except (OSError, MemoryError) as error:
        raise SystemExit(f"{path}: cannot be read: {one_line(error)}") from error
    if not len(labelled.rows):
        raise SystemExit(
            f"{path}: no usable row among {labelled.skipped.total()} ({dict(labelled.skipped)}); "
            "expected columns text and label, or the format of Sentiment140"
        )
    return labelled


def read_texts(path: Path) -> list[str]:
    """Read the texts of a file, labelled or not: a column text, or the format of Sentiment140. Raises SystemExit."""
    _require_content(path)
    try:
        if path.suffix == ".parquet" or "text" in _first_line(path):
            file = _open(path, ["text"])
            texts = [text for chunk in file.chunks(["text"]) for text in file.values(chunk, "text")]
        else:
            texts = [row[-1] for row in _sentiment140_rows(path) if row]
    except (OSError, MemoryError) as error:
        raise SystemExit(f"{path}: cannot be read: {one_line(error)}") from error
    if not (usable := [text for text in texts if isinstance(text, str) and text.strip()]):
        raise SystemExit(f"{path}: no text; expected a column text, or the format of Sentiment140")
    return usable


def is_sentiment140(path: Path, columns: Columns = DEFAULT_COLUMNS) -> bool:
    """Return whether a file must be Sentiment140: it is not parquet and has no header with text and label."""
    default = (columns.text, columns.label) == (DEFAULT_COLUMNS.text, DEFAULT_COLUMNS.label)
    return default and path.suffix != ".parquet" and not {"text", "label"} <= set(_first_line(path))


def _require_content(path: Path) -> None:
    if not path.is_file():
        raise SystemExit(f"{path}: there is no such file")
    if not path.stat().st_size:
        raise SystemExit(f"{path}: is empty")


def _first_line(path: Path) -> list[str]:
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        try:
            return next(csv.reader(filter(None, read_lines(file))), [])
        except csv.Error:
            return []


def _open(path: Path, names: list[str]) -> Parquet | Csv:
    file = Parquet(path) if path.suffix == ".parquet" else Csv(path)
    if any(file.columns.count(name) != 1 for name in names):
        wanted = " and one ".join(names)
        raise SystemExit(f"{path}: must have one column {wanted}; it has {', '.join(file.columns)[:200]}")
    return file


def _read_columns(path: Path, columns: Columns) -> _Rows:
    names = columns.names()
    file, rows = _open(path, names), _Rows(path)
    for chunk in file.chunks(names):
        for row in zip(*(file.values(chunk, name) for name in names), strict=True):
            rows.add(*row)
    return rows


def _read_sentiment140(path: Path) -> _Rows:
    rows = _Rows(path)
    for row in _sentiment140_rows(path):
        if row:
            target, *_, text = row
            rows.add(text, target)
        else:
            rows.skip("not six columns")
    return rows


def _sentiment140_rows(path: Path) -> Iterator[list[str]]:
    """Yield the columns of every line; none if they are not those of Sentiment140."""
    with path.open(encoding="latin-1", newline="\n") as file:
        for line in read_lines(file):  # each alone: a quote that is never closed must not swallow the next rows
            fields = _fields(line or "")
            yield fields if len(fields) == SENTIMENT140_COLUMNS else []


def _fields(line: str) -> list[str]:
    try:
        return next(csv.reader([line], strict=True), [])
    except csv.Error:
        return []
