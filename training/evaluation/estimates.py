"""The metrics of some texts, with confidence intervals where there are enough texts."""

from typing import Self

import msgspec

from . import bootstrap, metrics
from .bootstrap import Interval
from .metrics import METRICS, Floats, Labels, Predictions

MIN_INTERVAL_TEXTS = 30  # with fewer, an interval would be far too narrow


class Estimates(msgspec.Struct, frozen=True):
    """Metrics of some texts: those that the texts define."""

    n: int
    positive: float  # the share of label 1
    values: dict[str, float]
    intervals: dict[str, Interval]  # 95%, bootstrap; of metrics.PRIMARY

    @classmethod
    def without_intervals(cls, predictions: Predictions) -> Self:
        labels = predictions.labels
        return cls(len(labels), float(labels.mean()), metrics.compute_metrics(predictions), {})


class MetricEstimate(msgspec.Struct, frozen=True):
    """A metric with its 95% bootstrap interval."""

    value: float
    interval: Interval


def estimate(predictions: Predictions) -> Estimates:
    """Return the metrics of at least one text, and intervals for MIN_INTERVAL_TEXTS texts or more."""
    found = Estimates.without_intervals(predictions)
    if found.n < MIN_INTERVAL_TEXTS:
        return found
    names = [name for name in metrics.PRIMARY if name in found.values]
    return msgspec.structs.replace(found, intervals=bootstrap.intervals(names, predictions))


def estimate_compared(labels: Labels, probability: Floats) -> dict[str, MetricEstimate]:
    """Return the metrics that `compare` shows of a model, with their intervals, by title."""
    predictions = metrics.predictions(labels, probability)
    values = metrics.compute_metrics(predictions, metrics.COMPARED, metrics.COMPARED_DIGITS)
    intervals = bootstrap.intervals(values, predictions)
    return {METRICS[name].title: MetricEstimate(value, _rounded(intervals[name])) for name, value in values.items()}


def _rounded(interval: Interval) -> Interval:
    low, high = interval
    return round(low, metrics.COMPARED_DIGITS), round(high, metrics.COMPARED_DIGITS)
