"""A prepared data set: load its splits, its digests and its description."""

import hashlib
from collections.abc import Iterable
from itertools import batched
from pathlib import Path
from typing import Literal, get_args

import msgspec
import pandas as pd

from .chunked_files import parquet_errors
from .json_files import read_json
from .labels import CLASS_TYPE, Class, two_classes

DATA = Path(".local/data")
REPORT = "report.json"
type Split = Literal["train", "validation", "test"]

SPLITS: tuple[Split, ...] = get_args(Split.__value__)
TRAINING_SPLITS: tuple[Split, ...] = ("train", "validation")
# Of a prepared split: text (str), label (of CLASS_TYPE), source (str), language (str, ISO 639; und: not known), weight
# (float64, of the text in training), classes (int8; 2: the source knows no neutral, so the label is only a contrast).
COLUMNS = ("text", "label", "source", "language", "weight", "classes")
FILES: dict[Split, str] = {split: f"{split}.parquet" for split in SPLITS}  # in a folder of prepared data


class SourceReport(msgspec.Struct, frozen=True):
    """What a data set has of one source."""

    name: str
    path: str
    sha256: str  # of the file
    licence: str
    labelled_by: str  # people or emoticons
    classes: int  # that its labels can tell apart: 3, or 2 without neutral
    weight: float  # of each text in training
    rows: int  # in the file
    skipped: dict[str, int] = msgspec.field(name="left_out")  # reason -> rows
    texts: dict[str, dict[Split, dict[Class, int]]]  # language -> split -> label -> texts

    def count(self, splits: Iterable[Split], label: Class) -> int:
        """Return the number of texts with this label."""
        return sum(texts.get(split, {}).get(label, 0) for texts in self.texts.values() for split in splits)


class Description(msgspec.Struct, frozen=True):
    """The part of report.json that says what the data are."""

    about: str
    dataset_sha256: dict[Split, str]
    sources: list[SourceReport]

    def unused(self) -> list[str]:
        """Return what a training of two classes makes no use of, in words."""
        lines = []
        if neutral := sum(source.count(TRAINING_SPLITS, "neutral") for source in self.sources):
            lines.append(f"{neutral:,} neutral texts are left out: the model has two classes")
        if len({source.weight for source in self.sources}) > 1:
            lines.append("the weights of the sources are not used: every text counts the same")
        return lines


def load(split: Split, folder: Path = DATA) -> pd.DataFrame:
    """Load a prepared split for a model of two classes. Returns and raises what `load_splits` does."""
    return load_splits(folder)[split]


def load_splits(folder: Path) -> dict[Split, pd.DataFrame]:
    """Load every prepared split for a model of two classes: columns text (str) and label (0: negative, 1: positive).

    Neutral texts are left out; the index says where in its file a text is. Raises SystemExit like `load_rows`.
    """
    return {split: two_classes(rows)[["text", "label"]] for split, rows in load_rows(folder).items()}


def load_rows(folder: Path) -> dict[Split, pd.DataFrame]:
    """Load every prepared split with all classes and COLUMNS.

    Raises SystemExit with one line if `prepare` has not run, or unless all splits are those that report.json describes:
    splits of two data sets would have texts in common.
    """
    for split in SPLITS:
        if not (path := folder / FILES[split]).exists():
            raise SystemExit(f"{path} is missing: run `python -m training prepare FILE --out {folder}` first")
    described = describe(folder).dataset_sha256
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
        return pd.read_parquet(path, columns=list(COLUMNS)).astype({"label": CLASS_TYPE})


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


def describe(folder: Path) -> Description:
    """Return the description of a prepared data set. Raises SystemExit if it has none."""
    return read_json(folder / REPORT, Description, "run `prepare` again")


def file_sha256(path: Path) -> str:
    """Return the digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def dataset_sha256(rows: pd.DataFrame) -> str:
    """Return the digest of texts, labels and whatever else of COLUMNS there is, in order."""
    digest = hashlib.sha256()
    columns = [rows[name].tolist() for name in (*COLUMNS[1:], "text") if name in rows]
    lines = ("\t".join(map(str, row)) + "\n" for row in zip(*columns, strict=True))
    for part in batched(lines, 10_000, strict=False):  # a digest of many short pieces takes three times as long
        digest.update("".join(part).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()
