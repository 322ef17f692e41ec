"""Teach an encoder the vectors of a larger one, without labels, before it learns from labels.

The loss is the squared difference of the mean-pooled vectors, each dimension divided by its standard deviation over the
training texts, because a few dimensions of an encoder are far larger than the others.
"""

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from training.families.base import RunContext

from . import checkpoint
from .bert import BertClassifier
from .encoded_texts import EncodedExamples, EncodedTexts
from .trainer import Schedule, compile_model, eval_intervals, train_interval

FOLDER = "distillation"  # of its checkpoint, in the folder of the run

console = Console(stderr=True)


class PooledEncoder(keras.Model):  # type: ignore[misc]
    """Ids int32 [batch, n] -> the vectors of `encoder`, float32 [batch, d], divided by `deviation` [d]."""

    def __init__(self, encoder: BertClassifier, deviation: NDArray[np.float32]) -> None:
        super().__init__(name="pooled")
        self.encoder = encoder
        self.deviation = deviation

    def call(self, ids: Any) -> Any:
        return self.encoder.pool(ids) / self.deviation


def pooled_vectors(encoder: BertClassifier, texts: EncodedTexts, batch_size: int = 256) -> NDArray[np.float32]:
    """Return the vector of every text, float32 [texts, d]."""
    d = encoder.head.kernel.shape[0]
    model = PooledEncoder(encoder, np.ones(d, np.float32))
    order = np.argsort(texts.lengths, kind="stable")
    vectors = np.empty((len(order), d), np.float32)
    for i in range(0, len(order), batch_size):
        rows = order[i : i + batch_size]
        vectors[rows] = model.predict_on_batch(texts.padded(rows))
    return vectors


def teach_vectors(
    student: BertClassifier,
    texts: EncodedTexts,
    vectors: NDArray[np.float32],
    schedule: Schedule,
    context: RunContext,
) -> None:
    """Train `student`, but not its head, to return `vectors` [texts, d] for `texts`. Resumes from its checkpoint."""
    deviation = np.maximum(vectors.std(0), 1e-6)
    student.head.trainable = False
    model = PooledEncoder(student, deviation)
    compile_model(model, schedule, keras.losses.MeanSquaredError())
    folder = context.folder / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    state = checkpoint.restore(model, folder)
    examples = EncodedExamples(texts, vectors / deviation)
    n_intervals = len(eval_intervals(len(vectors), schedule))
    while state.intervals < n_intervals:
        loss = train_interval(model, examples, schedule, state)
        state.intervals += 1
        checkpoint.save(model, folder, state)
        console.print(f"vectors, interval {state.intervals} of {n_intervals}, {state.seconds:.0f} s: loss {loss:.4f}")
    student.head.trainable = True
