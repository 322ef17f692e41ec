"""The trials of an Optuna study as a queue for several processes on several machines, without a coordinator.

The processes communicate through the user attributes of the trials:

    owner       the process that runs the trial
    seen        the time of its last heartbeat
    repeats     the number of the trial that this one repeats, because its process crashed or was stopped
    deaths      how many processes crashed while they ran this trial or the ones it repeats
    withdrawn   set if the trial was one too many
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

HEARTBEAT_INTERVAL_SECONDS = 60
HEARTBEAT_TIMEOUT_SECONDS = 600  # for processes on other machines; on this machine a dead one is noticed at once
MAX_CRASHES = 3  # after that many, the trial has failed
MACHINE = f"{platform.node()}/{uuid.getnode():012x}"


def claim(study: optuna.Study, n_trials: int, seed: int) -> optuna.Trial | None:
    """Return the next trial to run, or None if the study has `n_trials`.

    Several processes may ask for the last trial at once. The storage numbers their trials, so each can tell whether its
    own is one too many, or repeats a trial that another already repeats. Then it withdraws the trial.
    """
    requeue_lost_trials(study)
    while True:
        trials = _active_trials(study)
        if len(_original_trials(trials)) >= n_trials and not any(t.state == TrialState.WAITING for t in trials):
            return None
        trial = study.ask()
        earlier = [t for t in _active_trials(study) if t.number < trial.number]
        repeats = trial.user_attrs.get("repeats")
        superfluous = (
            len(_original_trials(earlier)) >= n_trials if repeats is None else repeats in map(_repeated_number, earlier)
        )
        if not superfluous:
            break
        trial.set_user_attr("withdrawn", True)
        study.tell(trial, state=TrialState.FAIL)
    trial.set_user_attr("owner", _current_process())
    # One seed per trial: suggestions depend on the study alone, not on which process asks or what was interrupted.
    trial_seed = int(np.random.SeedSequence((seed, trial.number)).generate_state(1)[0])
    study.sampler = optuna.samplers.TPESampler(seed=trial_seed)
    return trial


@contextmanager
def heartbeat(trial: optuna.Trial) -> Iterator[None]:
    """Store a heartbeat at regular intervals, so that other machines know that the trial is running."""
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(HEARTBEAT_INTERVAL_SECONDS):
            with suppress(OptunaError):  # the storage may be away for a moment
                trial.set_user_attr("seen", time.time())

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def requeue_lost_trials(study: optuna.Study) -> None:
    """Requeue the running trials whose process crashed."""
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if _is_lost(trial):
            requeue(study, trial.number, crashes=1)


def requeue(study: optuna.Study, number: int, crashes: int = 0) -> None:
    """Queue a trial with the same settings and mark the running one as failed.

    In this order, a process that is killed in between leaves a trial that is queued twice, and `claim` drops one of
    them. In the other order the trial would be lost.
    """
    trial = study.trials[number]
    crashes += trial.user_attrs.get("deaths", 0)
    if trial.state == TrialState.RUNNING and crashes < MAX_CRASHES:
        attributes = {"repeats": number, "deaths": crashes, "run": trial.user_attrs.get("run")}
        repetition = optuna.create_trial(
            state=TrialState.WAITING, params=trial.params, distributions=trial.distributions, user_attrs=attributes
        )
        study.add_trial(repetition)
    study.tell(number, state=TrialState.FAIL, skip_if_finished=True)


def completed_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials that were neither pruned nor failed."""
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))  # type: ignore[no-any-return]


def count_finished(study: optuna.Study) -> int:
    """Return how many of the planned trials need no more work."""
    trials = _active_trials(study)
    return len(_original_trials(trials)) - sum(not t.state.is_finished() for t in trials)


def _active_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials that were not withdrawn."""
    return [t for t in study.get_trials(deepcopy=False) if "withdrawn" not in t.user_attrs]


def _original_trials(trials: list[FrozenTrial]) -> list[FrozenTrial]:
    """Return the trials that repeat no other. Their number counts towards the planned one."""
    return [t for t in trials if _repeated_number(t) is None]


def _repeated_number(trial: FrozenTrial) -> int | None:
    return trial.user_attrs.get("repeats")  # type: ignore[no-any-return]


def _current_process() -> dict[str, Any]:
    return {"machine": MACHINE, "process": os.getpid(), "started": psutil.Process().create_time()}


def _is_lost(trial: FrozenTrial) -> bool:
    """Return whether the process of the trial is gone or, on another machine, has sent no heartbeat in time."""
    owner = trial.user_attrs.get("owner", {})
    if owner.get("machine") != MACHINE:
        last_seen = trial.user_attrs.get("seen", trial.datetime_start.timestamp())
        return bool(time.time() - last_seen > HEARTBEAT_TIMEOUT_SECONDS)
    try:
        process = psutil.Process(owner["process"])
        same = abs(process.create_time() - owner["started"]) < 1  # the system may have given the id to another process
        return not same or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
