"""`prepare`: a file of labelled tweets becomes a clean, split data set, and nothing is dropped without being counted.

Reads the format of Sentiment140 (no header, six quoted columns, latin-1, target 0 or 4) or a parquet file with `text`
and `label` (0 or 1). Writes train.parquet, validation.parquet, test.parquet and report.json into one folder.

The split is a function of the content alone: texts that differ only in mentions, links, digits, punctuation, case or
elongation hash alike, so near-duplicates stay on one side. Validation and test keep one text of each such group.
"""

import argparse
import csv
import hashlib
import io
import re
import urllib.request
import zipfile
from collections import Counter
from pathlib import Path
from typing import Literal, get_args

import msgspec
import pandas as pd
from rich.console import Console
from rich.progress import track

from sentiment.text import TextSpec

DATA = Path(".local/data")

# The archive its authors publish; the sha256 is the one TensorFlow Datasets pins.
ARCHIVE = "https://cs.stanford.edu/people/alecmgo/trainingandtestdata.zip"
ARCHIVE_SHA256 = "004a3772c8a7ff9bbfeb875880f47f0679d93fc63e5cf9cff72d54a8a6162e57"
ARCHIVE_MEMBER = "training.1600000.processed.noemoticon.csv"

COLUMNS = 6
LABELS = {"0": 0, "4": 1}
_LETTERS = re.compile(r"[^\W\d_]+")

console = Console(stderr=True)

type Split = Literal["train", "validation", "test"]


class Report(msgspec.Struct):
    """What came in, what was left out and why, what came out."""

    source: str
    sha256: str  # of the source file
    rows: int
    left_out: dict[str, int]  # reason -> rows
    splits: dict[str, int]  # split -> texts
    positive: dict[str, float]  # split -> share of label 1
    dataset_sha256: dict[str, str]  # split -> digest of its texts and labels


def add_arguments(parser: argparse.ArgumentParser) -> None:
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("source", nargs="?", type=Path, help="a CSV in the format of Sentiment140, or a parquet file")
    source.add_argument("--download", action="store_true", help=f"fetch {ARCHIVE} first")
    parser.add_argument("--out", type=Path, default=DATA, help="the folder to write (default: %(default)s)")
    parser.add_argument("--holdout", type=float, default=0.02, help="share of validation, and of test (%(default)s)")


def run(arguments: argparse.Namespace) -> None:
    source = download(arguments.out) if arguments.download else arguments.source
    report = prepare(source, arguments.out, arguments.holdout)
    console.print_json(msgspec.json.encode(report).decode())


def prepare(source: Path, out: Path, holdout: float) -> Report:
    """Read `source`, split it, write it to `out`. Raises SystemExit with one line if nothing usable is in it."""
    if not 0 <= holdout < 0.5:
        raise SystemExit(f"--holdout {holdout}: must be at least 0 and less than 0.5")
    if not source.is_file():
        raise SystemExit(f"{source}: there is no such file")
    left_out: Counter[str] = Counter()
    rows = read_parquet(source, left_out) if source.suffix == ".parquet" else read_csv(source, left_out)
    total = len(rows) + left_out.total()
    if not len(rows):
        raise SystemExit(f"{source}: no usable row among {total} ({dict(left_out)})")
    rows["content"] = [content(text) for text in track(rows.text, "content", console=console)]
    rows["split"] = [split_of(key, holdout) for key in rows.content]
    rows = _resolve(rows, left_out)
    out.mkdir(parents=True, exist_ok=True)
    report = Report(str(source), _file_sha256(source), total, dict(left_out), {}, {}, {})
    for name in get_args(Split.__value__):
        part = rows.loc[rows.split == name, ["text", "label"]].reset_index(drop=True)
        part.to_parquet(out / f"{name}.parquet")
        report.splits[name] = len(part)
        report.positive[name] = round(float(part.label.mean()), 4) if len(part) else 0.0
        report.dataset_sha256[name] = dataset_sha256(part)
    (out / "report.json").write_bytes(msgspec.json.format(msgspec.json.encode(report)))
    return report


def load(split: Split, folder: Path = DATA) -> pd.DataFrame:
    """A prepared split: columns text (str) and label (0, 1). Raises SystemExit if `prepare` has not run."""
    path = folder / f"{split}.parquet"
    if not path.exists():
        raise SystemExit(f"{path} is missing: run `python -m training prepare FILE --out {folder}` first")
    return pd.read_parquet(path)


def read_csv(path: Path, left_out: Counter[str]) -> pd.DataFrame:
    """The rows of a Sentiment140 file; what is no row is counted in `left_out`."""
    texts, labels = [], []
    with path.open(encoding="latin-1", newline="\n") as file:
        for line in file:  # one row each; a quote that is never closed must not swallow the next
            row = _fields(line)
            if len(row) != COLUMNS:
                left_out["not six columns"] += 1
            elif row[0] not in LABELS:
                left_out["target neither 0 nor 4"] += 1
            elif not row[5].strip():
                left_out["empty text"] += 1
            else:
                texts.append(row[5])
                labels.append(LABELS[row[0]])
    return pd.DataFrame({"text": pd.Series(texts, dtype=object), "label": pd.Series(labels, dtype="int8")})


def _fields(line: str) -> list[str]:
    try:
        return next(csv.reader([line], strict=True), [])
    except csv.Error:
        return []


def read_parquet(path: Path, left_out: Counter[str]) -> pd.DataFrame:
    """The rows of a parquet file with text and label; what is no row is counted in `left_out`."""
    rows = pd.read_parquet(path)
    if missing := {"text", "label"} - set(rows.columns):
        raise SystemExit(f"{path}: has no column {', '.join(sorted(missing))}")
    labelled = rows.label.isin([0, 1])
    filled = rows.text.map(lambda text: isinstance(text, str) and bool(text.strip()))
    _count(left_out, "label neither 0 nor 1", (~labelled).sum())
    _count(left_out, "empty text", (labelled & ~filled).sum())
    return rows.loc[labelled & filled, ["text", "label"]].astype({"label": "int8"}).reset_index(drop=True)


def content(text: str) -> str:
    """What near-duplicates share: the letters of the words, in order."""
    tokens = (token for token in TextSpec().tokens(text) if token[0] != "<")
    return " ".join(_LETTERS.findall(" ".join(tokens)))


def split_of(key: str, holdout: float) -> Split:
    """The side a content belongs to, the same on every machine and in every version of the data."""
    position = int.from_bytes(hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()[:8]) / 2**64
    return "test" if position < holdout else "validation" if position < 2 * holdout else "train"


def dataset_sha256(rows: pd.DataFrame) -> str:
    """The digest of texts and labels, in order."""
    digest = hashlib.sha256()
    for text, label in zip(rows.text, rows.label, strict=True):
        digest.update(f"{label}\t{text}\n".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def download(folder: Path) -> Path:
    """Fetch and unpack the public archive. Raises SystemExit unless it is the pinned one, byte for byte."""
    console.print(f"fetching {ARCHIVE}")
    with urllib.request.urlopen(ARCHIVE, timeout=60) as response:
        archive = response.read()
    if (actual := hashlib.sha256(archive).hexdigest()) != ARCHIVE_SHA256:
        raise SystemExit(f"{ARCHIVE}: sha256 is {actual}, expected {ARCHIVE_SHA256}")
    folder.mkdir(parents=True, exist_ok=True)
    return Path(zipfile.ZipFile(io.BytesIO(archive)).extract(ARCHIVE_MEMBER, folder))


def _resolve(rows: pd.DataFrame, left_out: Counter[str]) -> pd.DataFrame:
    """Without exact duplicates, without contents that carry both labels, held-out contents once each."""
    repeated = rows.duplicated(["text", "label"])
    _count(left_out, "exact duplicate", repeated.sum())
    rows = rows[~repeated]
    conflicting = rows.duplicated("text", keep=False)
    _count(left_out, "the same text with both labels", conflicting.sum())
    rows = rows[~conflicting]
    again = (rows.split != "train") & rows.duplicated("content")
    _count(left_out, "near-duplicate within validation or test", again.sum())
    return rows[~again]


def _count(left_out: Counter[str], reason: str, number: int) -> None:
    if number:
        left_out[reason] += int(number)


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
