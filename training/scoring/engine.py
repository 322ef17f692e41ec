"""Scoring engines: what turns batches of texts into scores, here or elsewhere."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext

from sentiment.model import Model, Scores

# Takes batches of texts and yields the scores of each batch, in order. Every engine must score exactly the batches it
# is given: the last bits of a float32 sum depend on the padding, and so on the longest text of the batch.
type Engine = Callable[[Iterable[Sequence[str]]], Iterator[Scores]]


def local_engine(model: Model) -> AbstractContextManager[Engine]:
    """Score batches one after the other on one core of this machine."""
    return nullcontext(lambda batches: map(model.score, batches))
