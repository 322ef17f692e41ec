"""A prepared data set: its splits, its digest, and what its report says of it."""

import hashlib
from pathlib import Path
from typing import Literal, get_args

import msgspec
import pandas as pd

DATA = Path(".local/data")
REPORT = "report.json"

type Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = get_args(Split.__value__)


class Described(msgspec.Struct):
    """What `report.json` says of the data for the cards of the models that are trained on them."""

    about: str


def load(split: Split, folder: Path = DATA) -> pd.DataFrame:
    """A prepared split: columns text (str) and label (0, 1). Raises SystemExit if `prepare` has not run."""
    path = folder / f"{split}.parquet"
    if not path.exists():
        raise SystemExit(f"{path} is missing: run `python -m training prepare FILE --out {folder}` first")
    return pd.read_parquet(path)


def about(folder: Path) -> str:
    """What was said of the data in `folder` when they were prepared. Raises SystemExit if nothing was."""
    try:
        return msgspec.json.decode((folder / REPORT).read_bytes(), type=Described).about
    except (OSError, msgspec.ValidationError) as error:
        raise SystemExit(f"{folder / REPORT}: {error}; run `prepare` again") from error


def dataset_sha256(rows: pd.DataFrame) -> str:
    """The digest of texts and labels, in order."""
    digest = hashlib.sha256()
    for text, label in zip(rows.text, rows.label, strict=True):
        digest.update(f"{label}\t{text}\n".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()
