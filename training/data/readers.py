"""Files of labelled texts: what `prepare`, `evaluate`, `calibrate` and `promote --on` read.

Parquet or CSV with the columns `text` and `label` (0, 1, negative or positive), or the format of Sentiment140: no
header, six quoted columns, latin-1, target 0 or 4.
"""

import csv
from collections import Counter
from pathlib import Path

import pandas as pd

from .chunked_files import Csv, Parquet

LABELS = {0: 0, 1: 1, "0": 0, "1": 1, "0.0": 0, "1.0": 1, "False": 0, "True": 1, "negative": 0, "positive": 1}
COLUMNS, TARGETS = 6, {"0": 0, "4": 1}  # of Sentiment140


def read(path: Path, left_out: Counter[str]) -> pd.DataFrame:
    """The usable rows of a file: text (str) and label (0, 1); the others are counted in `left_out`.

    Raises SystemExit with one line if there is no usable row.
    """
    if not path.is_file():
        raise SystemExit(f"{path}: there is no such file")
    if not path.stat().st_size:
        raise SystemExit(f"{path}: is empty")
    if is_sentiment140(path):
        rows = _sentiment140(path, left_out)
    else:
        rows = _labelled(Parquet(path) if path.suffix == ".parquet" else Csv(path), path, left_out)
    if not len(rows):
        wanted = "wanted are columns text and label, or the format of Sentiment140"
        raise SystemExit(f"{path}: no usable row among {left_out.total()} ({dict(left_out)}); {wanted}")
    return rows


def is_sentiment140(path: Path) -> bool:
    """Whether a file can only be read as one of Sentiment140: it is no parquet, and names no columns."""
    return path.suffix != ".parquet" and not {"text", "label"} <= set(_first_line(path))


def _first_line(path: Path) -> list[str]:
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        try:
            return next(csv.reader(file), [])
        except csv.Error:
            return []


def _labelled(file: Parquet | Csv, path: Path, left_out: Counter[str]) -> pd.DataFrame:
    if any(file.columns.count(name) != 1 for name in ("text", "label")):
        raise SystemExit(f"{path}: must have one column text and one label; it has {', '.join(file.columns)}")
    rows: list[tuple[str, int]] = []
    for chunk in file.chunks():
        for text, label in zip(file.values(chunk, "text"), file.values(chunk, "label"), strict=True):
            if not isinstance(label, str | int | float) or label not in LABELS:
                left_out["label neither 0, 1, negative nor positive"] += 1
            elif not isinstance(text, str) or not text.strip():
                left_out["empty text"] += 1
            else:
                rows.append((text, LABELS[label]))
    return _frame(rows)


def _sentiment140(path: Path, left_out: Counter[str]) -> pd.DataFrame:
    rows: list[tuple[str, int]] = []
    with path.open(encoding="latin-1", newline="\n") as file:
        for line in file:  # one row each; a quote that is never closed must not swallow the next
            row = _fields(line)
            if len(row) != COLUMNS:
                left_out["not six columns"] += 1
            elif row[0] not in TARGETS:
                left_out["target neither 0 nor 4"] += 1
            elif not row[5].strip():
                left_out["empty text"] += 1
            else:
                rows.append((row[5], TARGETS[row[0]]))
    return _frame(rows)


def _fields(line: str) -> list[str]:
    try:
        return next(csv.reader([line], strict=True), [])
    except csv.Error:
        return []


def _frame(rows: list[tuple[str, int]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["text", "label"]).astype({"text": object, "label": "int8"})
