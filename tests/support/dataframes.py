"""Synthetic tweets in a DataFrame. Needs pandas, so only tests of training can use it."""

import json
from pathlib import Path

import pandas as pd

from tests.support import tweets
from training.data.dataset import COLUMNS, REPORT, SPLITS, dataset_sha256


def invented(n: int, seed: int = 0) -> pd.DataFrame:
    """Return n labelled tweets: columns text and label (int8)."""
    return pd.DataFrame(tweets.invented(n, seed), columns=["text", "label"]).astype({"label": "int8"})


def write_data_set(folder: Path, **splits: pd.DataFrame) -> Path:
    """Write splits as `prepare` writes them, with their digests; a split that is not given has the texts of train.

    They have the columns text and label (0, 1).
    """
    folder.mkdir(parents=True, exist_ok=True)
    parts = {split: prepared(splits.get(split, splits["train"])) for split in SPLITS}
    for split, part in parts.items():
        part.to_parquet(folder / f"{split}.parquet")
    digests = {split: dataset_sha256(part) for split, part in parts.items()}
    (folder / REPORT).write_text(json.dumps({"about": "Data: invented.", "dataset_sha256": digests, "sources": []}))
    return folder


def prepared(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows with label 0 or 1 as `prepare` writes those of one file."""
    return pd.DataFrame(
        {
            "text": rows.text.to_numpy(object),
            "label": rows.label.map({0: "negative", 1: "positive"}).to_numpy(object),
            "source": "tweets",
            "language": "und",
            "weight": 1.0,
            "classes": 2,
        }
    ).astype({"label": "str", "classes": "int8"})[list(COLUMNS)]
