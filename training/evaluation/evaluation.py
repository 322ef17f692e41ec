"""Evaluate a model folder on labelled texts: overall, by slice, and by the checklist of behavioural tests."""

from collections.abc import Callable

import msgspec
import numpy as np
import pandas as pd
from sklearn.model_selection import KFold

from sentiment.model import Model, Scores
from training.data.dataset import dataset_sha256
from training.scoring.predict import predict

from . import checklist, metrics, slices
from .checklist import CheckResult
from .estimates import MIN_INTERVAL_TEXTS, Estimates, estimate
from .metrics import Floats, Labels
from .slices import SLICES, Features

FOLDS = 10


class BestThreshold(msgspec.Struct, frozen=True):
    """Accuracy with the threshold that suits these texts best, found on nine tenths and measured on the other tenth."""

    accuracy: float
    lowest: float  # of the FOLDS thresholds
    highest: float


class Evaluation(msgspec.Struct, frozen=True):
    model: str
    version: str
    dataset_sha256: str
    overall: Estimates
    best_threshold: BestThreshold | None  # None if there are fewer than MIN_INTERVAL_TEXTS
    slices: dict[str, Estimates | None]  # None if the slice is empty
    behaviour: list[CheckResult]


def evaluate(model: Model, rows: pd.DataFrame, scores: Scores | None = None) -> Evaluation:
    """Evaluate a model on at least one labelled text: columns text and label (0, 1).

    Pass `scores` if the model has scored these texts already.
    """
    texts, labels = rows.text.tolist(), rows.label.to_numpy()
    scores = scores or predict(model, texts)
    unknown_shares = scores.unknown_share.tolist()
    features = [slices.extract(text, share) for text, share in zip(texts, unknown_shares, strict=True)]

    def evaluate_slice(belongs: Callable[[Features], bool]) -> Estimates | None:
        chosen = np.array([belongs(text) for text in features])
        if not chosen.any():
            return None
        return estimate(metrics.predictions(labels[chosen], scores.probability[chosen], model.manifest.thresholds))

    return Evaluation(
        model=model.manifest.name,
        version=model.manifest.version,
        dataset_sha256=dataset_sha256(rows),
        overall=estimate(metrics.predictions(labels, scores.probability, model.manifest.thresholds)),
        best_threshold=cross_fit_threshold(labels, scores.probability) if len(rows) >= MIN_INTERVAL_TEXTS else None,
        slices={name: evaluate_slice(belongs) for name, belongs in SLICES.items()},
        behaviour=checklist.run_checklist(lambda sentences: predict(model, sentences).probability),
    )


def cross_fit_threshold(labels: Labels, probability: Floats) -> BestThreshold:
    """Measure how much of the error is due to a threshold in the wrong place.

    Cross-fitted: no text is judged by a threshold that was found on it. Needs at least FOLDS texts.
    """
    right, thresholds = np.zeros(len(labels), bool), []
    for others, fold in KFold(FOLDS, shuffle=True, random_state=0).split(labels):
        threshold = best_threshold(labels[others], probability[others])
        right[fold] = (probability[fold] >= threshold) == (labels[fold] == 1)
        thresholds.append(threshold)
    return BestThreshold(float(right.mean()), min(thresholds), max(thresholds))


def best_threshold(labels: Labels, probability: Floats) -> float:
    """Return the threshold with the highest accuracy; above every probability if all are best called negative."""
    order = np.argsort(-probability, kind="stable")
    ordered = np.append(probability[order], -np.inf)
    gain = np.append(0, np.cumsum(np.where(labels[order] == 1, 1, -1)))  # of calling the first 0 … n positive
    separable = np.append(True, ordered[1:] < ordered[:-1])  # a threshold cannot separate ties
    called = int(np.argmax(np.where(separable, gain, -np.inf)))
    return float(ordered[called - 1]) if called else float(np.nextafter(ordered[0], np.inf))
