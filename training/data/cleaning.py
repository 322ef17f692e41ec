"""Remove duplicates, and split and sample texts by a hash of what they say."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from sentiment.text import TextSpec

from . import readers
from .dataset import Split
from .labels import Labels

_LETTERS = re.compile(r"[^\W\d_]+")


def content(text: str) -> str:
    """Return what near-duplicates share: the letters of the words, in order."""
    return letters(TextSpec().tokens(text))


def letters(tokens: Iterable[str]) -> str:
    """Return the content of a text from its tokens, without placeholders such as <user>."""
    return " ".join(_LETTERS.findall(" ".join(token for token in tokens if token[0] != "<")))


def split_of(content: str, holdout: float) -> Split:
    """Return the split of a content: the same on every machine and in every version of the data."""
    position = _hash_position(content)
    return "test" if position < holdout else "validation" if position < 2 * holdout else "train"


def drop_duplicates(rows: pd.DataFrame) -> tuple[pd.DataFrame, Counter[str]]:
    """Drop exact duplicates, texts that carry both labels, and near-duplicates among held-out texts.

    Needs the columns text, label, content and split. Also returns how many rows were dropped, by reason.
    """
    duplicate = rows.duplicated(["text", "label"])
    distinct = rows[~duplicate]
    contradictory = distinct.duplicated("text", keep=False)
    consistent = distinct[~contradictory]
    near_duplicate = (consistent.split != "train") & consistent.duplicated("content")
    dropped = {
        "exact duplicate": duplicate,
        "the same text with both labels": contradictory,
        "near-duplicate among held-out texts": near_duplicate,
    }
    numbers = Counter({reason: int(which.sum()) for reason, which in dropped.items() if which.any()})
    return consistent[~near_duplicate], numbers


def read_distinct(path: Path, labels: Labels | None = None) -> tuple[pd.DataFrame, Counter[str]]:
    """Read a labelled file and keep one text of each content; near-duplicates are no further evidence.

    Also returns how many rows were skipped, by reason. Raises SystemExit with one line if there is no usable row.
    """
    rows, unusable = readers.read_labelled(path, labels)
    rows, dropped = drop_duplicates(rows.assign(content=rows.text.map(content), split="validation"))
    return rows, unusable + dropped


def stratified_sample(rows: pd.DataFrame, n: int, seed: int) -> pd.DataFrame:
    """Return n rows with every split and class in its proportion. Raises SystemExit if there are fewer.

    The texts with the lowest seeded hashes are taken. So the order of the rows does not matter, and most of the sample
    stays the same when rows are added.
    """
    if not 0 < n <= len(rows):
        raise SystemExit(f"--sample {n}: must be at least 1 and at most {len(rows)}, the number of texts")
    strata = rows.groupby(["split", "label"])
    exact = strata.size() * n / len(rows)
    sizes = exact.astype(int)
    sizes[(exact - sizes).sort_values(kind="stable", ascending=False).index[: n - sizes.sum()]] += 1
    position = rows.text.map(lambda text: _hash_position(f"{seed}\t{text}"))
    rank = position.groupby([rows.split, rows.label]).rank("first")
    return rows[rank <= sizes.to_numpy()[strata.ngroup()]]


def _hash_position(key: str) -> float:
    """Return a number from 0 to 1 that depends on nothing but the key."""
    return int.from_bytes(hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()[:8]) / 2**64
