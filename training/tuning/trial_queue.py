"""The trials of an Optuna study as a queue that several processes, on several machines, work off without a foreman.

What they know of each other is in the study. Each trial says by its attributes who runs it (`owner`), when that
process was last heard of (`seen`), which trial it repeats because that one's process died or was stopped (`repeats`),
how many died of it (`deaths`), and whether it came too late (`withdrawn`).
"""

import os
import platform
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
import optuna
import psutil  # type: ignore[import-untyped]
from optuna.exceptions import OptunaError
from optuna.trial import FrozenTrial, TrialState

BEAT = 60  # seconds between two signs of life of a trial
SILENCE = 600  # seconds without one until its process is taken for dead; on the same machine that is known at once
DEATHS = 3  # processes that may die of a trial until it counts as failed
MACHINE = f"{platform.node()}/{uuid.getnode():012x}"


def claim(study: optuna.Study, planned: int, seed: int) -> optuna.Trial | None:
    """The next trial to run, None once there are as many as planned.

    Several processes may find room for one more at once. The storage numbers their trials, so that each sees by its
    own number whether it came too late, or repeats what another repeats already; then it withdraws.
    """
    recover(study)
    while True:
        trials = _standing(study)
        if len(_drawn(trials)) >= planned and not any(t.state == TrialState.WAITING for t in trials):
            return None
        trial = study.ask()
        earlier = [t for t in _standing(study) if t.number < trial.number]
        repeats = trial.user_attrs.get("repeats")
        late = len(_drawn(earlier)) >= planned if repeats is None else repeats in map(_repeats, earlier)
        if not late:
            break
        trial.set_user_attr("withdrawn", True)
        study.tell(trial, state=TrialState.FAIL)
    trial.set_user_attr("owner", _owner())
    # A seed for each trial: what is drawn depends on the study alone, not on who draws it, or was interrupted.
    mixed = int(np.random.SeedSequence((seed, trial.number)).generate_state(1)[0])
    study.sampler = optuna.samplers.TPESampler(seed=mixed)
    return trial


@contextmanager
def alive(trial: optuna.Trial) -> Iterator[None]:
    """Lets other machines know that the trial is at work."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(BEAT):
            with suppress(OptunaError):  # a storage that is away for a moment
                trial.set_user_attr("seen", time.time())

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def recover(study: optuna.Study) -> None:
    """Give the trials of processes that died back to the study."""
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if _dead(trial):
            give_back(study, trial.number, deaths=1)


def give_back(study: optuna.Study, number: int, deaths: int = 0) -> None:
    """Mark a running trial as failed, and queue one with its settings.

    Queued first: a process that is killed in between leaves a trial that is repeated twice, of which `claim` keeps one.
    The other way about it would be lost.
    """
    trial = study.trials[number]
    deaths += trial.user_attrs.get("deaths", 0)
    if trial.state == TrialState.RUNNING and deaths < DEATHS:
        carried = {"repeats": number, "deaths": deaths, "run": trial.user_attrs.get("run")}
        again = optuna.create_trial(
            state=TrialState.WAITING, params=trial.params, distributions=trial.distributions, user_attrs=carried
        )
        study.add_trial(again)
    study.tell(number, state=TrialState.FAIL, skip_if_finished=True)


def completed(study: optuna.Study) -> list[FrozenTrial]:
    """The trials that were neither pruned nor failed."""
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))  # type: ignore[no-any-return]


def finished(study: optuna.Study) -> int:
    """How many of the planned trials need no more work."""
    trials = _standing(study)
    return len(_drawn(trials)) - sum(not t.state.is_finished() for t in trials)


def _standing(study: optuna.Study) -> list[FrozenTrial]:
    """The trials, but for those that withdrew."""
    return [t for t in study.get_trials(deepcopy=False) if "withdrawn" not in t.user_attrs]


def _drawn(trials: list[FrozenTrial]) -> list[FrozenTrial]:
    """Those that repeat no other: what is planned is their number."""
    return [t for t in trials if _repeats(t) is None]


def _repeats(trial: FrozenTrial) -> int | None:
    return trial.user_attrs.get("repeats")  # type: ignore[no-any-return]


def _owner() -> dict[str, Any]:
    return {"machine": MACHINE, "process": os.getpid(), "started": psutil.Process().create_time()}


def _dead(trial: FrozenTrial) -> bool:
    """Whether the process that runs the trial is gone, or has not been heard of for SILENCE."""
    owner = trial.user_attrs.get("owner", {})
    if owner.get("machine") != MACHINE:
        return bool(time.time() - trial.user_attrs.get("seen", trial.datetime_start.timestamp()) > SILENCE)
    try:
        process = psutil.Process(owner["process"])
        same = abs(process.create_time() - owner["started"]) < 1  # the number may belong to another process by now
        return not same or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
