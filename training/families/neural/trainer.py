"""How a Keras model is trained here: one loop, which can be stopped at any time and goes on where it was.

The budget is a number of texts. It is spent in rounds; after each the model is looked at on validation texts, what it
is and knows is written to disk, and a rate that no longer helps is lowered. A round's texts and their order depend on
the seed and its number alone, so a run that was killed becomes the run it would have been.
"""

import logging
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import keras
import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from scipy.special import expit
from sklearn.metrics import log_loss, roc_auc_score

from training.evaluation import metrics
from training.families import RunContext

console = Console(stderr=True)
logging.getLogger("tensorflow").setLevel(logging.ERROR)  # it warns of texts that are longer than those before

type Precision = Literal["auto", "float32", "bfloat16"]


class Schedule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    epochs: Annotated[float, Meta(gt=0)] = 1.0  # the budget: how often every text is seen, if nothing stops it earlier
    round: Annotated[int, Meta(ge=1)] = 50_000  # texts between two looks at validation, at most
    glance: Annotated[int, Meta(ge=2)] = 6_000  # validation texts looked at
    batch: Annotated[int, Meta(ge=1)] = 128  # texts in one pass
    accumulate: Annotated[int, Meta(ge=1)] = 1  # passes before the weights move: for batches that memory cannot hold
    rate: Annotated[float, Meta(gt=0)] = 1e-3  # the highest learning rate; falls in a line to 0 at the budget's end
    warmup: Annotated[float, Meta(ge=0, lt=1)] = 0.02  # the share of the budget in which the rate rises
    weight_decay: Annotated[float, Meta(ge=0)] = 0.01
    patience: Annotated[int, Meta(ge=1)] = 4  # rounds without a lower loss until the rate is cut to PLATEAU of it
    cuts: Annotated[int, Meta(ge=0)] = 2  # so often; then training stops
    precision: Precision = "auto"  # bfloat16 where the processor multiplies it
    seed: int = 20


PLATEAU = 0.3


class Texts(NamedTuple):
    """Many encoded texts without a Python object each: text i is values[starts[i]:starts[i + 1]]."""

    values: NDArray[np.int32]
    starts: NDArray[np.int64]  # [texts + 1]

    @property
    def lengths(self) -> NDArray[np.int64]:
        return np.asarray(np.diff(self.starts), np.int64)

    def padded(self, rows: NDArray[np.int64]) -> NDArray[np.int32]:
        """int32 [rows, longest of them], padded with 0."""
        lengths = self.lengths[rows]
        ids = np.zeros((len(rows), max(1, int(lengths.max(initial=0)))), np.int32)
        inside = np.arange(ids.shape[1]) < lengths[:, None]
        offsets = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        ids[inside] = self.values[np.repeat(self.starts[rows], lengths) + offsets]
        return ids


def encode(texts: Sequence[str], ids: Callable[[str], Sequence[int]]) -> Texts:
    """`texts`, each as `ids` says."""
    lengths, values = np.zeros(len(texts) + 1, np.int64), []
    for start in track(range(0, len(texts), 10_000), "read texts", console=console, disable=len(texts) <= 10_000):
        encoded = [ids(text) for text in texts[start : start + 10_000]]
        lengths[start + 1 : start + 1 + len(encoded)] = [len(text) for text in encoded]
        values.append(np.array([i for text in encoded for i in text], np.int32))
    return Texts(np.concatenate([*values, np.empty(0, np.int32)]), np.cumsum(lengths))


class State(msgspec.Struct):
    """Where a training stands."""

    round: int = 0  # the next one
    factor: float = 1.0  # of the rate: PLATEAU for every cut
    cuts: int = 0
    waited: int = 0  # rounds since the loss was lowest
    loss: float = math.inf  # the lowest
    best: float = -math.inf  # the highest precision
    seconds: float = 0.0  # of training, over all its parts


def use(precision: Precision) -> str:
    """Set the arithmetic of the layers made from now on; returns the Keras policy."""
    policy = "mixed_bfloat16" if precision == "bfloat16" or (precision == "auto" and _bfloat16()) else "float32"
    keras.utils.clear_session()  # what models of the past have left
    keras.config.set_dtype_policy(policy)
    return policy


def _bfloat16() -> bool:
    """Whether this machine multiplies bfloat16 faster than float32."""
    if keras.distribution.list_devices("gpu"):
        return True
    cpu = Path("/proc/cpuinfo")
    flags = cpu.read_text().split("\nflags", 2)[1:2] if cpu.exists() else []
    return any(flag in flags[0].split() for flag in ("avx512_bf16", "amx_bf16")) if flags else False


def fit(
    model: keras.Model,
    train: tuple[Texts, NDArray[np.floating[Any]]],
    validation: tuple[Texts, NDArray[np.int8]],
    schedule: Schedule,
    context: RunContext,
) -> State:
    """Train `model`, which maps ids [batch, n] to logits [batch, 1], on texts and P(positive) of each.

    Everything needed to go on is in the folder of `context`. In the end `model` has the weights that were most precise.
    """
    texts, targets = train
    optimizer = keras.optimizers.AdamW(
        schedule.rate,
        weight_decay=schedule.weight_decay,
        gradient_accumulation_steps=schedule.accumulate if schedule.accumulate > 1 else None,
        global_clipnorm=1.0,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "beta", "gamma", "embeddings"])
    model.compile(optimizer, loss=keras.losses.BinaryCrossentropy(from_logits=True))
    optimizer.build(model.trainable_variables)
    state = _restore(model, context.folder)
    parts = rounds(len(targets), schedule)
    while state.round < len(parts) and state.cuts <= schedule.cuts:
        started = time.monotonic()
        batches = round_batches(texts.lengths, schedule, parts[state.round])
        losses = []
        what = f"round {state.round + 1} of {len(parts)}"
        for i, rows in enumerate(track(batches, what, console=console, transient=True)):
            progress = (state.round + i / len(batches)) / len(parts)
            optimizer.learning_rate.assign(schedule.rate * state.factor * _shape(progress, schedule.warmup))
            losses.append(float(model.train_on_batch(texts.padded(rows), targets[rows, None])))
        state.seconds += time.monotonic() - started
        figures = look(validation[1], logits(model, validation[0]))
        _learn(state, figures, schedule)
        if figures["precision"] > state.best:
            state.best = figures["precision"]
            _write(context.folder / "best.npz", {str(i): v for i, v in enumerate(model.get_weights())})
        state.round += 1
        _save(model, context.folder, state)
        figures |= {"train_loss": float(np.mean(losses)), "rate": float(optimizer.learning_rate.numpy())}
        context.report(state.round, figures | {"seconds": state.seconds})
        shown = ", ".join(f"{name} {value:.4g}" for name, value in figures.items())
        console.print(f"{what}, {state.seconds:.0f} s: {shown}", highlight=False, soft_wrap=True)
    with np.load(context.folder / "best.npz") as best:
        model.set_weights([best[str(i)] for i in range(len(best.files))])
    return state


def rounds(n: int, schedule: Schedule) -> list[range]:
    """The parts of the budget, in texts, that the rounds of a training on `n` texts spend: about equally long."""
    budget = max(1, round(n * schedule.epochs))
    number = math.ceil(budget / schedule.round)
    return [range(budget * i // number, budget * (i + 1) // number) for i in range(number)]


def round_batches(lengths: NDArray[np.int64], schedule: Schedule, seen: range) -> list[NDArray[np.int64]]:
    """The rows of every batch of the round that spends `seen`: texts of one length together, so that little is padding.

    Every text is seen once before one is seen again.
    """
    n = len(lengths)
    epochs = range(seen.start // n, (seen.stop - 1) // n + 1)
    orders = np.concatenate([np.random.default_rng([schedule.seed, epoch]).permutation(n) for epoch in epochs])
    rows = orders[seen.start - epochs[0] * n :][: len(seen)]
    shuffle = np.random.default_rng([schedule.seed, seen.start, 1])
    rows = rows[np.argsort(lengths[rows], kind="stable")]
    batches = [rows[i : i + schedule.batch] for i in range(0, len(rows), schedule.batch)]
    return [batches[i] for i in shuffle.permutation(len(batches))]


def logits(model: keras.Model, texts: Texts, batch: int = 256) -> NDArray[np.float64]:
    """The logit of every text, [texts]."""
    order = np.argsort(texts.lengths, kind="stable")
    found = np.empty(len(order))
    for i in range(0, len(order), batch):
        rows = order[i : i + batch]
        found[rows] = np.asarray(model.predict_on_batch(texts.padded(rows)), np.float64)[:, 0]
    return found


def look(labels: NDArray[np.int8], logit: NDArray[np.float64]) -> dict[str, float]:
    """How good logits are while they are not calibrated."""
    return {
        "loss": float(log_loss(labels, expit(logit))),
        "accuracy": float(((logit >= 0) == labels).mean()),
        "auc": float(roc_auc_score(labels, logit)),
        "precision": metrics.break_even(labels, logit),
    }


def _shape(progress: float, warmup: float) -> float:
    """The rate as a share of the highest: up in a line, then down in a line."""
    return progress / warmup if progress < warmup else (1 - progress) / (1 - warmup)


def _learn(state: State, figures: dict[str, float], schedule: Schedule) -> None:
    if figures["loss"] < state.loss:
        state.loss, state.waited = figures["loss"], 0
        return
    state.waited += 1
    if state.waited >= schedule.patience:
        state.waited, state.cuts, state.factor = 0, state.cuts + 1, state.factor * PLATEAU


def _save(model: keras.Model, folder: Path, state: State) -> None:
    """The state is written last, and in one piece with the weights it belongs to."""
    arrays = {f"v{i}": np.asarray(v) for i, v in enumerate([*model.variables, *model.optimizer.variables])}
    _write(folder / "last.npz", arrays | {"state": np.frombuffer(msgspec.json.encode(state), np.uint8)})


def _restore(model: keras.Model, folder: Path) -> State:
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "last.npz").exists():
        return State()
    with np.load(folder / "last.npz") as last:
        for i, variable in enumerate([*model.variables, *model.optimizer.variables]):
            variable.assign(last[f"v{i}"])
        state = msgspec.json.decode(last["state"].tobytes(), type=State)
    console.print(f"{folder}: goes on after round {state.round}", markup=False, soft_wrap=True)
    return state


def _write(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    """Never half a file: written beside, then put in its place."""
    new = path.with_suffix(".new.npz")
    with new.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
    new.replace(path)
