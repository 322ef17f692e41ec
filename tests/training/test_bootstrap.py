import numpy as np
import pytest

from tests.training.calibrated import calibrated
from training.evaluation import metrics
from training.evaluation.bootstrap import intervals, paired_differences
from training.evaluation.metrics import Predictions


def calibrated_predictions(n: int, seed: int = 0) -> Predictions:
    return metrics.predictions(*calibrated(n, seed))


def test_interval_of_accuracy_is_the_binomial_one() -> None:
    p = calibrated_predictions(4000)
    accuracy = ((p.probability >= 0.5) == p.labels).mean()
    spread = 1.96 * np.sqrt(accuracy * (1 - accuracy) / 4000)
    assert intervals(["accuracy"], p)["accuracy"] == pytest.approx((accuracy - spread, accuracy + spread), abs=0.002)


def test_intervals_contain_the_truth_19_times_in_20() -> None:
    truths = {"accuracy": 0.75, "auc": 5 / 6, "brier": 1 / 6}  # of calibrated, uniform probabilities
    found = [intervals(truths, calibrated_predictions(300, seed), resamples=200) for seed in range(200)]
    for name, truth in truths.items():
        assert 180 <= sum(low <= truth <= high for low, high in (each[name] for each in found)) <= 199


def test_equal_arguments_give_equal_intervals() -> None:
    p = calibrated_predictions(500)
    assert intervals(["auc"], p) == intervals(["auc"], p)
    assert intervals(["auc"], p) != intervals(["auc"], p, seed=1)


def test_interval_does_not_depend_on_the_other_metrics() -> None:
    p = calibrated_predictions(500)
    together = intervals(["accuracy", "auc"], p)
    assert together == intervals(["accuracy"], p) | intervals(["auc"], p)


def test_paired_difference_uses_the_same_resamples() -> None:
    better = calibrated_predictions(2000)
    noise = np.random.default_rng(2).normal(0, 0.3, size=2000)
    worse = metrics.predictions(better.labels, np.clip(better.probability + noise, 0, 1))
    assert paired_differences(["accuracy"], better, better) == {"accuracy": (0, 0)}
    low, high = paired_differences(["accuracy"], better, worse)["accuracy"]
    assert 0 < low < high
    assert paired_differences(["accuracy"], worse, better)["accuracy"] == pytest.approx((-high, -low))
    separate = [intervals(["accuracy"], p)["accuracy"] for p in (better, worse)]
    assert high - low < 0.8 * sum(b - a for a, b in separate)


def test_ignores_resamples_that_do_not_define_the_metric() -> None:
    p = metrics.predictions(np.array([1, 0, 0, 0], np.int8), np.array([0.9, 0.1, 0.2, 0.3]))
    assert intervals(["auc"], p) == {"auc": (1, 1)}


def test_rejects_metric_that_no_resample_defines() -> None:
    p = metrics.predictions(np.zeros(4, np.int8), np.array([0.9, 0.1, 0.2, 0.3]))
    with pytest.raises(ValueError, match="undefined in every resample"):
        intervals(["auc"], p)


def test_draws_no_resamples_without_a_metric(monkeypatch: pytest.MonkeyPatch) -> None:
    p = calibrated_predictions(50)
    monkeypatch.setattr(np.random, "default_rng", lambda seed: pytest.fail("drew a resample"))
    assert intervals([], p) == paired_differences([], p, p) == {}


def test_rejects_no_texts() -> None:
    with pytest.raises(ValueError, match="nothing to resample"):
        intervals(["accuracy"], metrics.predictions(np.zeros(0, np.int8), np.zeros(0)))
