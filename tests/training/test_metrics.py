"""The table of metrics: every entry is scikit-learn's, weighted or not."""

from collections.abc import Callable
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, brier_score_loss, f1_score, precision_score, recall_score, roc_auc_score

from sentiment.manifest import Thresholds
from tests.training.calibrated import calibrated
from training.evaluation import metrics
from training.evaluation.metrics import METRICS, Floats, Labels, Predictions

THRESHOLDS = Thresholds(publish=0.9, hold=0.1)
RESAMPLES = 20


def calibrated_predictions(n: int, digits: int = 8) -> Predictions:
    """Return labels and calibrated probabilities of them; few digits make many ties."""
    labels, probability = calibrated(n)
    return metrics.predictions(labels, probability.round(digits), THRESHOLDS)


def resample_weights(n: int) -> Floats:
    random = np.random.default_rng(1)
    drawn = [random.integers(n, size=n) for _ in range(RESAMPLES)]
    return np.array([np.bincount(texts, minlength=n) for texts in drawn], np.float64)


type Reference = Callable[[Predictions, Floats], float]  # predictions, weights [n]


def of_positive(score: Callable[..., float]) -> Reference:
    return lambda p, w: score(p.labels, p.probability >= 0.5, sample_weight=w)


def of_negative(score: Callable[..., float]) -> Reference:
    return lambda p, w: score(p.labels, p.probability >= 0.5, sample_weight=w, pos_label=0)


REFERENCES: dict[str, Reference] = {
    "accuracy": of_positive(accuracy_score),
    "auc": lambda p, w: roc_auc_score(p.labels, p.probability, sample_weight=w),
    "precision": of_positive(precision_score),
    "recall": of_positive(recall_score),
    "f1": of_positive(f1_score),
    "negative_precision": of_negative(precision_score),
    "negative_recall": of_negative(recall_score),
    "negative_f1": of_negative(f1_score),
    "brier": lambda p, w: brier_score_loss(p.labels, p.probability, sample_weight=w),
    "publish_precision": lambda p, w: precision_score(p.labels, p.probability >= 0.9, sample_weight=w),
    "publish_recall": lambda p, w: recall_score(p.labels, p.probability >= 0.9, sample_weight=w),
    "hold_precision": lambda p, w: precision_score(1 - p.labels, p.probability <= 0.1, sample_weight=w),
    "hold_recall": lambda p, w: recall_score(1 - p.labels, p.probability <= 0.1, sample_weight=w),
}


@pytest.mark.parametrize("digits", [8, 1])
@pytest.mark.parametrize("name", REFERENCES)
def test_weighted_metric_equals_scikit_learns(name: str, digits: int) -> None:
    p, weights = calibrated_predictions(200, digits), resample_weights(200)
    expected = [REFERENCES[name](p, row) for row in weights]
    assert METRICS[name].compute(p, weights) == pytest.approx(expected)
    assert METRICS[name].compute(p, weights[0]) == pytest.approx(expected[0])
    assert METRICS[name].compute(p, np.ones(200)) == pytest.approx(REFERENCES[name](p, np.ones(200)))


def test_every_metric_has_a_reference() -> None:
    assert METRICS.keys() - REFERENCES.keys() == {"ece"}  # which scikit-learn does not have


def test_calibration_error_is_mean_gap_between_probability_and_frequency() -> None:
    p = calibrated_predictions(50_000)
    assert metrics.calibration_error(p, np.ones(50_000)) < 0.02
    shifted = p._replace(probability=np.clip(p.probability + 0.2, 0, 1))
    assert metrics.calibration_error(shifted, np.ones(50_000)) == pytest.approx(0.18, abs=0.02)


def test_calibration_error_of_resamples_is_that_of_each_resample() -> None:
    p, weights = calibrated_predictions(200), resample_weights(200)
    expected = [float(METRICS["ece"].compute(p, row)) for row in weights]
    assert METRICS["ece"].compute(p, weights) == pytest.approx(expected)
    assert len(set(expected)) == RESAMPLES


def test_calibration_error_weighs_the_gap_of_each_bin() -> None:
    """30 texts are two in each of 15 bins, and all weights but those of two bins are 0."""
    probability = np.arange(1, 31) / 31
    labels, weights = np.zeros(30, np.int8), np.zeros(30)
    labels[[1, 29]] = 1
    weights[[0, 1, 28, 29]] = 1, 2, 3, 0
    # Bin 1: 1 × 1/31 + 2 × (2/31 - 1) = -57/31. Bin 15: 3 × 29/31 = 87/31. Six texts in all.
    expected = (57 / 31 + 87 / 31) / 6
    assert METRICS["ece"].compute(metrics.predictions(labels, probability), weights) == pytest.approx(expected)


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=2))
def test_metrics_are_between_0_and_1(rows: list[tuple[bool, float]]) -> None:
    labels = np.array([True, False] + [label for label, _ in rows]).astype(np.int8)
    probability = np.array([0.6, 0.4] + [p for _, p in rows])
    values = metrics.compute_metrics(metrics.predictions(labels, probability, THRESHOLDS))
    assert all(0 <= value <= 1 for value in values.values())
    assert values["accuracy"] == pytest.approx(((probability >= 0.5) == (labels == 1)).mean(), abs=1e-4)


def evaluate(labels: list[int], probability: list[float]) -> dict[str, float]:
    found: Labels = np.array(labels, np.int8)
    return metrics.compute_metrics(
        metrics.predictions(found, np.array(probability), THRESHOLDS), get_args(metrics.Group.__value__)
    )


def test_precision_is_left_out_if_no_text_is_predicted() -> None:
    assert "precision" not in evaluate([0, 1], [0.1, 0.2])
    assert evaluate([0, 1], [0.4, 0.5])["precision"] == 1
    assert not {"publish_precision", "hold_precision"} & evaluate([0, 1], [0.4, 0.5]).keys()


def test_auc_and_recall_are_left_out_if_a_class_is_missing() -> None:
    only_positive = evaluate([1, 1], [0.1, 0.9])
    assert not {"auc", "negative_recall", "hold_recall"} & only_positive.keys() and only_positive["recall"] == 0.5
    only_negative = evaluate([0, 0], [0.1, 0.2])
    assert not {"auc", "recall", "publish_recall", "f1"} & only_negative.keys() and only_negative["hold_recall"] == 0.5


def test_recall_of_decision_that_is_never_made_is_0() -> None:
    values = metrics.compute_metrics(metrics.predictions(np.array([0, 1], np.int8), np.array([0.1, 0.9])))
    assert values["publish_recall"] == values["hold_recall"] == 0
    assert not {"publish_precision", "hold_precision"} & values.keys()


def test_break_even_precision_equals_recall_there() -> None:
    p = calibrated_predictions(1000)
    threshold = np.sort(p.probability)[-p.labels.sum()]
    expected = precision_score(p.labels, p.probability >= threshold)
    assert expected == recall_score(p.labels, p.probability >= threshold)
    assert metrics.break_even(p.labels, p.probability) == expected
    assert metrics.break_even(p.labels, np.stack([1 - p.probability, p.probability], axis=1)) == expected
