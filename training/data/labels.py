"""Labels: which class each value of a labelled file means. Nothing is guessed.

Words (negative, neutral, positive), false and true, 0 and 1, or 0 and 4 need no explanation. Other values do: 0, 1 and
2 are negative, neutral and positive to one team and stars to the next; `1` alone may be any class. A file with such
values is refused, unless `--labels negative=…,neutral=…,positive=…` names every one of them.
"""

import argparse
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Literal, get_args

import pandas as pd

type Class = Literal["negative", "neutral", "positive"]
type Labels = Mapping[str, Class]  # the key of a value, see `key_of` -> its class

CLASSES: tuple[Class, ...] = get_args(Class.__value__)
CLASS_TYPE = pd.CategoricalDtype(CLASSES)  # of a column `label`; its codes are 0, 1 and 2, in the order of CLASSES

WORDS: Labels = {name: name for name in CLASSES}
BOOLEANS: Labels = {"false": "negative", "true": "positive"}
ZERO_ONE: Labels = {"0": "negative", "1": "positive"}
ZERO_FOUR: Labels = {"0": "negative", "4": "positive"}

_UNKNOWN = "negative=…,neutral=…,positive=…"
MAX_VALUES = 100  # more different ones are not labels
MAX_SHOWN_VALUES, MAX_SHOWN_ROWS, MAX_SHOWN_CHARACTERS = 10, 5, 30

# Common codings that contradict each other, so that none is assumed: examples in the error.
_EXAMPLES: tuple[Labels, ...] = (
    {"0": "negative", "2": "neutral", "4": "positive"},
    {"-1": "negative", "0": "neutral", "1": "positive"},
    {"0": "negative", "1": "neutral", "2": "positive"},
    {"1": "negative", "2": "negative", "3": "neutral", "4": "positive", "5": "positive"},
)
_NUMBER = re.compile(r"[+-]?\d{1,20}(\.\d{0,20})?", re.ASCII)


class UnclearLabels(SystemExit):
    """The values of a file are not what `--labels` names or, without it, may mean several things."""


def key_of(value: object) -> str:
    """Return what equal labels share: 1, 1.0 and "01" are one, as are Positive and positive; "" if there is none."""
    return "" if value is None else _key_of_text(str(value))


@lru_cache(maxsize=1024)
def _key_of_text(text: str) -> str:
    text = text.strip()
    if not _NUMBER.fullmatch(text):
        return "" if text.casefold() == "nan" else text.casefold()
    number = Decimal(text).normalize()
    return f"{number:f}" if number else "0"  # there is a -0


def add_option(parser: argparse.ArgumentParser) -> None:
    """Add `--labels` to a command that reads labelled files."""
    parser.add_argument(
        "--labels",
        type=parse,
        metavar="CLASS=VALUE|…,…",
        help="what labels mean: negative=-1|-2,neutral=0,positive=1|2 (needed but for words, 0 and 1, 0 and 4)",
    )


def parse(option: str) -> Labels:
    """Return the classes that `--labels` gives to values. Raises SystemExit with one line."""
    labels: dict[str, Class] = {}
    for part in option.split(","):
        name, _, values = part.partition("=")
        found = next((each for each in CLASSES if each == name.strip().lower()), None)
        if found is None:
            raise SystemExit(f"--labels {option}: {name.strip()!r} is no class; write {_UNKNOWN}")
        if found in labels.values():
            raise SystemExit(f"--labels {option}: {found} is there twice; separate its values by |")
        for value in values.split("|"):
            if not (key := key_of(value)):
                raise SystemExit(f"--labels {option}: {found} needs values, separated by |")
            if key in labels:
                raise SystemExit(f"--labels {option}: {value.strip()} is there twice")
            labels[key] = found
    return labels


def resolve(
    found: Counter[str],
    named: Labels | None,
    in_part: Sequence[Labels] = (WORDS, BOOLEANS),
    in_full: Sequence[Labels] = (ZERO_ONE, ZERO_FOUR),
) -> Labels:
    """Return the class of every value that was found (key -> rows), as `named` or, without it, a known coding has it.

    Some values of a coding `in_part` are enough; of a coding `in_full`, all must be there. Raises UnclearLabels.
    """
    if named is not None:
        if unnamed := Counter({key: rows for key, rows in found.items() if key not in named}):
            raise UnclearLabels(f"--labels does not name {describe(unnamed)}")
        if missing := [key for key in named if key not in found]:
            raise UnclearLabels(f"no label is {' or '.join(missing)}, which --labels names; found: {describe(found)}")
        return named
    for coding in in_part:
        if found.keys() <= coding.keys():
            return coding
    for coding in in_full:
        if found.keys() == coding.keys():
            return coding
    raise UnclearLabels(
        f"its labels may mean several things: {describe(found)}; say what they mean, for example "
        f"--labels {_example(found)}"
    )


def describe(found: Counter[str]) -> str:
    """Return the values and how many rows have each, in one line: numbers in their order, then the most frequent."""
    ordered = sorted(found, key=lambda key: (not _NUMBER.fullmatch(key), _number(key), -found[key], key))
    shown = [f"{_printable(key)} ({_rows(found[key])})" for key in ordered[:MAX_SHOWN_VALUES]]
    if further := len(ordered) - len(shown):
        shown.append(f"{further} more")
    return _enumerate(shown)


def describe_missing(first_rows: Sequence[int], total: int) -> str:
    """Return the line about rows without a label; `first_rows` are some of them, counted from 1 without a header."""
    shown = [f"{row:,}" for row in first_rows[:MAX_SHOWN_ROWS]]
    if further := total - len(shown):
        shown.append(f"{further:,} more")
    return f"label is missing in {_rows(total)}: {_enumerate(shown)}; label every row, or remove it"


def two_classes(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that are not neutral, with label 0 (negative) or 1 (positive), int8, and the index they had."""
    chosen = rows[rows.label != "neutral"]
    return chosen.assign(label=(chosen.label == "positive").astype("int8"))


def _example(found: Iterable[str]) -> str:
    """Return what to write if the values are one of the common codings; otherwise a form to fill in."""
    for coding in _EXAMPLES:
        if set(found) <= coding.keys():
            values = {name: [key for key in coding if coding[key] == name and key in found] for name in CLASSES}
            return ",".join(f"{name}={'|'.join(keys)}" for name, keys in values.items() if keys)
    return _UNKNOWN


def _number(key: str) -> Decimal:
    return Decimal(key) if _NUMBER.fullmatch(key) else Decimal(0)


def _rows(number: int) -> str:
    return f"{number:,} row" if number == 1 else f"{number:,} rows"


def _printable(key: str) -> str:
    shown = key if key.isprintable() else repr(key)
    return shown if len(shown) <= MAX_SHOWN_CHARACTERS else f"{shown[:MAX_SHOWN_CHARACTERS]}…"


def _enumerate(parts: Sequence[str]) -> str:
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last
