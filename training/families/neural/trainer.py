"""The training loop of every Keras model here. It can be stopped at any time, and resumes from its last checkpoint.

The budget is a number of texts. It is spent in intervals; after each one the model is evaluated on validation texts and
saved, and the learning rate is reduced if the loss no longer falls. The texts of an interval and their order depend on
the seed and on the interval alone, so a run that was killed and resumed gives the same model as one that was not.
"""

import logging
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import keras
import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from scipy.special import expit
from sklearn.metrics import log_loss

from training.evaluation import metrics
from training.evaluation.metrics import METRICS
from training.families.base import RunContext

from . import checkpoint
from .checkpoint import TrainingState
from .encoded_texts import EncodedExamples, EncodedTexts

LR_FACTOR = 0.3  # by which the learning rate is reduced on a plateau
CLIP_NORM = 1.0  # of all gradients together

console = Console(stderr=True)

type DType = Literal["auto", "float32", "bfloat16"]


class Schedule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    RENAMED: ClassVar[Mapping[str, str]] = {
        "round": "eval_interval",
        "glance": "eval_texts",
        "batch": "batch_size",
        "accumulate": "gradient_accumulation_steps",
        "rate": "learning_rate",
        "warmup": "warmup_proportion",
        "cuts": "max_lr_reductions",
        "precision": "dtype",
    }

    epochs: Annotated[float, Meta(gt=0)] = 1.0  # the budget: passes over the training texts, unless it stops early
    eval_interval: Annotated[int, Meta(ge=1)] = 50_000  # training texts between two evaluations, at most
    eval_texts: Annotated[int, Meta(ge=2)] = 6_000  # validation texts in an evaluation
    batch_size: Annotated[int, Meta(ge=1)] = 128
    gradient_accumulation_steps: Annotated[int, Meta(ge=1)] = 1  # batches in one update, for more than fits in memory
    learning_rate: Annotated[float, Meta(gt=0)] = 1e-3  # the peak; it falls linearly to 0 at the end of the budget
    warmup_proportion: Annotated[float, Meta(ge=0, lt=1)] = 0.02  # of the budget, in which the learning rate rises
    weight_decay: Annotated[float, Meta(ge=0)] = 0.01
    patience: Annotated[int, Meta(ge=1)] = 4  # intervals without a lower loss until the learning rate is reduced
    max_lr_reductions: Annotated[int, Meta(ge=0)] = 2  # then training stops
    dtype: DType = "auto"  # auto: mixed precision in bfloat16 if the processor supports it
    seed: int = 20


def set_dtype(dtype: DType) -> None:
    """Set the Keras dtype policy of the layers that are built from now on."""
    policy = "mixed_bfloat16" if dtype == "bfloat16" or (dtype == "auto" and _has_bfloat16()) else "float32"
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # it warns whenever a batch is longer than those before
    keras.utils.clear_session()  # frees earlier models
    keras.config.set_dtype_policy(policy)


def _has_bfloat16() -> bool:
    """Return whether this machine multiplies bfloat16 faster than float32."""
    if keras.distribution.list_devices("gpu"):
        return True
    cpu = Path("/proc/cpuinfo")
    flags = cpu.read_text().split("\nflags", 2)[1:2] if cpu.exists() else []
    return any(flag in flags[0].split() for flag in ("avx512_bf16", "amx_bf16")) if flags else False


def fit(
    model: keras.Model,
    train: EncodedExamples,
    validation: EncodedExamples,
    schedule: Schedule,
    context: RunContext,
) -> None:
    """Train `model`, which maps ids [batch, n] to logits [batch, 1]. It ends with its most precise weights.

    If there is a checkpoint in the context's folder, training resumes from it.
    """
    compile_model(model, schedule, keras.losses.BinaryCrossentropy(from_logits=True))
    context.folder.mkdir(parents=True, exist_ok=True)
    state = checkpoint.restore(model, context.folder)
    if state.intervals:
        console.print(f"{context.folder}: resumes after interval {state.intervals}", markup=False, soft_wrap=True)
    intervals = eval_intervals(len(train.target), schedule)
    while state.intervals < len(intervals) and state.lr_reductions <= schedule.max_lr_reductions:
        train_loss = train_interval(model, train, schedule, state)
        values = evaluate_logits(validation.target, predict_logits(model, validation.texts))
        reduce_lr_on_plateau(state, values["loss"], schedule.patience)
        if values["precision"] > state.highest_precision:
            state.highest_precision = values["precision"]
            checkpoint.save_best(model, context.folder)
        state.intervals += 1
        checkpoint.save(model, context.folder, state)
        values |= {"train_loss": train_loss, "rate": float(model.optimizer.learning_rate.numpy())}
        context.report(state.intervals, values | {"seconds": state.seconds})
        shown = ", ".join(f"{name} {value:.4g}" for name, value in values.items())
        progress = f"interval {state.intervals} of {len(intervals)}, {state.seconds:.0f} s"
        console.print(f"{progress}: {shown}", highlight=False, soft_wrap=True)
    checkpoint.restore_best(model, context.folder)


def compile_model(model: keras.Model, schedule: Schedule, loss: keras.losses.Loss) -> None:
    """Compile `model` with `loss` and AdamW; biases, norms and embeddings do not decay."""
    steps = schedule.gradient_accumulation_steps
    optimizer = keras.optimizers.AdamW(
        schedule.learning_rate,
        weight_decay=schedule.weight_decay,
        gradient_accumulation_steps=steps if steps > 1 else None,
        global_clipnorm=CLIP_NORM,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "beta", "gamma", "embeddings"])
    model.compile(optimizer, loss=loss)
    optimizer.build(model.trainable_variables)  # now, so that a checkpoint can restore its variables


def train_interval(model: keras.Model, train: EncodedExamples, schedule: Schedule, state: TrainingState) -> float:
    """Train on the texts of the next interval, add the time to `state`, and return the mean loss of the batches."""
    started = time.monotonic()
    intervals = eval_intervals(len(train.target), schedule)
    batches = interval_batches(train.texts.lengths, schedule, intervals[state.intervals])
    losses = []
    description = f"interval {state.intervals + 1} of {len(intervals)}"
    for i, rows in enumerate(track(batches, description, console=console, transient=True)):
        progress = (state.intervals + i / len(batches)) / len(intervals)
        schedule_factor = lr_schedule(progress, schedule.warmup_proportion)
        model.optimizer.learning_rate.assign(schedule.learning_rate * state.lr_factor * schedule_factor)
        losses.append(float(model.train_on_batch(train.texts.padded(rows), train.target[rows].reshape(len(rows), -1))))
    state.seconds += time.monotonic() - started
    return float(np.mean(losses))


def eval_intervals(n: int, schedule: Schedule) -> list[range]:
    """Divide the budget of a training on `n` texts into intervals of about the same length, counted in texts."""
    budget = max(1, round(n * schedule.epochs))
    number = math.ceil(budget / schedule.eval_interval)
    return [range(budget * i // number, budget * (i + 1) // number) for i in range(number)]


def interval_batches(lengths: NDArray[np.int64], schedule: Schedule, interval: range) -> list[NDArray[np.int64]]:
    """Return the rows of every batch of an interval. Texts of one length go together, so that there is little padding.

    No text is used a second time before every text was used once.
    """
    n = len(lengths)
    epochs = range(interval.start // n, (interval.stop - 1) // n + 1)
    orders = np.concatenate([np.random.default_rng([schedule.seed, epoch]).permutation(n) for epoch in epochs])
    rows = orders[interval.start - epochs[0] * n :][: len(interval)]
    shuffle = np.random.default_rng([schedule.seed, interval.start, 1])
    rows = rows[np.argsort(lengths[rows], kind="stable")]
    batches = [rows[i : i + schedule.batch_size] for i in range(0, len(rows), schedule.batch_size)]
    return [batches[i] for i in shuffle.permutation(len(batches))]


def lr_schedule(progress: float, warmup_proportion: float) -> float:
    """Return the learning rate as a share of its peak: a linear warmup, then a linear decay."""
    if progress < warmup_proportion:
        return progress / warmup_proportion
    return (1 - progress) / (1 - warmup_proportion)


def reduce_lr_on_plateau(state: TrainingState, loss: float, patience: int) -> None:
    """Update `state` with the validation loss of an interval, as keras.callbacks.ReduceLROnPlateau does."""
    if loss < state.lowest_loss:
        state.lowest_loss, state.intervals_without_improvement = loss, 0
        return
    state.intervals_without_improvement += 1
    if state.intervals_without_improvement >= patience:
        state.intervals_without_improvement = 0
        state.lr_reductions += 1
        state.lr_factor *= LR_FACTOR


def predict_logits(model: keras.Model, texts: EncodedTexts, batch_size: int = 256) -> NDArray[np.float64]:
    """Return the logit of every text, [texts]."""
    order = np.argsort(texts.lengths, kind="stable")
    logits = np.empty(len(order))
    for i in range(0, len(order), batch_size):
        rows = order[i : i + batch_size]
        logits[rows] = np.asarray(model.predict_on_batch(texts.padded(rows)), np.float64)[:, 0]
    return logits


def evaluate_logits(labels: NDArray[np.int8], logit: NDArray[np.float64]) -> dict[str, float]:
    """Return the metrics of logits that are not calibrated yet."""
    predictions, weights = metrics.predictions(labels, expit(logit)), np.ones(len(labels))
    return {
        "loss": float(log_loss(labels, predictions.probability)),
        "accuracy": float(METRICS["accuracy"].compute(predictions, weights)),
        "auc": float(METRICS["auc"].compute(predictions, weights)),
        "precision": metrics.break_even(labels, logit),
    }
