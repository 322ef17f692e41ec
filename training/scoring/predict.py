"""Score any number of texts with a model, in memory for one batch."""

from collections.abc import Iterable, Sequence
from itertools import batched

import numpy as np

from sentiment.model import Model, Scores

BATCH = 256  # texts given to the model at once; what Spark gives to one core


def predict(model: Model, texts: Sequence[str]) -> Scores:
    """The scores of any number of texts, at least one; memory for a batch of them at a time."""
    return joined(map(model.score, batched(texts, BATCH, strict=False)))


def joined(scores: Iterable[Scores]) -> Scores:
    return Scores(*map(np.concatenate, zip(*scores, strict=True)))
