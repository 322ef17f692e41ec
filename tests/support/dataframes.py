"""Synthetic tweets in a DataFrame. Needs pandas, so only tests of training can use it."""

import pandas as pd

from tests.support import tweets


def invented(n: int, seed: int = 0) -> pd.DataFrame:
    """Return n labelled tweets: columns text and label (int8)."""
    return pd.DataFrame(tweets.invented(n, seed), columns=["text", "label"]).astype({"label": "int8"})
