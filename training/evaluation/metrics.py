"""Every metric that models are judged by, in one table: METRICS.

`train`, `export`, `evaluate`, `calibrate`, `compare` and `promote` all read this table: a new metric is one new entry.

A metric takes weighted texts. Weights are [n], or [resamples, n] to compute a metric for many resamples at once: how
often a bootstrap resample holds a text is the weight of that text.
"""

from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sentiment.manifest import HOLD_NOTHING, PUBLISH_NOTHING, Metrics, Thresholds
from training.data.dataset import dataset_sha256

DIGITS = 4  # of every metric in a manifest or an evaluation
COMPARED_DIGITS = 5  # of every number in docs/models.json
ECE_BINS = 15
REVIEW_ALL = Thresholds(publish=PUBLISH_NOTHING, hold=HOLD_NOTHING)

type Floats = NDArray[np.float64]
type Labels = NDArray[np.int8]
type Mask = NDArray[np.bool_]
type Weights = Floats  # [n] or [resamples, n]
type Group = Literal["headline", "positive", "negative", "calibration", "decision"]  # "headline": what papers report


class Predictions(NamedTuple):
    """Labels and what a model predicts for the same texts; every field is [n]."""

    labels: Labels
    probability: Floats  # P(positive)
    publish: Mask
    hold: Mask

    @property
    def positive(self) -> Mask:
        return np.asarray(self.labels == 1)

    @property
    def predicted_positive(self) -> Mask:
        return np.asarray(self.probability >= 0.5)


def predictions(labels: Labels, probability: Floats, thresholds: Thresholds = REVIEW_ALL) -> Predictions:
    """Return predictions with the decisions that `thresholds` make of the probabilities."""
    return Predictions(labels, probability, probability >= thresholds.publish, probability <= thresholds.hold)


def accuracy(p: Predictions, weights: Weights) -> Floats:
    """Return the share of texts on the right side of 0.5."""
    return _mean(p.predicted_positive == p.positive, weights)


def roc_auc(p: Predictions, weights: Weights) -> Floats:
    """Return the area under the ROC curve; nan if the texts have one class only.

    It is the share of (positive, negative) pairs in the right order, ties counting half: Mann and Whitney, 1947. The
    texts are sorted once per chunk of resamples, which scikit-learn's `roc_auc_score` cannot do.
    """
    order = np.argsort(p.probability, kind="stable")
    probability, positive = p.probability[order], p.positive[order]
    ties = np.flatnonzero(np.append(True, probability[1:] != probability[:-1]))  # where each run of ties starts
    sorted_weights = weights[..., order]
    positives = np.add.reduceat(sorted_weights * positive, ties, axis=-1)
    negatives = np.add.reduceat(sorted_weights * ~positive, ties, axis=-1)
    negatives_below = np.cumsum(negatives, axis=-1) - negatives / 2
    pairs = positives.sum(axis=-1) * negatives.sum(axis=-1)
    return _ratio((positives * negatives_below).sum(axis=-1), pairs)


def precision(actual: Mask, predicted: Mask, weights: Weights) -> Floats:
    """Return the share of the predicted texts that are actual ones; nan if none is predicted."""
    return _ratio(weights @ (actual & predicted), weights @ predicted)


def recall(actual: Mask, predicted: Mask, weights: Weights) -> Floats:
    """Return the share of the actual texts that are predicted; nan if there is no actual one."""
    return _ratio(weights @ (actual & predicted), weights @ actual)


def f1(actual: Mask, predicted: Mask, weights: Weights) -> Floats:
    """Return the harmonic mean of precision and recall; nan if no text is actual or predicted."""
    return _ratio(2 * (weights @ (actual & predicted)), weights @ actual + weights @ predicted)


def brier(p: Predictions, weights: Weights) -> Floats:
    """Return the mean squared error of the probabilities: Brier, 1950."""
    return _mean((p.probability - p.labels) ** 2, weights)


def calibration_error(p: Predictions, weights: Weights) -> Floats:
    """Return the expected calibration error over equally full bins: Naeini, Cooper and Hauskrecht, 2015.

    The bins are those of the unweighted texts.
    """
    error = p.probability - p.labels
    gaps = [np.abs(weights[..., part] @ error[part]) for part in np.array_split(np.argsort(p.probability), ECE_BINS)]
    return _ratio(np.sum(gaps, axis=0), weights.sum(axis=-1))


class Metric(NamedTuple):
    """A metric. It is nan where the texts do not define it, and is then left out of every report."""

    title: str  # in docs/models.md and docs/models.json
    group: Group
    compute: Callable[[Predictions, Weights], Floats]  # -> [] or [resamples]


# By the name in manifests, MLflow and evaluations.
METRICS: dict[str, Metric] = {
    "accuracy": Metric("accuracy", "headline", accuracy),
    "auc": Metric("AUC", "headline", roc_auc),
    "precision": Metric("precision", "headline", lambda p, w: precision(p.positive, p.predicted_positive, w)),
    "recall": Metric("recall", "positive", lambda p, w: recall(p.positive, p.predicted_positive, w)),
    "f1": Metric("F1", "positive", lambda p, w: f1(p.positive, p.predicted_positive, w)),
    "negative_precision": Metric(
        "precision of negative", "negative", lambda p, w: precision(~p.positive, ~p.predicted_positive, w)
    ),
    "negative_recall": Metric(
        "recall of negative", "negative", lambda p, w: recall(~p.positive, ~p.predicted_positive, w)
    ),
    "negative_f1": Metric("F1 of negative", "negative", lambda p, w: f1(~p.positive, ~p.predicted_positive, w)),
    "brier": Metric("Brier", "calibration", brier),
    "ece": Metric("ECE", "calibration", calibration_error),
    "publish_precision": Metric("publish precision", "decision", lambda p, w: precision(p.positive, p.publish, w)),
    "publish_recall": Metric("publish recall", "decision", lambda p, w: recall(p.positive, p.publish, w)),
    "hold_precision": Metric("hold precision", "decision", lambda p, w: precision(~p.positive, p.hold, w)),
    "hold_recall": Metric("hold recall", "decision", lambda p, w: recall(~p.positive, p.hold, w)),
}
PRIMARY = ("accuracy", "auc")  # two models are compared by these; `evaluate` gives their intervals
EVALUATED: tuple[Group, ...] = ("headline", "positive", "calibration", "decision")
COMPARED: tuple[Group, ...] = ("headline", "positive", "negative", "calibration")  # by `compare`


def names(groups: Iterable[Group]) -> list[str]:
    """Return the names of the metrics in these groups, in the order of the table."""
    return [name for name, metric in METRICS.items() if metric.group in groups]


def compute_metrics(p: Predictions, groups: Iterable[Group] = EVALUATED, digits: int = DIGITS) -> dict[str, float]:
    """Return the metrics of these groups that the texts define, rounded. At least one text."""
    weights = np.ones(len(p.labels))
    values = {name: float(METRICS[name].compute(p, weights)) for name in names(groups)}
    return {name: round(value, digits) for name, value in values.items() if not np.isnan(value)}


def manifest_metrics(rows: pd.DataFrame, probability: Floats, thresholds: Thresholds) -> Metrics:
    """Return what a manifest records of labelled texts: their number, their digest and the metrics."""
    values = compute_metrics(predictions(rows.label.to_numpy(), probability, thresholds))
    return Metrics(len(rows), dataset_sha256(rows), values)


def break_even(labels: Labels, score: Floats) -> float:
    """Return the precision at the break-even point, where it equals the recall.

    That is the precision of the texts with the highest scores, as many as are positive. Training and tuning compare
    models by it: the precision at 0.5 is easily raised by predicting few positives. `score` is [n], or [n, 2] with the
    probabilities of both classes.
    """
    order = np.argsort(-(score if score.ndim == 1 else score[:, 1]), kind="stable")
    return float(labels[order[: int(labels.sum())]].mean())


def _mean(values: Floats | Mask, weights: Weights) -> Floats:
    return _ratio(weights @ values, weights.sum(axis=-1))


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Divide; 0 / 0 is nan, without a warning."""
    undefined = np.full(np.shape(numerator), np.nan)
    return np.asarray(np.divide(numerator, denominator, out=undefined, where=np.asarray(denominator) > 0))
