"""95% confidence intervals of metrics, by the percentile bootstrap.

Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13. A resample is a row of weights: how often it
holds each text. So texts are sorted once per chunk of resamples, not for each of a thousand resamples.

With few texts, or where nearly all are right, the interval is too narrow: it knows only the texts it was given.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import batched

import numpy as np

from .metrics import METRICS, Floats, Predictions, Weights

type Interval = tuple[float, float]

RESAMPLES_PER_CHUNK = 25  # resamples held in memory at once: 25 × 30,000 texts × 8 bytes are 6 MB
QUANTILES = (0.025, 0.975)


def intervals(
    names: Iterable[str], predictions: Predictions, resamples: int = 1000, seed: int = 0
) -> dict[str, Interval]:
    """Return the interval of each named metric. Equal arguments give equal intervals.

    Raises ValueError if there are no texts, or if a metric is undefined (nan) in every resample.
    """
    weights = _resamples(len(predictions.labels), resamples, seed)
    return _intervals(names, lambda name, w: METRICS[name].compute(predictions, w), weights)


def paired_differences(
    names: Iterable[str], one: Predictions, other: Predictions, resamples: int = 1000, seed: int = 0
) -> dict[str, Interval]:
    """Return the interval of `one - other` for each named metric, for two models' predictions of the same texts.

    Both are measured on the same resamples, so texts that are hard for both models do not widen the interval. Raises
    ValueError as `intervals` does.
    """
    weights = _resamples(len(one.labels), resamples, seed)
    return _intervals(names, lambda name, w: METRICS[name].compute(one, w) - METRICS[name].compute(other, w), weights)


def _intervals(
    names: Iterable[str], statistic: Callable[[str, Weights], Floats], chunks: Iterable[Weights]
) -> dict[str, Interval]:
    """Return the percentiles of `statistic` over all resamples, for each name. Draws no resamples without a name."""
    names = list(names)
    if not names:
        return {}
    values = [{name: statistic(name, weights) for name in names} for weights in chunks]
    return {name: _percentiles(np.concatenate([chunk[name] for chunk in values])) for name in names}


def _resamples(n: int, resamples: int, seed: int) -> Iterator[Weights]:
    if not n:
        raise ValueError("there is nothing to resample")
    random = np.random.default_rng(seed)
    for chunk in batched(range(resamples), RESAMPLES_PER_CHUNK, strict=False):
        yield np.array([np.bincount(random.integers(n, size=n), minlength=n) for _ in chunk], np.float64)


def _percentiles(values: Floats) -> Interval:
    defined = values[~np.isnan(values)]
    if not len(defined):
        raise ValueError("the metric is undefined in every resample")
    low, high = np.quantile(defined, QUANTILES)
    return float(low), float(high)
