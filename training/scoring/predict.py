"""Score any number of texts with a model, one batch at a time."""

from collections.abc import Iterable, Sequence
from itertools import batched
from pathlib import Path

import numpy as np

from sentiment.model import Model, Scores

MODELS = Path("models")  # the model folders that are deployed, and registry.json
BATCH_SIZE = 256  # texts per call of the model; Spark gives one batch to one core


def predict(model: Model, texts: Sequence[str]) -> Scores:
    """Score one or more texts. Only one batch of encoded texts is in memory at a time."""
    return concatenate_scores(map(model.score, batched(texts, BATCH_SIZE, strict=False)))


def concatenate_scores(batches: Iterable[Scores]) -> Scores:
    """Join the scores of one or more batches, in order."""
    return Scores(*map(np.concatenate, zip(*batches, strict=True)))
