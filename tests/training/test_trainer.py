"""The training loop of Keras models: its budget, its learning rate, early stopping, the weights it ends with."""

from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest

from training.families import RunContext
from training.families.neural import checkpoint, trainer
from training.families.neural.encoded_texts import EncodedExamples, EncodedTexts

N_TEXTS = 700


@pytest.fixture(params=[(2.5, 300), (0.3, 300), (1, 700), (3, 100_000), (0.0001, 10)])
def schedule(request: pytest.FixtureRequest) -> trainer.Schedule:
    epochs, eval_interval = request.param
    return trainer.Schedule(epochs=epochs, eval_interval=eval_interval, batch_size=50)


def budget(schedule: trainer.Schedule) -> int:
    return max(1, round(N_TEXTS * schedule.epochs))


def test_intervals_divide_the_budget_evenly(schedule: trainer.Schedule) -> None:
    intervals = trainer.eval_intervals(N_TEXTS, schedule)
    assert [i for interval in intervals for i in interval] == list(range(budget(schedule)))
    lengths = list(map(len, intervals))
    assert max(lengths) <= schedule.eval_interval and max(lengths) - min(lengths) <= 1


def test_batches_use_every_text_once_before_one_twice(schedule: trainer.Schedule) -> None:
    lengths = np.random.default_rng(1).integers(1, 30, N_TEXTS)
    intervals = trainer.eval_intervals(N_TEXTS, schedule)
    batches = [rows for interval in intervals for rows in trainer.interval_batches(lengths, schedule, interval)]
    assert max(map(len, batches)) <= schedule.batch_size
    uses = np.bincount(np.concatenate(batches), minlength=N_TEXTS)
    assert set(uses) <= {int(schedule.epochs), int(schedule.epochs) + 1} and uses.sum() == budget(schedule)


class Report(NamedTuple):
    """The metrics and the weights after an interval."""

    step: int
    metrics: dict[str, float]
    weights: list[Any]


class Training(NamedTuple):
    initial_weights: list[Any]
    reports: list[Report]
    final_weights: list[Any]


def train(folder: Path, **settings: Any) -> Training:
    """Train a mean of word vectors on eight texts, with one batch an interval."""
    trainer.set_dtype("float32")
    ids = keras.Input((None,), dtype="int32")
    mean = keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(4, 1, name="embedding")(ids))
    model = keras.Model(ids, mean)
    initial_weights = model.get_weights()
    texts = EncodedTexts(np.arange(8, dtype=np.int32) % 4, np.arange(9))
    labels = (np.arange(8) % 2).astype(np.int8)
    schedule = trainer.Schedule(
        eval_interval=8, batch_size=8, learning_rate=0.1, warmup_proportion=0, dtype="float32", **settings
    )
    reports: list[Report] = []
    context = RunContext(folder, lambda step, metrics: reports.append(Report(step, metrics, model.get_weights())))
    targets = EncodedExamples(texts, labels.astype(np.float32))
    trainer.fit(model, targets, EncodedExamples(texts, labels), schedule, context)
    return Training(initial_weights, reports, model.get_weights())


@pytest.fixture(scope="module")
def plateau(tmp_path_factory: pytest.TempPathFactory) -> Training:
    """Train with losses that rise from the second interval on, in which precision is highest."""
    losses, precisions = [0.5, 0.6, 0.6, 0.6], [0.6, 0.9, 0.7, 0.7]
    scores = iter([{"loss": loss, "precision": p} for loss, p in zip(losses, precisions, strict=True)])
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(trainer, "evaluate_logits", lambda *_: next(scores))
        return train(tmp_path_factory.mktemp("plateau"), epochs=10, patience=1, max_lr_reductions=1)


def test_reduces_the_learning_rate_on_a_plateau_then_stops(plateau: Training) -> None:
    assert [report.step for report in plateau.reports] == [1, 2, 3]
    rates = [report.metrics["rate"] for report in plateau.reports]
    assert rates == pytest.approx([0.1, 0.1 * 0.9, 0.1 * 0.8 * trainer.LR_FACTOR])


def test_ends_with_the_most_precise_weights(plateau: Training) -> None:
    (final,) = plateau.final_weights
    np.testing.assert_array_equal(final, plateau.reports[1].weights[0])
    assert (final != plateau.reports[2].weights[0]).any()


@pytest.mark.parametrize(("steps", "changes"), [(1, True), (2, False)])
def test_updates_weights_when_enough_gradients_are_accumulated(tmp_path: Path, steps: int, changes: bool) -> None:
    training = train(tmp_path, gradient_accumulation_steps=steps)
    (report,) = training.reports
    assert (report.weights[0] != training.initial_weights[0]).any() == changes


@pytest.mark.parametrize("name", [checkpoint.LAST_FILE, checkpoint.BEST_FILE])
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and no more", b"\x93NUMPY", None])
def test_reports_a_damaged_checkpoint_in_one_line(name: str, content: bytes | None, tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    checkpoint.save(model, tmp_path, checkpoint.TrainingState())
    checkpoint.save_best(model, tmp_path)
    before = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(before[: len(before) // 2] if content is None else content)
    read = checkpoint.restore if name == checkpoint.LAST_FILE else checkpoint.restore_best
    with pytest.raises(SystemExit, match=rf"{name}: cannot be read \(.*; remove its folder to train from") as raised:
        read(model, tmp_path)
    assert "\n" not in str(raised.value)
