"""Why the limits of the drift and disagreement alerts are what they are: random variation seldom exceeds them.

Assumption: everybody scores each draft three times while editing it. All three count, but only one is independent.
"""

import math
import re

import numpy as np
import pytest

from infra.lint_queries import QUERIES
from sentiment.manifest import Baseline, read_manifest
from tests.support.paths import ROOT

PREDICTIONS_PER_DRAFT = 3
MAX_FALSE_ALARM_RATE = 0.01  # of the evaluations


def limits(query: str) -> tuple[int, float]:
    """Return the numbers in the last line of a query: the minimum number of predictions, and the limit."""
    min_predictions, limit = re.findall(r"[\d.]+", (QUERIES / f"{query}.kql").read_text().splitlines()[-1])
    return int(min_predictions), float(limit)


@pytest.fixture
def baseline() -> Baseline:
    baseline = read_manifest(ROOT / "models" / "lite").baseline
    assert baseline
    return baseline


def distances(live: np.ndarray, expected: np.ndarray, predictions: int) -> np.ndarray:
    """Simulate 20,000 days with the distribution `live`. Return the total variation distance of each, [20,000]."""
    days = np.random.default_rng(7).multinomial(predictions // PREDICTIONS_PER_DRAFT, live, 20_000)
    return np.maximum(0, days / days.sum(axis=1, keepdims=True) - expected).sum(axis=1)


@pytest.mark.parametrize("uniform", [False, True])  # a uniform distribution varies most
def test_probability_drift_alerts_on_drift_and_not_on_random_variation(baseline: Baseline, uniform: bool) -> None:
    min_predictions, limit = limits("probability_drift")
    expected = np.array([0.1] * 10 if uniform else baseline.probability)
    expected /= expected.sum()
    assert (distances(expected, expected, min_predictions) > limit).mean() < MAX_FALSE_ALARM_RATE
    drifted = 0.65 * expected + 0.35 * np.eye(10)[9]  # a third of the texts move to the highest bucket
    assert (distances(drifted, expected, min_predictions) > limit).mean() > 0.9


def test_unknown_words_drift_ignores_random_variation(baseline: Baseline) -> None:
    """Even if the words of a text are all known or all unknown, the case with the largest variance."""
    min_predictions, more = limits("unknown_words_drift")
    texts = min_predictions // PREDICTIONS_PER_DRAFT
    assert binomial_above(texts, baseline.unknown_share, texts * (baseline.unknown_share + more)) < MAX_FALSE_ALARM_RATE


def test_feedback_disagreement_ignores_random_variation() -> None:
    """Even if people report a wrong prediction three times as often as a right one."""
    min_predictions, times = limits("feedback_disagreement")
    wrong = 1 - read_manifest(ROOT / "models" / "champion").metrics["validation"].values["accuracy"]
    assert (
        binomial_above(min_predictions, 3 * wrong / (3 * wrong + 1 - wrong), min_predictions / times)
        < MAX_FALSE_ALARM_RATE
    )


def binomial_above(n: int, p: float, limit: float) -> float:
    """Return P(X > limit) for a binomial X with n trials of probability p."""
    return sum(math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1) if k > limit)
