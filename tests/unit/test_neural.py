"""The loop that trains a Keras model: what it spends its budget on."""

import numpy as np
import pytest

from training import neural


@pytest.mark.parametrize(("epochs", "longest"), [(2.5, 300), (0.3, 300), (1, 700), (3, 100_000), (0.0001, 10)])
def test_the_budget_is_what_epochs_says_and_is_spent_evenly(epochs: float, longest: int) -> None:
    schedule = neural.Schedule(epochs=epochs, round=longest, batch=50)
    parts = neural.rounds(700, schedule)
    assert [i for part in parts for i in part] == list(range(max(1, round(700 * epochs))))
    assert max(map(len, parts)) <= longest and max(map(len, parts)) - min(map(len, parts)) <= 1
    lengths = np.random.default_rng(1).integers(1, 30, 700)
    batches = [rows for part in parts for rows in neural.round_batches(lengths, schedule, part)]
    assert max(map(len, batches)) <= 50
    seen = np.bincount(np.concatenate(batches), minlength=700)
    assert set(seen) <= {int(epochs), int(epochs) + 1} and seen.sum() == max(1, round(700 * epochs))
