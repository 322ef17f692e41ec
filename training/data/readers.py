"""Read files of labelled texts, as `prepare`, `evaluate`, `calibrate` and `promote --on` take them.

Parquet or CSV with the columns `text` and `label` (0, 1, negative or positive), or the format of Sentiment140: no
header, six quoted columns, latin-1, target 0 or 4.
"""

import csv
from collections import Counter
from pathlib import Path

import pandas as pd

from .chunked_files import Csv, Parquet

LABELS = {0: 0, 1: 1, "0": 0, "1": 1, "0.0": 0, "1.0": 1, "False": 0, "True": 1, "negative": 0, "positive": 1}
SENTIMENT140_COLUMNS, SENTIMENT140_TARGETS = 6, {"0": 0, "4": 1}

type Labelled = tuple[pd.DataFrame, Counter[str]]  # the usable rows; reason -> skipped rows


def read_labelled(path: Path) -> Labelled:
    """Read the usable rows of a file: text (str) and label (0, 1). Also return how many were skipped, by reason.

    Raises SystemExit with one line if there is no usable row.
    """
    if not path.is_file():
        raise SystemExit(f"{path}: there is no such file")
    if not path.stat().st_size:
        raise SystemExit(f"{path}: is empty")
    if is_sentiment140(path):
        rows, skipped = _read_sentiment140(path)
    else:
        rows, skipped = _read_columns(Parquet(path) if path.suffix == ".parquet" else Csv(path), path)
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
            return next(csv.reader(file), [])
        except csv.Error:
            return []


def _read_columns(file: Parquet | Csv, path: Path) -> Labelled:
    if any(file.columns.count(name) != 1 for name in ("text", "label")):
        raise SystemExit(f"{path}: must have one column text and one label; it has {', '.join(file.columns)}")
    rows: list[tuple[str, int]] = []
    skipped: Counter[str] = Counter()
    for chunk in file.chunks():
        for text, label in zip(file.values(chunk, "text"), file.values(chunk, "label"), strict=True):
            if not isinstance(label, str | int | float) or label not in LABELS:
                skipped["label neither 0, 1, negative nor positive"] += 1
            elif not isinstance(text, str) or not text.strip():
                skipped["empty text"] += 1
            else:
                rows.append((text, LABELS[label]))
    return _frame(rows), skipped


def _read_sentiment140(path: Path) -> Labelled:
    rows: list[tuple[str, int]] = []
    skipped: Counter[str] = Counter()
    with path.open(encoding="latin-1", newline="\n") as file:
        for line in file:  # parse each line alone: a quote that is never closed must not swallow the next rows
            fields = _fields(line)
            if len(fields) != SENTIMENT140_COLUMNS:
                skipped["not six columns"] += 1
                continue
            target, *_, text = fields
            if target not in SENTIMENT140_TARGETS:
                skipped["target neither 0 nor 4"] += 1
            elif not text.strip():
                skipped["empty text"] += 1
            else:
                rows.append((text, SENTIMENT140_TARGETS[target]))
    return _frame(rows), skipped


def _fields(line: str) -> list[str]:
    try:
        return next(csv.reader([line], strict=True), [])
    except csv.Error:
        return []


def _frame(rows: list[tuple[str, int]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["text", "label"]).astype({"text": object, "label": "int8"})
