"""Prepare a data set: read labelled texts, clean them, split them, and report what was done with every row."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
import pandas as pd
from rich.console import Console
from rich.progress import track

from sentiment.text import TextSpec

from . import cleaning, readers, sentiment140, sources
from .dataset import COLUMNS, FILES, REPORT, SPLITS, SourceReport, Split, dataset_sha256, file_sha256
from .json_files import write_json
from .labels import CLASSES, Class, Labels
from .profile import PLOTS, Profile, profile_texts, save_plots
from .replacement import replacing_together
from .sources import Source, SourceRows

type Skipped = Counter[tuple[str, str]]  # (name of the source, reason) -> rows

console = Console(stderr=True)


class Options(msgspec.Struct, frozen=True):
    holdout: float = 0.02  # share of validation, and of test
    sample: int | None = None  # texts to keep; None keeps all
    seed: int = 20  # of the sample
    about: str | None = None  # for model cards: origin, licence, bias
    labels: Labels | None = None  # what the labels of a single file mean, unless that is certain
    exclude: tuple[Path, ...] = ()  # files of texts for evaluation


class Report(msgspec.Struct, frozen=True):
    """How many rows were read, skipped and written, and what the texts are like."""

    about: str
    source: str  # a labelled file, or the file that names several
    sha256: str  # of that file
    rows: int
    skipped: dict[str, int] = msgspec.field(name="left_out")  # reason -> rows
    splits: dict[Split, int]  # texts
    labels: dict[Split, dict[Class, int]]  # texts
    positive: dict[Split, float]  # share of the positive among the texts that are not neutral
    sources: list[SourceReport]
    dataset_sha256: dict[Split, str]  # digest of every column
    profile: Profile = msgspec.field(name="survey")  # of all splits together


def prepare(source: Path, out: Path, options: Options) -> Report:
    """Read `source`, split it and write it to `out`. Raises SystemExit with one line if no model can be trained on it.

    `source` is a labelled file, or a TOML file that names several. Writes a parquet file for each split, the report as
    report.json, and its plots, and replaces those of an earlier data set in one step.
    """
    if not 0 <= options.holdout < 0.5:
        raise SystemExit(f"--holdout {options.holdout}: must be at least 0 and less than 0.5")
    if out.exists() and not out.is_dir():
        raise SystemExit(f"--out {out}: is a file")
    parts, evaluation = _read(source, options)
    labelled = pd.concat([part.rows for part in parts], ignore_index=True)
    if len(present := labelled.label.unique()) == 1:
        raise SystemExit(f"{source}: every text is {present[0]}; a model needs both classes")
    rows, dropped = _clean(labelled, [part.source for part in parts], evaluation, options)
    profile = profile_texts(rows)
    report = _report(source, options, parts, rows, dropped, profile)
    plots = [f"{name}.png" for name in PLOTS]
    with replacing_together(out, [*FILES.values(), *plots, REPORT], "prepare") as new:
        for split in SPLITS:
            _split_columns(rows, split).to_parquet(new / FILES[split])
        save_plots(rows, profile, new)
        write_json(new / REPORT, report)
    return report


def _read(source: Path, options: Options) -> tuple[list[SourceRows], tuple[Path, ...]]:
    """Return the rows of every source, and the files of texts for evaluation."""
    if source.suffix != sources.ENDING:
        return [sources.read_single(source, options.labels)], options.exclude
    if options.labels is not None:
        raise SystemExit(f"--labels: {source} says for each source what its labels mean")
    named = sources.load_sources(source)
    return [sources.read_source(each) for each in named.sources], (*named.evaluation, *options.exclude)


def _clean(
    labelled: pd.DataFrame, named: Sequence[Source], evaluation: Iterable[Path], options: Options
) -> tuple[pd.DataFrame, Skipped]:
    """Return the rows to keep, with columns content, tokens and split, and how many others were skipped and why."""
    skipped: Skipped = Counter()

    def drop(rows: pd.DataFrame, kept: pd.DataFrame, reasons: pd.Series) -> pd.DataFrame:
        skipped.update(zip(rows.source[reasons.index], reasons, strict=True))
        return kept

    rows = _assign_contents(labelled)
    rows = drop(rows, *cleaning.drop_contents_of(rows, evaluation))
    rows = _assign_splits(rows, {source.name: _holdout(source, options) for source in named})
    rows = drop(rows, *cleaning.drop_duplicates(rows))
    taken = _take(rows, named, options)
    rows = drop(rows, taken, pd.Series("not in the sample", rows.index.difference(taken.index), dtype=object))
    _require_both_classes(rows, named, options)
    return rows, skipped


def _holdout(source: Source, options: Options) -> float:
    return options.holdout if source.holdout is None else source.holdout


def _assign_contents(rows: pd.DataFrame) -> pd.DataFrame:
    """Add the columns content and tokens (how many)."""
    spec = TextSpec()
    contents, counts = [], []
    for text in track(rows.text, "content", console=console):
        tokens = spec.tokens(text)  # not kept: those of 1.6 million tweets need more than 1 GB
        contents.append(cleaning.letters(tokens))
        counts.append(len(tokens))
    return rows.assign(content=contents, tokens=counts)


def _assign_splits(rows: pd.DataFrame, holdout: dict[str, float]) -> pd.DataFrame:
    """Add the column split. A content that several sources have is in one split: that of the largest holdout."""
    shares = rows.source.map(holdout).groupby(rows.content).transform("max")
    splits = [cleaning.split_of(content, share) for content, share in zip(rows.content, shares, strict=True)]
    return rows.assign(split=splits)


def _take(rows: pd.DataFrame, named: Sequence[Source], options: Options) -> pd.DataFrame:
    """Return the texts to keep: of every source what it says, and --sample of these in all."""
    parts = []
    for source in named:
        part = rows[rows.source == source.name]
        number = source.rows if source.rows is not None else round((source.share or 1.0) * len(part))
        if number > len(part):
            raise SystemExit(f"source {source.name}: has {len(part):,} usable texts, but rows = {number}")
        parts.append(part if number == len(part) else cleaning.stratified_sample(part, number, options.seed))
    taken = pd.concat(parts)
    return taken if options.sample is None else cleaning.stratified_sample(taken, options.sample, options.seed)


def _require_both_classes(rows: pd.DataFrame, named: Sequence[Source], options: Options) -> None:
    """Raise SystemExit unless every split has negative and positive texts, of every source that is held out.

    Without a holdout, only train must, of all sources together.
    """
    _require_both(rows[rows.split == "train"], "train", options)
    for source in named:
        for split in SPLITS[1:] if _holdout(source, options) else ():
            name = f"{split} of {source.name}" if len(named) > 1 else split
            _require_both(rows[(rows.split == split) & (rows.source == source.name)], name, options)


def _require_both(rows: pd.DataFrame, name: str, options: Options) -> None:
    negative, positive = ((rows.label == label).sum() for label in ("negative", "positive"))
    if not (negative and positive):
        more = "more rows" if options.sample is None else "a larger --sample"
        raise SystemExit(
            f"{name} would have {negative} negative and {positive} positive texts, but "
            f"needs both: give {more}" + (" or a larger --holdout" if name != "train" else "")
        )


def _split_columns(rows: pd.DataFrame, split: Split) -> pd.DataFrame:
    return rows.loc[rows.split == split, list(COLUMNS)].astype({"label": "str"}).reset_index(drop=True)


def _report(
    source: Path,
    options: Options,
    parts: Sequence[SourceRows],
    rows: pd.DataFrame,
    dropped: Skipped,
    profile: Profile,
) -> Report:
    reports = [_report_source(part, rows[rows.source == part.source.name], dropped) for part in parts]
    labels = {split: _count_labels(rows[rows.split == split]) for split in SPLITS}
    return Report(
        about=options.about or _default_about(source, reports),
        source=str(source),
        sha256=file_sha256(source),
        rows=sum(report.rows for report in reports),
        skipped=dict(sum((Counter(report.skipped) for report in reports), Counter())),
        splits={split: sum(counts.values()) for split, counts in labels.items()},
        labels=labels,
        positive={split: _share_of_positive(counts) for split, counts in labels.items()},
        sources=reports,
        dataset_sha256={split: dataset_sha256(_split_columns(rows, split)) for split in SPLITS},
        profile=profile,
    )


def _report_source(part: SourceRows, rows: pd.DataFrame, dropped: Skipped) -> SourceReport:
    """Describe a source, of which `rows` are kept."""
    source = part.source
    reasons = {reason: number for (name, reason), number in dropped.items() if name == source.name}
    return SourceReport(
        name=source.name,
        path=source.path,
        sha256=part.sha256,
        licence=source.licence,
        labelled_by=source.labelled_by,
        classes=source.classes,
        weight=source.weight,
        rows=len(part.rows) + part.skipped.total(),
        skipped=dict(part.skipped + Counter(reasons)),
        texts={
            str(language): {split: _count_labels(texts[texts.split == split]) for split in SPLITS}
            for language, texts in rows.groupby("language")
        },
    )


def _count_labels(rows: pd.DataFrame) -> dict[Class, int]:
    return {name: int((rows.label == name).sum()) for name in CLASSES}


def _share_of_positive(counts: dict[Class, int]) -> float:
    decided = counts["negative"] + counts["positive"]
    return round(counts["positive"] / decided, 4) if decided else 0.0


def _default_about(source: Path, reports: Sequence[SourceReport]) -> str:
    if source.suffix == sources.ENDING:
        return f"Data: {', '.join(report.name for report in reports)}, as the table says."
    return sentiment140.ABOUT if readers.is_sentiment140(source) else f"Data: {source.name}."
