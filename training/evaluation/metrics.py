"""How good a probability is: the figures every model is compared by, and what is fitted on validation data."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, brier_score_loss, precision_recall_fscore_support, roc_auc_score

from sentiment.manifest import Calibration, Metrics, Thresholds
from training.data.dataset import dataset_sha256

PRECISION = 0.95  # what a decision that spares a person a look must reach
Z = 1.645  # standard deviations: 95% of a normal distribution lie below

type Floats = NDArray[np.float64]
type Labels = NDArray[np.int8]
type Decided = NDArray[np.bool_]  # which texts a decision is made of
type Targets = NDArray[np.float32]  # P(positive)


def measure(rows: pd.DataFrame, probability: Floats, thresholds: Thresholds) -> Metrics:
    """The figures of `evaluate` on labelled texts, with the digest that says which texts they were."""
    return Metrics(len(rows), dataset_sha256(rows), evaluate(rows.label.to_numpy(), probability, thresholds))


def evaluate(labels: Labels, probability: Floats, thresholds: Thresholds) -> dict[str, float]:
    """The figures of `quality` and of `decisions`."""
    publish, hold = probability >= thresholds.publish, probability <= thresholds.hold
    return quality(labels, probability) | decisions(labels, publish, hold)


def quality(labels: Labels, probability: Floats) -> dict[str, float]:
    """Accuracy and precision at 0.5, ranking (AUC) and calibration (Brier, ECE).

    Where nothing is called positive there is no precision.
    """
    called = probability >= 0.5
    precision, recall, f1, _ = precision_recall_fscore_support(labels, called, average="binary", zero_division=0.0)
    values = {
        "accuracy": accuracy_score(labels, called),
        "auc": roc_auc_score(labels, probability),
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "brier": brier_score_loss(labels, probability),
        "ece": calibration_error(labels, probability),
    }
    return {name: round(float(value), 4) for name, value in values.items() if name != "precision" or called.any()}


def decisions(labels: Labels, publish: Decided, hold: Decided) -> dict[str, float]:
    """How often decisions are right, and how many they spare a look. One that is never made has no precision."""
    values = {
        "publish_precision": _share(labels[publish] == 1),
        "publish_recall": _share(publish[labels == 1]),
        "hold_precision": _share(labels[hold] == 0),
        "hold_recall": _share(hold[labels == 0]),
    }
    made = {"publish_precision": publish.any(), "hold_precision": hold.any()}
    return {name: round(value, 4) for name, value in values.items() if made.get(name, True)}


def break_even(labels: Labels, score: Floats) -> float:
    """The precision of as many texts as are positive, those with the highest scores: there it equals the recall.

    The precision by which models in training are told apart. At a threshold it could be had by calling little positive.
    `score` is [texts], or [texts, 2] of probabilities.
    """
    order = np.argsort(-(score if score.ndim == 1 else score[:, 1]), kind="stable")
    return float(labels[order[: int(labels.sum())]].mean())


def calibrate(labels: Labels, logit: Floats) -> Calibration:
    """Platt scaling: the slope and intercept that make logits of held-out texts honest log-odds.

    With the targets of Platt (1999), section 2.2, a little within 0 and 1: a few texts that the logits happen to part
    without a mistake do not make the model certain.
    """
    positives = int(labels.sum())
    target = np.where(labels == 1, (positives + 1) / (positives + 2), 1 / (len(labels) - positives + 2))
    twice, either = np.tile(logit, 2)[:, None], np.repeat([0, 1], len(labels))  # a text in part of each class
    fitted = LogisticRegression(C=np.inf).fit(twice, either, sample_weight=np.concatenate([1 - target, target]))
    return Calibration(float(fitted.coef_[0, 0]), float(fitted.intercept_[0]))


def probability(logit: Floats, calibration: Calibration) -> Floats:
    """Calibrated P(positive), as `sentiment.model` computes it."""
    return np.asarray(expit(calibration.slope * logit + calibration.intercept))


def choose_thresholds(labels: Labels, probability: Floats) -> Thresholds:
    """The widest publish and hold, each on its own side of 0.5, that are PRECISION precise with 95% confidence.

    Confidence by the lower bound of Wilson's score interval (1927): a handful of texts that happen to be right is none.
    Where none is, publish is above 1 and hold below 0: everything is for review.
    """
    publish = _widest(labels == 1, probability)
    hold = 1 - _widest(labels == 0, 1 - probability)
    return Thresholds(publish=round(max(publish, 0.5), 4), hold=round(min(hold, 0.4999), 4))


def unreachable_decisions(thresholds: Thresholds) -> list[str]:
    """The decisions that `thresholds` leave to people, whatever the probability."""
    return [name for name, left in (("publish", thresholds.publish > 1), ("hold", thresholds.hold < 0)) if left]


def calibration_error(labels: Labels, probability: Floats, bins: int = 15) -> float:
    """Expected calibration error over equally full bins: Naeini, Cooper and Hauskrecht, 2015."""
    gaps = [
        abs(probability[part].mean() - labels[part].mean()) * len(part)
        for part in np.array_split(np.argsort(probability), bins)
        if len(part)
    ]
    return float(sum(gaps) / len(labels))


def _widest(right: Decided, confidence: Floats) -> float:
    """The lowest confidence from which on PRECISION of the texts are right, by the lower bound; above 1 if none is."""
    order = np.argsort(-confidence, kind="stable")
    n = np.arange(1, len(order) + 1)
    share = np.cumsum(right[order]) / n
    spread = Z * np.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
    precision = (share + Z**2 / (2 * n) - spread) / (1 + Z**2 / n)
    confidence = confidence[order]
    separable = np.append(confidence[1:] < confidence[:-1], True)  # a threshold cannot part equals
    reached = confidence[separable & (precision >= PRECISION)]
    return float(np.ceil(reached[-1] * 1e4) / 1e4) if len(reached) else 1.0001


def _share(of: Decided) -> float:
    return float(of.mean()) if len(of) else 0.0
