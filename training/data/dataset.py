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


class _Described(msgspec.Struct):
    """The part of report.json that model cards need."""

    about: str


def load(split: Split, folder: Path = DATA) -> pd.DataFrame:
    """Load a prepared split: columns text (str) and label (0, 1). Raises SystemExit if `prepare` has not run."""
    path = folder / f"{split}.parquet"
    if not path.exists():
        raise SystemExit(f"{path} is missing: run `python -m training prepare FILE --out {folder}` first")
    return pd.read_parquet(path)


def about(folder: Path) -> str:
    """Return the description of a prepared data set, for model cards. Raises SystemExit if it has none."""
    try:
        return msgspec.json.decode((folder / REPORT).read_bytes(), type=_Described).about
    except (OSError, msgspec.ValidationError) as error:
        raise SystemExit(f"{folder / REPORT}: {error}; run `prepare` again") from error


def dataset_sha256(rows: pd.DataFrame) -> str:
    """Return the digest of texts and labels, in order."""
    digest = hashlib.sha256()
    for text, label in zip(rows.text, rows.label, strict=True):
        digest.update(f"{label}\t{text}\n".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()
