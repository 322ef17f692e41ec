"""That the alerts on drift and disagreement are none of chance's: where their limits come from.

Everybody may score a draft three times while working on it; each is counted, but says nothing new.
"""

import math
import re

import numpy as np
import pytest

from infra.lint_queries import QUERIES
from sentiment.manifest import Baseline, read_manifest
from tests.support.paths import ROOT

RESCORED = 3
RARELY = 0.01  # the share of looks at which chance may alarm


def limits(query: str) -> tuple[int, float]:
    """The numbers in the last line: how many predictions at least, and the limit."""
    at_least, limit = re.findall(r"[\d.]+", (QUERIES / f"{query}.kql").read_text().splitlines()[-1])
    return int(at_least), float(limit)


@pytest.fixture
def baseline() -> Baseline:
    baseline = read_manifest(ROOT / "models" / "lite").baseline
    assert baseline
    return baseline


def distances(live: np.ndarray, expected: np.ndarray, predictions: int) -> np.ndarray:
    """[20,000]: the total variation distance on so many days on which probabilities are spread as `live` is."""
    days = np.random.default_rng(7).multinomial(predictions // RESCORED, live, 20_000)
    return np.maximum(0, days / days.sum(axis=1, keepdims=True) - expected).sum(axis=1)


@pytest.mark.parametrize("even", [False, True])  # chance moves an even spread most
def test_chance_is_no_drift_of_probabilities_and_drift_is(baseline: Baseline, even: bool) -> None:
    at_least, limit = limits("probability_drift")
    expected = np.array([0.1] * 10 if even else baseline.probability)
    expected /= expected.sum()
    assert (distances(expected, expected, at_least) > limit).mean() < RARELY
    drifted = 0.65 * expected + 0.35 * np.eye(10)[9]  # a third of the texts are suddenly the most positive
    assert (distances(drifted, expected, at_least) > limit).mean() > 0.9


def test_chance_is_no_drift_of_words(baseline: Baseline) -> None:
    """Even if a text's words are all known or all unknown, which is when a mean varies most."""
    at_least, more = limits("unknown_words_drift")
    texts = at_least // RESCORED
    assert binomial_above(texts, baseline.unknown, texts * (baseline.unknown + more)) < RARELY


def test_chance_is_no_disagreement() -> None:
    """Even if people report an error three times as readily as they praise."""
    at_least, times = limits("feedback_disagreement")
    wrong = 1 - read_manifest(ROOT / "models" / "champion").metrics["validation"].values["accuracy"]
    assert binomial_above(at_least, 3 * wrong / (3 * wrong + 1 - wrong), at_least / times) < RARELY


def binomial_above(n: int, p: float, limit: float) -> float:
    """P(X > limit) for X successes in n trials of probability p."""
    return sum(math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1) if k > limit)
