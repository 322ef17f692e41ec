"""Sources: the labelled files that a data set is made from, named in one TOML file or on the command line.

folder = "../tweets"                 # where the paths begin, seen from this file (default: its own folder)
evaluation = ["eval/airline.csv"]    # neither these texts nor their near-duplicates are ever trained on

[[source]]
name = "reviews"                     # in the column `source`
path = "reviews.csv"
columns = {text = "tweet", label = "stars", language = "lang"}   # default: text, label, and no language
labels = "negative=1|2,neutral=3,positive=4|5"                   # as --labels, and as seldom needed
language = "en"                      # of every text, unless a column says it
languages = ["en", "fr"]             # take these only (default: all)
licence = "CC-BY-4.0"                # or what is known of it
labelled_by = "people"               # or emoticons
classes = 3                          # 2: its labels say nothing of neutral texts
weight = 2.0                         # of each text in training
rows = 10000                         # or share = 0.5: take so many texts (default: all)
holdout = 0.1                        # share of validation, and of test (default: --holdout)
"""

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import msgspec
import pandas as pd
from msgspec import Meta

from . import labels, readers
from .dataset import file_sha256
from .errors import one_line
from .labels import UnclearLabels
from .readers import DEFAULT_COLUMNS, Columns

ENDING = ".toml"
LANGUAGE = "[a-z]{2,3}"  # ISO 639
UNDETERMINED = "und"  # ISO 639's code for a language that is not known
UNKNOWN: Literal["unknown"] = "unknown"
EVALUATION_FOLDER = "eval"  # what lies in a folder of this name is for evaluation alone

type Language = Annotated[str, Meta(pattern=f"^{LANGUAGE}$")]
type Share = Annotated[float, Meta(gt=0, le=1)]


class Source(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Annotated[str, Meta(pattern=r"^\w[\w.-]{0,63}$")]
    path: str
    columns: Columns = DEFAULT_COLUMNS
    labels: str | None = None  # as --labels
    language: Language | None = None  # of every text
    languages: tuple[Language, ...] = ()  # to take; empty: all
    licence: Annotated[str, Meta(min_length=1)]
    labelled_by: Literal["people", "emoticons", "unknown"]
    classes: Literal[2, 3]  # that its annotators could choose from
    weight: Annotated[float, Meta(gt=0, le=1e6)]
    rows: Annotated[int, Meta(ge=1)] | None = None  # to take
    share: Share | None = None
    holdout: Annotated[float, Meta(ge=0, lt=0.5)] | None = None


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a TOML file of sources says."""

    sources: Annotated[tuple[Source, ...], Meta(min_length=1)] = msgspec.field(name="source")
    folder: str = "."
    evaluation: tuple[str, ...] = ()


class Sources(NamedTuple):
    sources: tuple[Source, ...]  # with paths that lead there from here
    evaluation: tuple[Path, ...]


class SourceRows(NamedTuple):
    """The usable rows of a source: text, label (of CLASS_TYPE), source, language, weight and classes."""

    source: Source
    rows: pd.DataFrame
    skipped: Counter[str]  # reason -> rows
    sha256: str  # of the file


def load_sources(path: Path) -> Sources:
    """Read a file of sources. Raises SystemExit with one line if it is not one, or if a source is for evaluation."""
    try:
        file = msgspec.toml.decode(path.read_bytes(), type=_File)
    except OSError as error:
        raise SystemExit(f"{path}: {error.strerror}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise SystemExit(f"{path}: {one_line(error)}") from error
    folder = path.parent / file.folder
    evaluation = tuple(folder / name for name in file.evaluation)
    sources = tuple(msgspec.structs.replace(source, path=str(folder / source.path)) for source in file.sources)
    for number, source in enumerate(sources):
        try:
            _check(source, sources[:number], evaluation)
        except ValueError as error:
            raise SystemExit(f"{path}: source {source.name}: {error}") from error
    return Sources(sources, evaluation)


def _check(source: Source, earlier: tuple[Source, ...], evaluation: tuple[Path, ...]) -> None:
    """Raise ValueError if the fields of a source do not fit together, or if it is for evaluation."""
    if source.name in [other.name for other in earlier]:
        raise ValueError("there are two of this name")
    if (source.language is None) == (source.columns.language is None):
        raise ValueError("give either language or columns.language")
    if source.rows is not None and source.share is not None:
        raise ValueError("give either rows or share")
    if source.labelled_by == UNKNOWN:
        raise ValueError("labelled_by must be people or emoticons")
    path, resolved = Path(source.path), Path(source.path).resolve()
    if any(part.casefold() == EVALUATION_FOLDER for part in (*path.parts, *resolved.parts)):
        raise ValueError(f"{path} is under {EVALUATION_FOLDER}/: such files are never trained on")
    if resolved in [other.resolve() for other in evaluation]:
        raise ValueError(f"{path} is named in evaluation, too: such files are never trained on")


def read_source(source: Source) -> SourceRows:
    """Read a source that a TOML file names. Raises SystemExit with one line."""
    path = Path(source.path)
    try:
        named = labels.parse(source.labels) if source.labels is not None else None
        rows, skipped = readers.read_classes(path, named, source.columns)
    except UnclearLabels as error:
        raise SystemExit(f'source {source.name}: {error} (in a file of sources: labels = "…")') from error
    has_neutral = (rows.label == "neutral").any()
    if has_neutral != (source.classes == 3):
        found = "has neutral texts" if has_neutral else "has no neutral text"
        raise SystemExit(f"source {source.name}: {path} {found}, but classes = {source.classes}")
    language = source.language if source.columns.language is None else _language_codes(source, rows.language)
    rows = rows.assign(language=language)
    if source.languages:
        if missing := set(source.languages) - set(rows.language):
            raise SystemExit(f"source {source.name}: {path} has no text in {', '.join(sorted(missing))}")
        taken = rows[rows.language.isin(source.languages)].reset_index(drop=True)
        skipped["another language"] += len(rows) - len(taken)
        rows = taken
    return _describe_rows(source, rows, skipped)


def _language_codes(source: Source, values: Iterable[object]) -> list[str]:
    codes = [value.strip().lower() if isinstance(value, str) else "" for value in values]
    if wrong := [code for code in codes if not re.fullmatch(LANGUAGE, code)]:
        raise SystemExit(
            f"source {source.name}: {source.path}: {wrong[0]!r} in the column {source.columns.language} is not a code "
            f"such as en, in {len(wrong):,} rows"
        )
    return codes


def read_single(path: Path, named: labels.Labels | None) -> SourceRows:
    """Read a file that is the only source, of which nothing more is known. Raises SystemExit with one line."""
    rows, skipped = readers.read_classes(path, named)
    classes: Literal[2, 3] = 3 if (rows.label == "neutral").any() else 2
    source = Source(name=path.stem, path=str(path), licence=UNKNOWN, labelled_by=UNKNOWN, classes=classes, weight=1.0)
    return _describe_rows(source, rows.assign(language=UNDETERMINED), skipped)


def _describe_rows(source: Source, rows: pd.DataFrame, skipped: Counter[str]) -> SourceRows:
    classes = pd.Series(source.classes, rows.index, "int8")
    described = rows.assign(source=source.name, weight=source.weight, classes=classes)
    return SourceRows(source, described, skipped, file_sha256(Path(source.path)))
