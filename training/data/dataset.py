"""A prepared data set: load its splits, its digests and its description."""

import hashlib
from pathlib import Path
from typing import Literal, get_args

import msgspec
import pandas as pd

DATA = Path(".local/data")
REPORT = "report.json"
CLASSES = {0: "negative", 1: "positive"}

type Split = Literal["train", "validation", "test"]

SPLITS: tuple[Split, ...] = get_args(Split.__value__)
TRAINING_SPLITS: tuple[Split, ...] = ("train", "validation")


class _Described(msgspec.Struct):
    """The part of report.json that model cards need."""

    about: str


def load(split: Split, folder: Path = DATA) -> pd.DataFrame:
    """Load a prepared split: columns text (str) and label (0, 1). Raises SystemExit if `prepare` has not run."""
    path = folder / f"{split}.parquet"
    if not path.exists():
        raise SystemExit(f"{path} is missing: run `python -m training prepare FILE --out {folder}` first")
    return pd.read_parquet(path)


def load_training_splits(folder: Path, texts: int | None) -> dict[Split, pd.DataFrame]:
    """Load train, of which only the first `texts` if given, and validation.

    Raises SystemExit with one line unless each has both classes.
    """
    if texts is not None and texts < 1:
        raise SystemExit(f"--texts {texts}: must be at least 1")
    data = {split: load(split, folder) for split in TRAINING_SPLITS}
    data["train"] = data["train"][:texts]
    remedies = {"train": "--sample, in the place of --texts", "validation": "a larger --holdout"}
    for split, rows in data.items():
        if rows.label.nunique() < 2:
            raise SystemExit(f"{folder}: {len(rows):,} texts of {split} lack a class: `prepare` with {remedies[split]}")
    return data


def about(folder: Path) -> str:
    """Return the description of a prepared data set, for model cards. Raises SystemExit if it has none."""
    try:
        return msgspec.json.decode((folder / REPORT).read_bytes(), type=_Described).about
    except (OSError, msgspec.ValidationError) as error:
        raise SystemExit(f"{folder / REPORT}: {error}; run `prepare` again") from error


def file_sha256(path: Path) -> str:
    """Return the digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def dataset_sha256(rows: pd.DataFrame) -> str:
    """Return the digest of texts and labels, in order."""
    digest = hashlib.sha256()
    for text, label in zip(rows.text, rows.label, strict=True):
        digest.update(f"{label}\t{text}\n".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()
