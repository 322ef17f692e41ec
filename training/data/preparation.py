"""Prepare a data set: read labelled texts, clean them, split them, and report what was done with every row."""

from collections import Counter
from pathlib import Path

import msgspec
import pandas as pd
from rich.console import Console
from rich.progress import track

from sentiment.text import TextSpec

from . import cleaning, readers, sentiment140
from .dataset import CLASSES, FILES, REPORT, SPLITS, Split, dataset_sha256, file_sha256
from .json_files import write_json
from .labels import Labels
from .profile import PLOTS, Profile, profile_texts, save_plots
from .replacement import replacing_together

console = Console(stderr=True)


class Options(msgspec.Struct, frozen=True):
    holdout: float = 0.02  # share of validation, and of test
    sample: int | None = None  # texts to keep; None keeps all
    seed: int = 20  # of the sample
    about: str | None = None  # for model cards: origin, licence, bias
    labels: Labels | None = None  # what the labels mean, unless that is certain


class Report(msgspec.Struct, frozen=True):
    """How many rows were read, skipped and written, and what the texts are like."""

    about: str
    source: str
    sha256: str  # of the source file
    rows: int
    skipped: dict[str, int] = msgspec.field(name="left_out")  # reason -> rows
    splits: dict[Split, int]  # texts
    positive: dict[Split, float]  # share of label 1
    dataset_sha256: dict[Split, str]  # digest of texts and labels
    profile: Profile = msgspec.field(name="survey")  # of all splits together


def prepare(source: Path, out: Path, options: Options) -> Report:
    """Read `source`, split it and write it to `out`. Raises SystemExit with one line if no model can be trained on it.

    Writes a parquet file for each split, the report as report.json, and its plots, and replaces those of an earlier
    data set in one step.
    """
    if not 0 <= options.holdout < 0.5:
        raise SystemExit(f"--holdout {options.holdout}: must be at least 0 and less than 0.5")
    if out.exists() and not out.is_dir():
        raise SystemExit(f"--out {out}: is a file")
    labelled, unusable = readers.read_labelled(source, options.labels)
    if labelled.label.nunique() == 1:
        raise SystemExit(f"{source}: every text is {CLASSES[labelled.label[0]]}; a model needs both classes")
    rows, skipped = _clean(labelled, options)
    profile = profile_texts(rows)
    parts = {split: rows.loc[rows.split == split, ["text", "label"]].reset_index(drop=True) for split in SPLITS}
    default_about = sentiment140.ABOUT if readers.is_sentiment140(source) else f"Data: {source.name}."
    report = Report(
        about=options.about or default_about,
        source=str(source),
        sha256=file_sha256(source),
        rows=len(labelled) + unusable.total(),
        skipped=dict(unusable + skipped),
        splits={split: len(part) for split, part in parts.items()},
        positive={split: round(float(part.label.mean()), 4) if len(part) else 0.0 for split, part in parts.items()},
        dataset_sha256={split: dataset_sha256(part) for split, part in parts.items()},
        profile=profile,
    )
    plots = [f"{name}.png" for name in PLOTS]
    with replacing_together(out, [*FILES.values(), *plots, REPORT], "prepare") as new:
        for split, part in parts.items():
            part.to_parquet(new / FILES[split])
        save_plots(rows, profile, new)
        write_json(new / REPORT, report)
    return report


def _clean(labelled: pd.DataFrame, options: Options) -> tuple[pd.DataFrame, Counter[str]]:
    """Return the rows to keep, with columns content, tokens and split, and how many others were skipped and why."""
    rows, skipped = cleaning.drop_duplicates(_assign_splits(labelled, options.holdout))
    if options.sample is not None:
        sampled = cleaning.stratified_sample(rows, options.sample, options.seed)
        skipped += Counter({"not in the sample": len(rows) - len(sampled)})
        rows = sampled
    _require_both_classes(rows, options)
    return rows, skipped


def _assign_splits(rows: pd.DataFrame, holdout: float) -> pd.DataFrame:
    """Add the columns content, tokens (how many) and split."""
    spec = TextSpec()
    contents, counts = [], []
    for text in track(rows.text, "content", console=console):
        tokens = spec.tokens(text)  # not kept: those of 1.6 million tweets need more than 1 GB
        contents.append(cleaning.letters(tokens))
        counts.append(len(tokens))
    splits = [cleaning.split_of(content, holdout) for content in contents]
    return rows.assign(content=contents, tokens=counts, split=splits)


def _require_both_classes(rows: pd.DataFrame, options: Options) -> None:
    """Raise SystemExit unless every split has both classes. Without a holdout, only train must."""
    for split in SPLITS if options.holdout else SPLITS[:1]:
        labels = rows.label[rows.split == split]
        if labels.nunique() < 2:
            more = "more rows" if options.sample is None else "a larger --sample"
            raise SystemExit(
                f"{split} would have {(labels == 0).sum()} negative and {(labels == 1).sum()} positive texts, but "
                f"needs both: give {more}" + (" or a larger --holdout" if split != "train" else "")
            )
