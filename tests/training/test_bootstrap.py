import numpy as np
import pytest
from sklearn.metrics import accuracy_score, brier_score_loss, roc_auc_score

from training.evaluation.bootstrap import Counts, Statistic, accuracy, auc, brier, difference, interval
from training.evaluation.metrics import Floats, Labels


def noisy(n: int, seed: int = 0, digits: int = 8) -> tuple[Labels, Floats]:
    """Labels and honest probabilities of them; few digits make many ties."""
    random = np.random.default_rng(seed)
    probability = random.uniform(size=n)
    return (random.uniform(size=n) < probability).astype(np.int8), probability.round(digits)


@pytest.mark.parametrize("digits", [8, 1])
def test_statistics_are_those_of_the_resampled_texts(digits: int) -> None:
    labels, probability = noisy(200, digits=digits)
    random = np.random.default_rng(1)
    drawn = [random.integers(200, size=200) for _ in range(20)]
    counts = np.array([np.bincount(rows, minlength=200) for rows in drawn], float)
    assert accuracy(labels, probability, counts) == pytest.approx(
        [accuracy_score(labels[rows], probability[rows] >= 0.5) for rows in drawn]
    )
    assert auc(labels, probability, counts) == pytest.approx(
        [roc_auc_score(labels[rows], probability[rows]) for rows in drawn]
    )
    assert brier(labels, probability, counts) == pytest.approx(
        [brier_score_loss(labels[rows], probability[rows]) for rows in drawn]
    )


def test_an_accuracy_moves_as_much_as_the_binomial_says() -> None:
    labels, probability = noisy(4000)
    low, high = interval(accuracy, labels, probability)
    right = ((probability >= 0.5) == labels).mean()
    spread = 1.96 * np.sqrt(right * (1 - right) / 4000)
    assert (low, high) == pytest.approx((right - spread, right + spread), abs=0.002)


@pytest.mark.parametrize(("statistic", "truth"), [(accuracy, 0.75), (auc, 5 / 6)])  # of honest, uniform probabilities
def test_nineteen_of_twenty_intervals_hold_the_truth(statistic: Statistic, truth: float) -> None:
    intervals = [interval(statistic, *noisy(300, seed), resamples=200) for seed in range(200)]
    assert 180 <= sum(low <= truth <= high for low, high in intervals) <= 199


def test_equal_arguments_give_equal_intervals() -> None:
    labels, probability = noisy(500)
    assert interval(auc, labels, probability) == interval(auc, labels, probability)
    assert interval(auc, labels, probability) != interval(auc, labels, probability, seed=1)


def test_a_paired_difference_is_of_the_same_texts() -> None:
    labels, better = noisy(2000)
    worse = np.clip(better + np.random.default_rng(2).normal(0, 0.3, size=2000), 0, 1)
    assert difference(accuracy, labels, better, better) == (0, 0)
    low, high = difference(accuracy, labels, better, worse)
    assert 0 < low < high
    assert difference(accuracy, labels, worse, better) == pytest.approx((-high, -low))
    separate = [interval(accuracy, labels, probability) for probability in (better, worse)]
    assert high - low < 0.8 * sum(b - a for a, b in separate)


def test_resamples_of_one_class_do_not_count_and_nothing_else_is_an_error() -> None:
    labels, probability = np.array([1, 0, 0, 0], np.int8), np.array([0.9, 0.1, 0.2, 0.3])
    assert interval(auc, labels, probability) == (1, 1)
    with pytest.raises(ValueError, match="undefined in every resample"):
        interval(auc, np.zeros(4, np.int8), probability)
    with pytest.raises(ValueError, match="nothing to resample"):
        interval(accuracy, labels[:0], probability[:0])


def test_any_figure_can_be_a_statistic() -> None:
    def brier(labels: Labels, probability: Floats, counts: Counts) -> Floats:
        return np.asarray(counts @ (probability - labels) ** 2 / counts.sum(axis=1))

    low, high = interval(brier, *noisy(1000))
    assert low < 1 / 6 < high
