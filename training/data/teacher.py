"""Targets of the training texts: their labels, or the probabilities of a teacher model (distillation)."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

type Targets = NDArray[np.float32]  # [texts]: P(positive)


def load_targets(rows: pd.DataFrame, teacher: Path | None) -> Targets:
    """Return P(positive) of every text: its label, or the probability in `teacher`, a file that `score` wrote.

    Raises SystemExit with one line unless the file has the same texts in the same order.
    """
    if teacher is None:
        return np.asarray(rows.label, np.float32)
    if not teacher.is_file():
        raise SystemExit(f"{teacher}: there is no such file; `score` makes it")
    try:
        scored = pd.read_parquet(teacher, columns=["text", "probability"])[: len(rows)]
        probability = np.asarray(scored.probability, np.float32)
    except (OSError, ValueError) as error:
        raise SystemExit(f"{teacher}: not what `score` writes: {str(error).splitlines()[0]}") from error
    if scored.text.tolist() != rows.text.tolist():
        raise SystemExit(f"{teacher}: not the texts that are trained on, in their order")
    if not ((probability >= 0) & (probability <= 1)).all():
        raise SystemExit(f"{teacher}: not every probability is between 0 and 1")
    return probability
