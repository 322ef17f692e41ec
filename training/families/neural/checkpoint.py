"""Checkpoints of a Keras model in training: the last one, to resume from, and the best weights so far."""

import math
from pathlib import Path
from typing import Any

import keras
import msgspec
import numpy as np
from numpy.typing import NDArray

LAST_FILE, BEST_FILE = "last.npz", "best.npz"


class TrainingState(msgspec.Struct, forbid_unknown_fields=True):
    """What the training loop knows between two intervals."""

    intervals: int = 0  # done
    lr_factor: float = 1.0  # of the learning rate: LR_FACTOR for every reduction
    lr_reductions: int = 0
    intervals_without_improvement: int = 0
    lowest_loss: float = math.inf
    highest_precision: float = -math.inf
    seconds: float = 0.0  # of training, resumed runs included


def save(model: keras.Model, folder: Path, state: TrainingState) -> None:
    """Save the model, its optimizer and `state` in one file, so that they always belong together."""
    arrays = {f"v{i}": np.asarray(v) for i, v in enumerate(_variables(model))}
    _save_arrays(folder / LAST_FILE, arrays | {"state": np.frombuffer(msgspec.json.encode(state), np.uint8)})


def restore(model: keras.Model, folder: Path) -> TrainingState:
    """Restore what `save` saved, and return its state; a new one if there is no checkpoint."""
    if not (folder / LAST_FILE).exists():
        return TrainingState()
    with np.load(folder / LAST_FILE) as last:
        for i, variable in enumerate(_variables(model)):
            variable.assign(last[f"v{i}"])
        return msgspec.json.decode(last["state"].tobytes(), type=TrainingState)


def save_best(model: keras.Model, folder: Path) -> None:
    """Save the weights of the model as the best so far."""
    _save_arrays(folder / BEST_FILE, {str(i): weight for i, weight in enumerate(model.get_weights())})


def restore_best(model: keras.Model, folder: Path) -> None:
    """Give the model the weights that `save_best` saved last."""
    with np.load(folder / BEST_FILE) as best:
        model.set_weights([best[str(i)] for i in range(len(best.files))])


def _variables(model: keras.Model) -> list[keras.Variable]:
    return [*model.variables, *model.optimizer.variables]


def _save_arrays(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    """Replace the file in one step, so that a crash never leaves half of it."""
    new = path.with_suffix(".new.npz")
    with new.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
    new.replace(path)
