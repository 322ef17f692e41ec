"""The protocol of a model family, and the types that it uses."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from sentiment.manifest import Input
from sentiment.text import TextSpec

GRAPH_FILE = "model.onnx"


class Untrainable(ValueError):
    """The texts leave nothing to learn from with these settings."""


class Examples(NamedTuple):
    texts: Sequence[str]
    target: NDArray[np.float32]  # [texts]: P(positive): 0 or 1, or the probability of a teacher

    @property
    def label(self) -> NDArray[np.int8]:
        return (self.target >= 0.5).astype(np.int8)


def _refuse_earlier_run(run_id: str) -> Any:
    raise SystemExit(f"runs:/{run_id}: earlier runs cannot be loaded here")


class RunContext(NamedTuple):
    """What a training run gets besides its settings and examples. Families know MLflow through these callbacks only."""

    folder: Path  # for checkpoints: a run that was stopped finds them here when it is resumed
    report: Callable[[int, dict[str, float]], None]  # called with a step and its metrics
    load_model: Callable[[str], Any] = _refuse_earlier_run  # run id -> the `Trained` of that run. Raises SystemExit


class FittedModel(Protocol):
    """A trained model in its own framework. It can be pickled."""

    @property
    def text(self) -> TextSpec: ...

    def logit(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return the log-odds of positive, [texts], not calibrated."""

    def export(self, folder: Path, *, compact: bool) -> Input:
        """Write GRAPH_FILE and the files of the input contract to `folder`; return the contract.

        Compact: as the model ships, in float16 or int8. Otherwise float32, which must reproduce `logit`.
        """


class Family(Protocol):
    """What a family's module defines."""

    # A frozen msgspec Struct: every setting, its default and its bounds. `--set` and `tune` fill it. Its class variable
    # RENAMED, if it has one, maps former names of settings to the current ones.
    Configuration: type[msgspec.Struct]

    def fit(self, configuration: Any, train: Examples, validation: Examples, context: RunContext) -> FittedModel:
        """Train a model. Raises Untrainable."""

    def space(self, trial: Any) -> dict[str, Any]:
        """Return the settings that `tune` searches, suggested by an Optuna trial, with their keys as in `--set`."""


def text_space(trial: Any) -> dict[str, Any]:
    """Return the search space of TextSpec, for families that learn their vocabulary from the training texts."""
    switches = ("urls", "mentions", "hashtags", "emoticons", "emoji", "elongations", "punctuation", "stop_words")
    return {f"text.{name}": trial.suggest_categorical(f"text.{name}", [True, False]) for name in switches}
