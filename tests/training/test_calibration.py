"""Platt scaling, thresholds and cross-fitting."""

import numpy as np
import pytest

from sentiment.manifest import Calibration, Thresholds
from tests.training.calibrated import calibrated
from training.evaluation import metrics
from training.evaluation.calibration import (
    MIN_PRECISION,
    calibrated_probability,
    choose_thresholds,
    cross_fit,
    fit_platt_scaling,
    unreachable_decisions,
)
from training.evaluation.metrics import Floats, Labels, Predictions

# --- thresholds ------------------------------------------------------------------------------------------------------


def test_thresholds_are_the_widest_with_the_required_precision() -> None:
    labels, probability = calibrated(20_000)
    chosen = choose_thresholds(labels, probability)
    assert (labels[probability >= chosen.publish] == 1).mean() >= MIN_PRECISION
    assert (labels[probability <= chosen.hold] == 0).mean() >= MIN_PRECISION
    assert (labels[probability >= chosen.publish - 0.05] == 1).mean() < MIN_PRECISION
    assert 0.9 < chosen.publish < 0.95 and 0.05 < chosen.hold < 0.1  # P(right | p ≥ t) = (1 + t) / 2, and a margin


def test_thresholds_of_perfect_model_meet_at_one_half() -> None:
    labels = np.array([0] * 100 + [1] * 100, np.int8)
    assert choose_thresholds(labels, np.linspace(0, 1, 200)) == Thresholds(publish=0.5, hold=0.4999)


def test_useless_model_decides_nothing() -> None:
    labels, probability = np.array([0, 1] * 100, np.int8), np.full(200, 0.9)
    chosen = choose_thresholds(labels, probability)
    assert chosen == metrics.REVIEW_ALL == Thresholds(publish=1.0001, hold=-0.0001)
    values = metrics.compute_metrics(metrics.predictions(labels, probability, chosen))
    assert values["publish_recall"] == values["hold_recall"] == 0
    assert not {"publish_precision", "hold_precision"} & set(values)


def test_names_unreachable_decisions() -> None:
    assert unreachable_decisions(Thresholds(publish=1.0001, hold=-0.0001)) == ["publish", "hold"]
    assert unreachable_decisions(Thresholds(publish=1, hold=-0.0001)) == ["hold"]
    assert unreachable_decisions(Thresholds(publish=1, hold=0)) == []  # a probability can be exactly 0 or 1


def test_few_lucky_texts_are_not_enough_for_a_threshold() -> None:
    """The model is never more than 70% precise; its first texts are right by chance, often several in a row."""
    decides = []
    for seed in range(200):
        random = np.random.default_rng(seed)
        probability = random.uniform(size=2000)
        labels = (random.uniform(size=2000) < 0.3 + 0.4 * probability).astype(np.int8)
        decides.append(choose_thresholds(labels, probability).publish <= 1)
    assert sum(decides) < 10


# --- Platt scaling ---------------------------------------------------------------------------------------------------


def test_platt_scaling_recovers_slope_and_intercept() -> None:
    labels, probability = calibrated(50_000)
    logit = np.log(probability / (1 - probability))
    found = fit_platt_scaling(labels, 3 * logit + 1)
    assert found.slope == pytest.approx(1 / 3, rel=0.05) and found.intercept == pytest.approx(-1 / 3, abs=0.05)
    np.testing.assert_allclose(calibrated_probability(logit, Calibration()), probability)


def test_few_texts_without_a_mistake_do_not_make_a_model_certain() -> None:
    labels = np.array([0] * 10 + [1] * 10, np.int8)
    found = fit_platt_scaling(labels, np.linspace(-1, 1, 20))
    assert 0.95 < calibrated_probability(np.array([1.0]), found)[0] < 0.99


def test_platt_scaling_of_constant_logits_is_the_mean_of_platts_targets() -> None:
    labels, logit = np.array([0] + [1] * 9, np.int8), np.zeros(10)
    target = (9 * 10 / 11 + 1 / 3) / 10  # (N₊ + 1) / (N₊ + 2) and 1 / (N₋ + 2)
    assert calibrated_probability(logit, fit_platt_scaling(labels, logit)) == pytest.approx([target] * 10, abs=1e-4)


# --- cross-fitting ---------------------------------------------------------------------------------------------------


def brier(labels: Labels, probability: Floats) -> float:
    return metrics.compute_metrics(metrics.predictions(labels, probability))["brier"]


def test_cross_fitted_metrics_of_useless_logits_are_worse_than_fitted_ones() -> None:
    random = np.random.default_rng(0)
    labels = random.integers(2, size=60).astype(np.int8)
    fitted, cross_fitted = [], []
    for logit in random.normal(size=(30, 60)):
        fitted.append(brier(labels, calibrated_probability(logit, fit_platt_scaling(labels, logit))))
        cross_fitted.append(brier(labels, cross_fit(labels, logit).probability))
    constant = float(labels.mean() * (1 - labels.mean()))
    assert max(fitted) <= constant + 1e-3 and np.mean(cross_fitted) > constant


def test_cross_fitted_decisions_are_those_of_calibrated_probabilities() -> None:
    random = np.random.default_rng(0)
    logit = random.normal(0, 3, 4000)
    true_probability = calibrated_probability(logit, Calibration())
    labels = (random.uniform(size=4000) < true_probability).astype(np.int8)
    fitted = cross_fit(labels, 2 * logit - 1)
    true_predictions = metrics.predictions(labels, true_probability, choose_thresholds(labels, true_probability))
    expected = metrics.compute_metrics(true_predictions, ["decision"])
    assert metrics.compute_metrics(fitted, ["decision"]) == pytest.approx(expected, abs=0.02)
    assert np.abs(fitted.probability - true_probability).max() < 0.05


def test_labels_of_a_fold_do_not_change_its_predictions() -> None:
    random = np.random.default_rng(0)
    logit = random.normal(0, 3, 1000)
    labels = (random.uniform(size=1000) < calibrated_probability(logit, Calibration())).astype(np.int8)

    def flipped(where: object) -> Predictions:
        others = labels.copy()
        others[where] = 1 - others[where]
        return cross_fit(others, logit)

    before = cross_fit(labels, logit)
    fold = before.probability == flipped(0).probability
    assert fold[0] and fold.sum() == 200
    after = flipped(fold)
    for field in ("probability", "publish", "hold"):
        unchanged = getattr(before, field) == getattr(after, field)
        assert unchanged[fold].all() and not unchanged.all()
