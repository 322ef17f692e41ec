"""Checkpoints of a Keras model in training: the last one, to resume from, and the best weights so far."""

import math
from pathlib import Path
from typing import Any

import keras
import msgspec
import numpy as np
from numpy.typing import NDArray

from training.data.errors import refuse_damaged
from training.data.replacement import replacing

LAST_FILE, BEST_FILE = "last.npz", "best.npz"
ADVICE = "remove its folder to train from the beginning"


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
    """Save the model, its optimizer and `state` in one file, so that they always belong together.

    The state as MessagePack: JSON has no infinity.
    """
    arrays = {f"v{i}": np.asarray(v) for i, v in enumerate(_variables(model))}
    _save_arrays(folder / LAST_FILE, arrays | {"state": np.frombuffer(msgspec.msgpack.encode(state), np.uint8)})


def restore(model: keras.Model, folder: Path) -> TrainingState:
    """Restore what `save` saved, and return its state; a new one if there is no checkpoint. Raises SystemExit."""
    path = folder / LAST_FILE
    if not path.exists():
        return TrainingState()
    with refuse_damaged(path, ADVICE), path.open("rb") as file, np.load(file) as last:
        for i, variable in enumerate(_variables(model)):
            variable.assign(last[f"v{i}"])
        return msgspec.msgpack.decode(last["state"].tobytes(), type=TrainingState)


def save_best(model: keras.Model, folder: Path) -> None:
    """Save the weights of the model as the best so far."""
    _save_arrays(folder / BEST_FILE, {str(i): weight for i, weight in enumerate(model.get_weights())})


def restore_best(model: keras.Model, folder: Path) -> None:
    """Give the model the weights that `save_best` saved last. Raises SystemExit."""
    path = folder / BEST_FILE
    with refuse_damaged(path, ADVICE), path.open("rb") as file, np.load(file) as best:
        model.set_weights([best[str(i)] for i in range(len(best.files))])


def _variables(model: keras.Model) -> list[keras.Variable]:
    return [*model.variables, *model.optimizer.variables]


def _save_arrays(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    with replacing(path) as new, new.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
