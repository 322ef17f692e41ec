"""Measure what would become of long texts: friendly tweets in a row, without and with one that is not friendly.

    python -m benchmarks.long_texts TWEETS MODEL [WINDOW ...]

TWEETS is a parquet file of labelled tweets: text and label (negative, neutral, positive). Each row of the table is a
size of windows, in words or pieces of words, and says which share would be published: of friendly texts, whose tweets
would all be published alone, and of the same with a negative tweet that would be held, or reviewed. 0 is to read each
text in one piece, as far as the graph takes it.
"""

import math
import random
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from sentiment.model import Model

TEXTS = 200  # of each kind
TWEETS = 500  # of each label, at random, to make them of
CHARACTERS = (300, 500, 700, 1000)  # at most, in a text


def main(tweets: Path, folder: Path, sizes: Sequence[int]) -> None:
    """Print the table."""
    model = Model.load(folder)
    thresholds = model.manifest.thresholds
    rows = pd.read_parquet(tweets).sample(frac=1, random_state=0)
    negative, positive = (rows.text[rows.label == label][:TWEETS].tolist() for label in ("negative", "positive"))
    p_negative, p_positive = model.score(negative).probability, model.score(positive).probability
    friendly = [text for text, p in zip(positive, p_positive, strict=True) if p >= thresholds.publish]
    held = [text for text, p in zip(negative, p_negative, strict=True) if p <= thresholds.hold]
    reviewed = [text for text, p in zip(negative, p_negative, strict=True) if thresholds.hold < p < thresholds.publish]
    choose = random.Random(0)  # noqa: S311
    texts = {
        "friendly": [_join(friendly, [], choose) for _ in range(TEXTS)],
        "with a held tweet": [_join(friendly, held, choose) for _ in range(TEXTS)],
        "with a reviewed tweet": [_join(friendly, reviewed, choose) for _ in range(TEXTS)],
    }
    print("| window | " + " | ".join(texts) + " | windows |\n|" + "---|" * (len(texts) + 2))
    for size in sizes:
        shares, n_windows = [], 0
        for kind in texts.values():
            windows = [_windows(model, text, size) for text in kind]
            n_windows += sum(map(len, windows))
            published = sum(all(_publishes(model, window) for window in each) for each in windows)
            shares.append(f"{published / TEXTS:.3f}")
        print(f"| {size or 'none'} | " + " | ".join(shares) + f" | {n_windows / TEXTS / len(texts):.1f} |", flush=True)


def _join(friendly: list[str], others: list[str], choose: random.Random) -> str:
    """Return friendly tweets, up to a length, and one of the others at a random place."""
    tweets = [choose.choice(others)] if others else []
    rest = choose.choice(CHARACTERS) - sum(map(len, tweets))
    while len(tweet := choose.choice(friendly)) < rest:
        tweets.insert(choose.randint(0, len(tweets)), tweet)
        rest -= len(tweet) + 1
    return " ".join(tweets)


def _windows(model: Model, text: str, size: int) -> list[list[str]]:
    tokens = model.tokens(text)
    if not size:
        return [tokens]
    model._encode.max_window = size
    return [window.tokens for window in model.windows(tokens)]


def _publishes(model: Model, window: list[str]) -> bool:
    return 1 / (1 + math.exp(-model.logit([window])[0])) >= model.manifest.thresholds.publish


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), [int(size) for size in sys.argv[3:]])
