"""Texts as ids, many of them, ready to be padded into batches."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

CHUNK_TEXTS = 10_000

console = Console(stderr=True)


class EncodedTexts(NamedTuple):
    """A ragged array: text i is values[starts[i]:starts[i + 1]]. A Python list per text would take far more memory."""

    values: NDArray[np.int32]
    starts: NDArray[np.int64]  # [texts + 1]

    @property
    def lengths(self) -> NDArray[np.int64]:
        return np.asarray(np.diff(self.starts), np.int64)

    def padded(self, rows: NDArray[np.int64]) -> NDArray[np.int32]:
        """Return the texts `rows` as int32 [rows, length of the longest], padded with 0."""
        lengths = self.lengths[rows]
        ids = np.zeros((len(rows), max(1, int(lengths.max(initial=0)))), np.int32)
        mask = np.arange(ids.shape[1]) < lengths[:, None]
        offsets = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        ids[mask] = self.values[np.repeat(self.starts[rows], lengths) + offsets]
        return ids


class EncodedExamples(NamedTuple):
    texts: EncodedTexts
    target: NDArray[Any]  # [texts]: P(positive) to train on, labels 0 or 1 to validate on; [texts, d]: vectors to learn


def encode_texts(texts: Sequence[str], encode: Callable[[str], Sequence[int]]) -> EncodedTexts:
    """Encode every text with `encode`, which returns its ids."""
    lengths, values = np.zeros(len(texts) + 1, np.int64), []
    chunks = range(0, len(texts), CHUNK_TEXTS)
    for start in track(chunks, "encode texts", console=console, disable=len(texts) <= CHUNK_TEXTS):
        encoded = [encode(text) for text in texts[start : start + CHUNK_TEXTS]]
        lengths[start + 1 : start + 1 + len(encoded)] = [len(ids) for ids in encoded]
        values.append(np.array([i for ids in encoded for i in ids], np.int32))
    return EncodedTexts(np.concatenate([*values, np.empty(0, np.int32)]), np.cumsum(lengths))
