"""Summarise samples: median, 95th percentile, ratio to a baseline, and whether a limit holds."""

import math
import statistics
from collections.abc import Sequence
from typing import Literal

import msgspec

type Bounded = Literal["p50", "p95", "ratio"]


class Measurement(msgspec.Struct, frozen=True, omit_defaults=True):
    """The summary of `n` samples. `limit` applies to the value that `bounded` names."""

    name: str
    unit: str  # of p50, p95 and baseline
    n: int
    p50: float
    p95: float | None = None
    baseline: float | None = None  # median of the samples to compare with
    ratio: float | None = None  # p50 / baseline
    bounded: Bounded | None = None
    limit: float | None = None
    holds: bool | None = None


def percentile(samples: Sequence[float], share: float) -> float:
    """Return the percentile by nearest rank: a `share` of the samples, 0 … 1, is no larger."""
    return sorted(samples)[math.ceil(share * len(samples)) - 1]


def summarise(
    name: str,
    unit: str,
    samples: Sequence[float],
    *,
    baseline: Sequence[float] = (),
    bounded: Bounded | None = None,
    limit: float | None = None,
) -> Measurement:
    """Summarise samples, rounded to four digits. p95 is by nearest rank: of ten samples, the largest."""
    values: dict[str | None, float] = {"p50": statistics.median(samples)}
    if len(samples) > 1:
        values["p95"] = percentile(samples, 0.95)
    if baseline:
        values["baseline"] = statistics.median(baseline)
        values["ratio"] = values["p50"] / values["baseline"]
    holds = None if limit is None else values[bounded] <= limit
    rounded = {str(key): float(f"{value:.4g}") for key, value in values.items()}
    return Measurement(name, unit, len(samples), **rounded, bounded=bounded, limit=limit, holds=holds)
