"""The loop that trains a Keras model: what it spends its budget on, when it slows down and stops, what it keeps."""

from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest

from training.families import RunContext
from training.families.neural import trainer
from training.families.neural.encoded_texts import EncodedExamples, EncodedTexts


@pytest.mark.parametrize(("epochs", "longest"), [(2.5, 300), (0.3, 300), (1, 700), (3, 100_000), (0.0001, 10)])
def test_the_budget_is_what_epochs_says_and_is_spent_evenly(epochs: float, longest: int) -> None:
    schedule = trainer.Schedule(epochs=epochs, eval_interval=longest, batch_size=50)
    parts = trainer.eval_intervals(700, schedule)
    assert [i for part in parts for i in part] == list(range(max(1, round(700 * epochs))))
    assert max(map(len, parts)) <= longest and max(map(len, parts)) - min(map(len, parts)) <= 1
    lengths = np.random.default_rng(1).integers(1, 30, 700)
    batches = [rows for part in parts for rows in trainer.interval_batches(lengths, schedule, part)]
    assert max(map(len, batches)) <= 50
    seen = np.bincount(np.concatenate(batches), minlength=700)
    assert set(seen) <= {int(epochs), int(epochs) + 1} and seen.sum() == max(1, round(700 * epochs))


class Told(NamedTuple):
    """What a training said after a round, and the weights it had then."""

    step: int
    figures: dict[str, float]
    weights: list[Any]


def trained(folder: Path, **settings: Any) -> tuple[list[Any], list[Told], list[Any]]:
    """The weights before, after every round, and at last, of a mean of words: eight texts, a batch a round."""
    trainer.set_dtype("float32")
    ids = keras.Input((None,), dtype="int32")
    mean = keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(4, 1, name="embedding")(ids))
    model = keras.Model(ids, mean)
    before = model.get_weights()
    texts = EncodedTexts(np.arange(8, dtype=np.int32) % 4, np.arange(9))
    labels = (np.arange(8) % 2).astype(np.int8)
    schedule = trainer.Schedule(
        eval_interval=8, batch_size=8, learning_rate=0.1, warmup_proportion=0, dtype="float32", **settings
    )
    told: list[Told] = []
    context = RunContext(folder, lambda step, figures: told.append(Told(step, figures, model.get_weights())))
    train, validation = (EncodedExamples(texts, target) for target in (labels.astype(np.float32), labels))
    trainer.fit(model, train, validation, schedule, context)
    return before, told, model.get_weights()


def test_a_training_that_no_longer_gets_better_slows_down_then_stops_and_the_most_precise_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = zip([0.5, 0.6, 0.6, 0.6], [0.6, 0.9, 0.7, 0.7], strict=True)
    monkeypatch.setattr(
        trainer, "evaluate_logits", lambda *_: dict(zip(("loss", "precision"), next(looks), strict=True))
    )
    _, told, last = trained(tmp_path, epochs=10, patience=1, max_lr_reductions=1)
    assert [after.step for after in told] == [1, 2, 3]
    rates = [after.figures["rate"] for after in told]
    assert rates == pytest.approx([0.1, 0.1 * 0.9, 0.1 * 0.8 * trainer.LR_FACTOR])
    np.testing.assert_array_equal(last[0], told[1].weights[0])
    assert (last[0] != told[2].weights[0]).any()


@pytest.mark.parametrize(("passes", "moves"), [(1, True), (2, False)])
def test_weights_move_when_enough_passes_are_accumulated(tmp_path: Path, passes: int, moves: bool) -> None:
    before, (after,), _ = trained(tmp_path, gradient_accumulation_steps=passes)
    assert (after.weights[0] != before[0]).any() == moves
