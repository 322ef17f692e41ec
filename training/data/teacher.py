"""Targets of the training texts: their labels, or the probabilities of a teacher model (distillation)."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .chunked_files import Parquet
from .errors import one_line

type Targets = NDArray[np.float32]  # [texts]: P(positive)


def load_targets(rows: pd.DataFrame, teacher: Path | None) -> Targets:
    """Return P(positive) of every text: its label, or the probability in `teacher`, a file that `score` wrote.

    Raises SystemExit with one line unless the file has the same texts in the same order.
    """
    if teacher is None:
        return np.asarray(rows.label, np.float32)
    if not teacher.is_file():
        raise SystemExit(f"{teacher}: there is no such file; `score` makes it")
    file, texts = Parquet(teacher), rows.text.tolist()
    if missing := [name for name in ("text", "probability") if file.columns.count(name) != 1]:
        raise SystemExit(f"{teacher}: not what `score` writes: it needs one column {' and one '.join(missing)}")
    probability = np.full(len(texts), np.nan)
    start = 0
    for chunk in file.chunks(["text", "probability"]):
        part = slice(start, min(start + len(chunk), len(texts)))
        scored = chunk.slice(0, part.stop - start)
        if file.values(scored, "text") != texts[part]:
            break
        try:
            probability[part] = file.values(scored, "probability")
        except (ValueError, TypeError) as error:
            raise SystemExit(f"{teacher}: not what `score` writes: {one_line(error)}") from error
        start = part.stop
    if start < len(texts):
        raise SystemExit(f"{teacher}: not the texts that are trained on, in their order")
    if not ((probability >= 0) & (probability <= 1)).all():
        raise SystemExit(f"{teacher}: not every probability is between 0 and 1")
    return probability.astype(np.float32)
