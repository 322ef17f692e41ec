"""Read files of labelled texts, as `prepare`, `evaluate`, `calibrate` and `promote --on` take them.

Parquet or CSV with the columns `text` and `label` (0, 1, negative or positive), or the format of Sentiment140: no
header, six quoted columns, latin-1, target 0 or 4.
"""

import csv
import sys
from collections import Counter
from pathlib import Path

import pandas as pd
import psutil  # type: ignore[import-untyped]

from .chunked_files import Csv, Parquet, read_lines
from .errors import one_line

LABELS = {0: 0, 1: 1, "0": 0, "1": 1, "0.0": 0, "1.0": 1, "False": 0, "True": 1, "negative": 0, "positive": 1}
SENTIMENT140_COLUMNS, SENTIMENT140_TARGETS = 6, {"0": 0, "4": 1}

MEMORY_SHARE = 0.25  # of the memory that is free: the most that the texts of a file may take

type Labelled = tuple[pd.DataFrame, Counter[str]]  # the usable rows; reason -> skipped rows


class _UsableRows:
    """Rows as they are read: their texts must fit in memory, several times over, since they are sorted and split."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: list[tuple[str, int]] = []
        self._bytes_left = self._limit = int(psutil.virtual_memory().available * MEMORY_SHARE)

    def add(self, text: str, label: int) -> None:
        """Add a row. Raises SystemExit with one line if the texts become too large."""
        self._rows.append((text, label))
        self._bytes_left -= sys.getsizeof(text)
        if self._bytes_left < 0:
            raise SystemExit(
                f"{self._path}: its texts need more than {self._limit / 1e9:.1f} GB, {MEMORY_SHARE:.0%} of the memory "
                "that is free: give a part of the file"
            )

    def frame(self) -> pd.DataFrame:
        return pd.DataFrame(self._rows, columns=["text", "label"]).astype({"text": object, "label": "int8"})


def read_labelled(path: Path) -> Labelled:
    """Read the usable rows of a file: text (str) and label (0, 1). Also return how many were skipped, by reason.

    Raises SystemExit with one line if there is no usable row.
    """
    if not path.is_file():
        raise SystemExit(f"{path}: there is no such file")
    if not path.stat().st_size:
        raise SystemExit(f"{path}: is empty")
    try:
        if is_sentiment140(path):
            rows, skipped = _read_sentiment140(path)
        else:
            rows, skipped = _read_columns(Parquet(path) if path.suffix == ".parquet" else Csv(path), path)
    except (OSError, MemoryError) as error:
        raise SystemExit(f"{path}: cannot be read: {one_line(error)}") from error
    if not len(rows):
        raise SystemExit(
            f"{path}: no usable row among {skipped.total()} ({dict(skipped)}); "
            "expected columns text and label, or the format of Sentiment140"
        )
    return rows, skipped


def is_sentiment140(path: Path) -> bool:
    """Return whether a file must be Sentiment140: it is not parquet, and it has no header with text and label."""
    return path.suffix != ".parquet" and not {"text", "label"} <= set(_first_line(path))


def _first_line(path: Path) -> list[str]:
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        try:
            return next(csv.reader(filter(None, read_lines(file))), [])
        except csv.Error:
            return []


def _read_columns(file: Parquet | Csv, path: Path) -> Labelled:
    if any(file.columns.count(name) != 1 for name in ("text", "label")):
        raise SystemExit(f"{path}: must have one column text and one label; it has {', '.join(file.columns)[:200]}")
    rows = _UsableRows(path)
    skipped: Counter[str] = Counter()
    for chunk in file.chunks(["text", "label"]):
        for text, label in zip(file.values(chunk, "text"), file.values(chunk, "label"), strict=True):
            if not isinstance(label, str | int | float) or label not in LABELS:
                skipped["label neither 0, 1, negative nor positive"] += 1
            elif not isinstance(text, str) or not text.strip():
                skipped["empty text"] += 1
            else:
                rows.add(text, LABELS[label])
    return rows.frame(), skipped


def _read_sentiment140(path: Path) -> Labelled:
    rows = _UsableRows(path)
    skipped: Counter[str] = Counter()
    with path.open(encoding="latin-1", newline="\n") as file:
        for line in read_lines(file):  # each alone: a quote that is never closed must not swallow the next rows
            fields = _fields(line or "")
            if len(fields) != SENTIMENT140_COLUMNS:
                skipped["not six columns"] += 1
                continue
            target, *_, text = fields
            if target not in SENTIMENT140_TARGETS:
                skipped["target neither 0 nor 4"] += 1
            elif not text.strip():
                skipped["empty text"] += 1
            else:
                rows.add(text, SENTIMENT140_TARGETS[target])
    return rows.frame(), skipped


def _fields(line: str) -> list[str]:
    try:
        return next(csv.reader([line], strict=True), [])
    except csv.Error:
        return []
