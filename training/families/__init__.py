"""The model families, one module each: how they train, what `tune` searches, how they become an ONNX model.

To add a family, write a module with the three names of `base.Family` and add a line to FAMILIES. `linear/svm.py` is the
shortest example, `neural/textcnn.py` one in Keras. Calibration, metrics and MLflow are not in here.
"""

from importlib import import_module
from typing import NamedTuple

from .base import GRAPH_FILE, Examples, Family, FittedModel, RunContext, Untrainable

__all__ = [
    "FAMILIES",
    "GRAPH_FILE",
    "Examples",
    "Family",
    "FamilyEntry",
    "FittedModel",
    "RunContext",
    "Untrainable",
    "load_family",
]


class FamilyEntry(NamedTuple):
    module: str  # relative to this package
    summary: str


FAMILIES = {
    "logreg": FamilyEntry("linear.logreg", "logistic regression on TF-IDF n-grams"),
    "naive_bayes": FamilyEntry("linear.naive_bayes", "multinomial or complement naive Bayes on n-gram counts"),
    "svm": FamilyEntry("linear.svm", "linear support vector machine on TF-IDF n-grams"),
    "forest": FamilyEntry("linear.forest", "random forest on the most informative n-grams"),
    "recurrent": FamilyEntry("neural.recurrent", "simple RNN, GRU or bidirectional LSTMs over words (Keras)"),
    "textcnn": FamilyEntry("neural.textcnn", "convolutions over words (Keras)"),
    "transformer": FamilyEntry("neural.transformer", "a pretrained BERT encoder, frozen or fine-tuned (Keras)"),
}


def load_family(name: str) -> Family:
    """Import the module of a family in FAMILIES.

    Imported lazily: TensorFlow takes seconds to load, and the linear families do not need it.
    """
    return import_module(f"{__name__}.{FAMILIES[name].module}")
