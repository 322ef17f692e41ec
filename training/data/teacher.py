"""Targets of the training texts: their labels, or the probabilities of a teacher model (distillation)."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from .chunked_files import Parquet
from .errors import one_line

type Targets = NDArray[np.float32]  # [texts]: P(positive)


def load_targets(rows: pd.DataFrame, teacher: Path | None) -> Targets:
    """Return P(positive) of every text: its label, or the probability in `teacher`, a file that `score` wrote.

    The file is one of a whole split; the index of `rows` says which of its texts are trained on. Raises SystemExit with
    one line unless it has these texts there.
    """
    if teacher is None:
        return np.asarray(rows.label, np.float32)
    if not teacher.is_file():
        raise SystemExit(f"{teacher}: there is no such file; `score` makes it")
    file, texts = Parquet(teacher), rows.text.tolist()
    if missing := [name for name in ("text", "probability") if file.columns.count(name) != 1]:
        raise SystemExit(f"{teacher}: not what `score` writes: it needs one column {' and one '.join(missing)}")
    probability, positions = np.full(len(texts), np.nan), rows.index.to_numpy()
    first = done = 0  # the first row of the chunk; the number of texts that were found
    for chunk in file.chunks(["text", "probability"]):
        inside = positions[(positions >= first) & (positions < first + len(chunk))]
        part = slice(done, done + len(inside))
        scored = chunk.take(pa.array(inside - first))
        if file.values(scored, "text") != texts[part]:
            break
        try:
            probability[part] = file.values(scored, "probability")
        except (ValueError, TypeError) as error:
            raise SystemExit(f"{teacher}: not what `score` writes: {one_line(error)}") from error
        first, done = first + len(chunk), part.stop
    if done < len(texts):
        raise SystemExit(f"{teacher}: not the texts that are trained on, in their order")
    if not ((probability >= 0) & (probability <= 1)).all():
        raise SystemExit(f"{teacher}: not every probability is between 0 and 1")
    return probability.astype(np.float32)
