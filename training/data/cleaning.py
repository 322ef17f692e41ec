"""Remove duplicates, and split and sample texts by a hash of what they say."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from sentiment.text import TextSpec

from . import readers
from .dataset import Split
from .labels import Labels

STRATA = ["source", "language", "split", "label"]

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


class Deduplicated(NamedTuple):
    rows: pd.DataFrame
    dropped: pd.Series  # why a row was dropped, by its index


def drop_duplicates(rows: pd.DataFrame) -> Deduplicated:
    """Drop exact duplicates, texts that carry both labels, and near-duplicates among held-out texts.

    Needs the columns text, label, content and split, and an index without duplicates.
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
    reasons = [pd.Series(reason, which.index[which], dtype=object) for reason, which in dropped.items()]
    return Deduplicated(consistent[~near_duplicate], pd.concat(reasons))


def drop_contents_of(rows: pd.DataFrame, files: Iterable[Path]) -> Deduplicated:
    """Drop the texts of these files and their near-duplicates: a model that is measured on them must not know them.

    Texts without any letter are compared as they are: they all have the same content. Needs the columns text and
    content. Raises SystemExit with one line.
    """
    known = {content(text) or text for path in files for text in readers.read_texts(path)}
    is_known = rows.content.where(rows.content != "", rows.text).isin(known)
    reason = "near-duplicate of a text for evaluation"
    return Deduplicated(rows[~is_known], pd.Series(reason, rows.index[is_known], dtype=object))


def read_distinct(path: Path, labels: Labels | None = None) -> tuple[pd.DataFrame, Counter[str]]:
    """Read a labelled file and keep one text of each content; near-duplicates are no further evidence.

    Also returns how many rows were skipped, by reason. Raises SystemExit with one line if there is no usable row.
    """
    rows, unusable = readers.read_labelled(path, labels)
    rows, dropped = drop_duplicates(rows.assign(content=rows.text.map(content), split="validation"))
    return rows, unusable + Counter(dropped)


def stratified_sample(rows: pd.DataFrame, n: int, seed: int) -> pd.DataFrame:
    """Return n rows with every one of STRATA in its proportion. Raises SystemExit if there are fewer.

    The texts with the lowest seeded hashes are taken. So the order of the rows does not matter, and most of the sample
    stays the same when rows are added.
    """
    if not 0 < n <= len(rows):
        raise SystemExit(f"--sample {n}: must be at least 1 and at most {len(rows)}, the number of texts")
    strata = rows.groupby(STRATA, observed=True)
    exact = strata.size() * n / len(rows)
    sizes = exact.astype(int)
    sizes[(exact - sizes).sort_values(kind="stable", ascending=False).index[: n - sizes.sum()]] += 1
    position = rows.text.map(lambda text: _hash_position(f"{seed}\t{text}"))
    rank = position.groupby([rows[name] for name in STRATA], observed=True).rank("first")
    return rows[rank <= sizes.to_numpy()[strata.ngroup()]]


def _hash_position(key: str) -> float:
    """Return a number from 0 to 1 that depends on nothing but the key."""
    return int.from_bytes(hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()[:8]) / 2**64
