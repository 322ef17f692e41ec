"""`prepare`: a file of labelled tweets becomes a clean, split data set, and nothing is dropped without being counted.

Reads parquet or CSV with `text` and `label` (0, 1, negative or positive), or the format of Sentiment140 (no header, six
quoted columns, latin-1, target 0 or 4). Writes train.parquet, validation.parquet, test.parquet and, for people,
report.json and plots into one folder; the report, the plots and which texts they are go to MLflow, too.

The split is a function of the content alone: texts that differ only in mentions, links, digits, punctuation, case or
elongation hash alike, so near-duplicates stay on one side. Validation and test keep one text of each such group.
--sample keeps what the split gave in every split and class in its proportion; which texts, depends on them and --seed.
"""

import argparse
import hashlib
import io
import re
import urllib.request
import zipfile
from collections import Counter
from pathlib import Path

import msgspec
import pandas as pd
from rich.console import Console
from rich.progress import track

from sentiment.text import TextSpec
from training.data import profile, readers
from training.data.dataset import DATA, REPORT, SPLITS, Described, Split, dataset_sha256, load
from training.data.profile import CLASSES, Survey

# The archive its authors publish; the sha256 is the one TensorFlow Datasets pins.
ARCHIVE = "https://cs.stanford.edu/people/alecmgo/trainingandtestdata.zip"
ARCHIVE_SHA256 = "004a3772c8a7ff9bbfeb875880f47f0679d93fc63e5cf9cff72d54a8a6162e57"
ARCHIVE_MEMBER = "training.1600000.processed.noemoticon.csv"

# What a model's card says of them.
SENTIMENT140 = """\
Data: Sentiment140 (Go, Bhayani and Huang, 2009), English tweets of private people from April to June 2009, for research
use. They were labelled by the emoticons their authors wrote, which were then removed: the model has hardly seen `:)`
and `:(`. People agree with such labels on about 83% of tweets, so no model gets far above that. Words, brands and emoji
of later years are rare in them or missing."""

_LETTERS = re.compile(r"[^\W\d_]+")

console = Console(stderr=True)


class Report(Described):
    """What came in, what was left out and why, what came out."""

    source: str
    sha256: str  # of the source file
    rows: int
    left_out: dict[str, int]  # reason -> rows
    splits: dict[str, int]  # split -> texts
    positive: dict[str, float]  # split -> share of label 1
    dataset_sha256: dict[str, str]  # split -> digest of its texts and labels
    survey: Survey  # of all splits together


def add_arguments(parser: argparse.ArgumentParser) -> None:
    source = parser.add_mutually_exclusive_group(required=True)
    formats = "parquet or CSV with text and label, or a CSV of Sentiment140"
    source.add_argument("source", nargs="?", type=Path, help=formats)
    source.add_argument("--download", action="store_true", help=f"fetch {ARCHIVE} first")
    parser.add_argument("--out", type=Path, default=DATA, help="the folder to write (default: %(default)s)")
    parser.add_argument("--about", metavar="TEXT", help="what a model's card says of the data: origin, licence, bias")
    parser.add_argument("--holdout", type=float, default=0.02, help="share of validation, and of test (%(default)s)")
    parser.add_argument("--sample", type=int, metavar="N", help="keep N texts in all (default: every one)")
    parser.add_argument("--seed", type=int, default=20, help="of the sample (default: %(default)s)")


def run(arguments: argparse.Namespace) -> None:
    source = download(arguments.out) if arguments.download else arguments.source
    report = prepare(source, arguments.out, arguments.holdout, arguments.sample, arguments.seed, arguments.about)
    console.print_json(msgspec.json.encode(report).decode())
    _keep(report, arguments)


def prepare(
    source: Path, out: Path, holdout: float, sample: int | None = None, seed: int = 20, about: str | None = None
) -> Report:
    """Read `source`, split it, write it to `out`. Raises SystemExit with one line if no model can be trained on it."""
    if not 0 <= holdout < 0.5:
        raise SystemExit(f"--holdout {holdout}: must be at least 0 and less than 0.5")
    if out.exists() and not out.is_dir():
        raise SystemExit(f"--out {out}: is a file")
    left_out: Counter[str] = Counter()
    rows = readers.read(source, left_out)
    if rows.label.nunique() == 1:
        raise SystemExit(f"{source}: every text is {CLASSES[rows.label[0]]}; a model needs both classes")
    total = len(rows) + left_out.total()
    rows = resolve(_split(rows, holdout), left_out)
    if sample is not None:
        whole, rows = rows, sampled(rows, sample, seed)
        _count(left_out, "not in the sample", len(whole) - sample)
    _refuse_one_class(rows, holdout, sample)
    out.mkdir(parents=True, exist_ok=True)
    surveyed = profile.survey(rows)
    about = about or (SENTIMENT140 if readers.is_sentiment140(source) else f"Data: {source.name}.")
    report = Report(about, str(source), _file_sha256(source), total, dict(left_out), {}, {}, {}, surveyed)
    for name in SPLITS:
        part = rows.loc[rows.split == name, ["text", "label"]].reset_index(drop=True)
        part.to_parquet(out / f"{name}.parquet")
        report.splits[name] = len(part)
        report.positive[name] = round(float(part.label.mean()), 4) if len(part) else 0.0
        report.dataset_sha256[name] = dataset_sha256(part)
    profile.draw(rows, surveyed, out)
    (out / REPORT).write_bytes(msgspec.json.format(msgspec.json.encode(report)))
    return report


def _keep(report: Report, arguments: argparse.Namespace) -> None:
    """Into MLflow: what was made of what, and what it looks like."""
    import mlflow  # takes seconds to load, which nobody waits for who made a mistake

    from training.registry import mlflow_tracking

    mlflow_tracking.connect()
    settings = {"holdout": arguments.holdout, "sample": arguments.sample, "seed": arguments.seed}
    with mlflow.start_run(run_name="prepare"):
        mlflow.log_params(settings | {"source": report.source, "sha256": report.sha256})
        mlflow.log_metrics({"rows": report.rows} | {f"texts_{split}": n for split, n in report.splits.items()})
        mlflow.log_artifact(str(arguments.out / REPORT))
        for plot in profile.PLOTS:
            mlflow.log_artifact(str(arguments.out / f"{plot}.png"), "plots")
        for split in SPLITS:
            if report.splits[split]:
                mlflow_tracking.log_dataset(split, load(split, arguments.out))


def content(text: str) -> str:
    """What near-duplicates share: the letters of the words, in order."""
    return _letters(TextSpec().tokens(text))


def split_of(key: str, holdout: float) -> Split:
    """The side a content belongs to, the same on every machine and in every version of the data."""
    position = _position(key)
    return "test" if position < holdout else "validation" if position < 2 * holdout else "train"


def download(folder: Path) -> Path:
    """Fetch and unpack the public archive. Raises SystemExit unless it is the pinned one, byte for byte."""
    console.print(f"fetching {ARCHIVE}")
    try:
        with urllib.request.urlopen(ARCHIVE, timeout=60) as response:
            archive = response.read()
    except OSError as error:
        raise SystemExit(f"{ARCHIVE}: {error}") from error
    if (actual := hashlib.sha256(archive).hexdigest()) != ARCHIVE_SHA256:
        raise SystemExit(f"{ARCHIVE}: sha256 is {actual}, expected {ARCHIVE_SHA256}")
    folder.mkdir(parents=True, exist_ok=True)
    return Path(zipfile.ZipFile(io.BytesIO(archive)).extract(ARCHIVE_MEMBER, folder))


def sampled(rows: pd.DataFrame, n: int, seed: int) -> pd.DataFrame:
    """n of the rows, every split and class in its proportion. Raises SystemExit if there are not as many.

    Those whose digest with the seed comes first: the order of the rows does not matter, and what is added to them later
    takes few of their places.
    """
    if not 0 < n <= len(rows):
        raise SystemExit(f"--sample {n}: must be at least 1 and at most {len(rows)}, which is how many texts there are")
    strata = rows.groupby(["split", "label"])
    exact = strata.size() * n / len(rows)
    take = exact.astype(int)
    take[(exact - take).sort_values(kind="stable", ascending=False).index[: n - take.sum()]] += 1
    place = rows.text.map(lambda text: _position(f"{seed}\t{text}")).groupby([rows.split, rows.label]).rank("first")
    return rows[place <= take.to_numpy()[strata.ngroup()]]


def _split(rows: pd.DataFrame, holdout: float) -> pd.DataFrame:
    """With columns content, tokens (how many) and split."""
    spec = TextSpec()
    contents, tokens = [], []
    for text in track(rows.text, "content", console=console):
        cut = spec.tokens(text)
        contents.append(_letters(cut))
        tokens.append(len(cut))
    return rows.assign(content=contents, tokens=tokens, split=[split_of(key, holdout) for key in contents])


def _refuse_one_class(rows: pd.DataFrame, holdout: float, sample: int | None) -> None:
    """Raises SystemExit unless every split has both classes; nothing may be held out on purpose only."""
    for name in SPLITS if holdout else SPLITS[:1]:
        labels = rows.label[rows.split == name]
        if labels.nunique() < 2:
            more = "more rows" if sample is None else "a larger --sample"
            raise SystemExit(
                f"{name} would have {(labels == 0).sum()} negative and {(labels == 1).sum()} positive texts, but needs "
                f"both: give {more}" + (" or a larger --holdout" if name != "train" else "")
            )


def resolve(rows: pd.DataFrame, left_out: Counter[str]) -> pd.DataFrame:
    """Without exact duplicates, without texts that carry both labels, held-out contents once each.

    Columns text, label, content and split; what is left out is counted.
    """
    repeated = rows.duplicated(["text", "label"])
    _count(left_out, "exact duplicate", repeated.sum())
    rows = rows[~repeated]
    conflicting = rows.duplicated("text", keep=False)
    _count(left_out, "the same text with both labels", conflicting.sum())
    rows = rows[~conflicting]
    again = (rows.split != "train") & rows.duplicated("content")
    _count(left_out, "near-duplicate among held-out texts", again.sum())
    return rows[~again]


def _letters(tokens: list[str]) -> str:
    return " ".join(_LETTERS.findall(" ".join(token for token in tokens if token[0] != "<")))


def _position(key: str) -> float:
    """Where a text falls between 0 and 1, by nothing but itself."""
    return int.from_bytes(hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()[:8]) / 2**64


def _count(left_out: Counter[str], reason: str, number: int) -> None:
    if number:
        left_out[reason] += int(number)


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
