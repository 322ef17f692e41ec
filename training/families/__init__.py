"""The model families, one file each, and the protocol they share.

A family is a module with three names:

    Configuration             a msgspec Struct: every setting, its default, its bounds; `--set` and `tune` fill it
    fit(configuration, train, validation, context) -> FittedModel
    space(trial) -> dict      the settings `tune` tries, drawn from an Optuna trial, keyed as `--set` spells them

A module is imported when its family is asked for: TensorFlow takes seconds to load and the linear ones need none of it.
"""

import os
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from sentiment.manifest import Input
from sentiment.text import TextSpec


class FamilyEntry(NamedTuple):
    module: str  # below this package
    summary: str


FAMILIES = {
    "logreg": FamilyEntry("linear.logreg", "logistic regression on TF-IDF n-grams"),
    "naive_bayes": FamilyEntry("linear.naive_bayes", "multinomial or complement naive Bayes on n-gram counts"),
    "svm": FamilyEntry("linear.svm", "linear support vector machine on TF-IDF n-grams"),
    "forest": FamilyEntry("linear.forest", "random forest on the most telling n-grams"),
    "recurrent": FamilyEntry("neural.recurrent", "simple RNN, GRU or bidirectional LSTMs over words (Keras)"),
    "textcnn": FamilyEntry("neural.textcnn", "convolutions over words (Keras)"),
    "transformer": FamilyEntry("neural.transformer", "a pretrained BERT encoder, frozen or fine-tuned (Keras)"),
}

GRAPH = "model.onnx"

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # before TensorFlow is imported: no notes about this machine


class Untrainable(ValueError):
    """With these settings the texts leave nothing to learn from."""


class Examples(NamedTuple):
    texts: Sequence[str]
    target: NDArray[np.float32]  # [texts]: P(positive), 0 or 1 where a person or an emoticon said it

    @property
    def label(self) -> NDArray[np.int8]:
        return (self.target >= 0.5).astype(np.int8)


class RunContext(NamedTuple):
    """What a training works on, besides its examples."""

    folder: Path  # its own: what it leaves there it finds again when it is started again
    report: Callable[[int, dict[str, float]], None]  # a step, and the figures after it


class FittedModel(Protocol):
    """A trained model as its own framework runs it, and the way from there to ONNX. It can be pickled."""

    @property
    def text(self) -> TextSpec: ...

    def logit(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Log-odds of positive, [texts], not calibrated."""

    def write(self, folder: Path, *, compact: bool) -> Input:
        """Write GRAPH and the files of the input contract. Compact: as it would ship; else float32, bit for bit."""


class Family(Protocol):
    Configuration: type[msgspec.Struct]

    def fit(self, configuration: Any, train: Examples, validation: Examples, context: RunContext) -> FittedModel: ...

    def space(self, trial: Any) -> dict[str, Any]: ...


def family(name: str) -> Family:
    """The module of a family in FAMILIES."""
    return import_module(f"{__name__}.{FAMILIES[name].module}")


def text_space(trial: Any) -> dict[str, Any]:
    """What `tune` tries in families that learn their words here: the switches of TextSpec that change what is said."""
    switches = ("urls", "mentions", "hashtags", "emoticons", "emoji", "elongations", "punctuation", "stop_words")
    return {f"text.{name}": trial.suggest_categorical(f"text.{name}", [True, False]) for name in switches}
