"""A prepared data set: load its splits, its digests and its description."""

import hashlib
from itertools import batched
from pathlib import Path
from typing import Literal, get_args

import msgspec
import pandas as pd

from .chunked_files import parquet_errors
from .json_files import read_json

DATA = Path(".local/data")
REPORT = "report.json"
CLASSES = {0: "negative", 1: "positive"}

type Split = Literal["train", "validation", "test"]

SPLITS: tuple[Split, ...] = get_args(Split.__value__)
TRAINING_SPLITS: tuple[Split, ...] = ("train", "validation")
FILES: dict[Split, str] = {split: f"{split}.parquet" for split in SPLITS}  # in a folder of prepared data


class _Described(msgspec.Struct):
    """The part of report.json that says what the data are."""

    about: str
    dataset_sha256: dict[Split, str]


def load(split: Split, folder: Path = DATA) -> pd.DataFrame:
    """Load a prepared split: columns text (str) and label (0, 1). Raises SystemExit like `load_splits`."""
    return load_splits(folder)[split]


def load_splits(folder: Path) -> dict[Split, pd.DataFrame]:
    """Load every prepared split: columns text (str) and label (0, 1).

    Raises SystemExit with one line if `prepare` has not run, or unless all splits are those that report.json describes:
    splits of two data sets would have texts in common.
    """
    for split in SPLITS:
        if not (path := folder / FILES[split]).exists():
            raise SystemExit(f"{path} is missing: run `python -m training prepare FILE --out {folder}` first")
    described = _read_report(folder).dataset_sha256
    splits = {split: _read_split(folder / FILES[split]) for split in SPLITS}
    for split, rows in splits.items():
        if dataset_sha256(rows) != described.get(split):
            raise SystemExit(
                f"{folder / FILES[split]}: not the texts that {REPORT} describes; the folder has files of several data "
                "sets: run `prepare` again"
            )
    return splits


def _read_split(path: Path) -> pd.DataFrame:
    with parquet_errors(path):
        return pd.read_parquet(path, columns=["text", "label"])


def load_training_splits(folder: Path, texts: int | None) -> dict[Split, pd.DataFrame]:
    """Load train, of which only the first `texts` if given, and validation.

    Raises SystemExit with one line unless each has both classes.
    """
    if texts is not None and texts < 1:
        raise SystemExit(f"--texts {texts}: must be at least 1")
    splits = load_splits(folder)
    data = {split: splits[split] for split in TRAINING_SPLITS}
    data["train"] = data["train"][:texts]
    remedies = {"train": "--sample, in the place of --texts", "validation": "a larger --holdout"}
    for split, rows in data.items():
        if rows.label.nunique() < 2:
            raise SystemExit(f"{folder}: {len(rows):,} texts of {split} lack a class: `prepare` with {remedies[split]}")
    return data


def about(folder: Path) -> str:
    """Return the description of a prepared data set, for model cards. Raises SystemExit if it has none."""
    return _read_report(folder).about


def _read_report(folder: Path) -> _Described:
    return read_json(folder / REPORT, _Described, "run `prepare` again")


def file_sha256(path: Path) -> str:
    """Return the digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def dataset_sha256(rows: pd.DataFrame) -> str:
    """Return the digest of texts and labels, in order."""
    digest = hashlib.sha256()
    lines = (f"{label}\t{text}\n" for text, label in zip(rows.text.tolist(), rows.label.tolist(), strict=True))
    for part in batched(lines, 10_000, strict=False):  # a digest of many short pieces takes three times as long
        digest.update("".join(part).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()
