import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentiment.manifest import Calibration, Thresholds
from training.evaluation import metrics

RNG = np.random.default_rng(0)


def noisy(n: int) -> tuple[metrics.Labels, metrics.Floats]:
    """Labels and honest probabilities of them."""
    probability = RNG.uniform(size=n)
    return (RNG.uniform(size=n) < probability).astype(np.int8), probability


def test_thresholds_reach_their_precision_and_no_wider_one_does() -> None:
    labels, probability = noisy(20_000)
    chosen = metrics.choose_thresholds(labels, probability)
    assert (labels[probability >= chosen.publish] == 1).mean() >= metrics.PRECISION
    assert (labels[probability <= chosen.hold] == 0).mean() >= metrics.PRECISION
    assert (labels[probability >= chosen.publish - 0.05] == 1).mean() < metrics.PRECISION
    assert 0.9 < chosen.publish < 0.95 and 0.05 < chosen.hold < 0.1  # P(right | p ≥ t) = (1 + t) / 2, and a margin


def test_a_perfect_model_still_leaves_each_side_its_own() -> None:
    labels = np.array([0] * 100 + [1] * 100, np.int8)
    assert metrics.choose_thresholds(labels, np.linspace(0, 1, 200)) == Thresholds(publish=0.5, hold=0.4999)


def test_a_useless_model_decides_nothing() -> None:
    labels, probability = np.array([0, 1] * 100, np.int8), np.full(200, 0.9)
    chosen = metrics.choose_thresholds(labels, probability)
    assert chosen == Thresholds(publish=1.0001, hold=-0.0001)
    values = metrics.evaluate(labels, probability, chosen)
    assert values["publish_recall"] == values["hold_recall"] == 0
    assert not {"publish_precision", "hold_precision"} & set(values)  # of what it never says, none


def test_what_is_never_decided_is_named() -> None:
    assert metrics.unreachable_decisions(Thresholds(publish=1.0001, hold=-0.0001)) == ["publish", "hold"]
    assert metrics.unreachable_decisions(Thresholds(publish=1, hold=-0.0001)) == ["hold"]
    assert metrics.unreachable_decisions(Thresholds(publish=1, hold=0)) == []  # a probability may be 0 or 1


def test_a_handful_of_lucky_texts_is_no_threshold() -> None:
    """The best this model ever does is 70%; its first texts are right by chance, often several in a row."""
    chosen = []
    for seed in range(200):
        random = np.random.default_rng(seed)
        probability = random.uniform(size=2000)
        labels = (random.uniform(size=2000) < 0.3 + 0.4 * probability).astype(np.int8)
        chosen.append(metrics.choose_thresholds(labels, probability).publish <= 1)
    assert sum(chosen) < 10


def test_calibration_finds_the_truth() -> None:
    labels, probability = noisy(50_000)
    logit = np.log(probability / (1 - probability))
    found = metrics.calibrate(labels, 3 * logit + 1)
    assert found.slope == pytest.approx(1 / 3, rel=0.05) and found.intercept == pytest.approx(-1 / 3, abs=0.05)
    np.testing.assert_allclose(metrics.probability(logit, Calibration()), probability)


def test_calibration_error_is_the_gap() -> None:
    labels, probability = noisy(50_000)
    assert metrics.calibration_error(labels, probability) < 0.02
    assert metrics.calibration_error(labels, np.clip(probability + 0.2, 0, 1)) == pytest.approx(0.18, abs=0.02)


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=2))
def test_figures_are_shares(rows: list[tuple[bool, float]]) -> None:
    labels = np.array([True, False] + [label for label, _ in rows]).astype(np.int8)
    probability = np.array([0.6, 0.4] + [p for _, p in rows])
    values = metrics.evaluate(labels, probability, Thresholds(0.9, 0.1))
    assert all(0 <= value <= 1 for value in values.values())
    assert values["accuracy"] == pytest.approx(((probability >= 0.5) == (labels == 1)).mean(), abs=1e-4)


def test_a_few_texts_without_a_mistake_do_not_make_a_model_certain() -> None:
    labels = np.array([0] * 10 + [1] * 10, np.int8)
    found = metrics.calibrate(labels, np.linspace(-1, 1, 20))
    assert 0.95 < metrics.probability(np.array([1.0]), found)[0] < 0.99

    labels, logit = np.array([0] + [1] * 9, np.int8), np.zeros(10)  # all that can be said is how many are positive
    target = (9 * 10 / 11 + 1 / 3) / 10  # Platt's: (N₊ + 1) / (N₊ + 2) and 1 / (N₋ + 2)
    assert metrics.probability(logit, metrics.calibrate(labels, logit)) == pytest.approx([target] * 10, abs=1e-4)


def test_where_nothing_is_called_positive_there_is_no_precision() -> None:
    labels, probability = np.array([0, 1], np.int8), np.array([0.1, 0.2])
    assert "precision" not in metrics.quality(labels, probability)
    assert metrics.quality(labels, probability + 0.3)["precision"] == 1
