"""Which process runs which trial. Several studies in one process stand for several processes."""

import multiprocessing
import os
import threading
import time
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from training.tuning import trial_queue

SEED = 20
COMPLETE, FAIL, RUNNING, WAITING = TrialState.COMPLETE, TrialState.FAIL, TrialState.RUNNING, TrialState.WAITING


@pytest.fixture(autouse=True)
def _quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)


def join_study(folder: Path) -> optuna.Study:
    """Open the study in `folder` as another process would."""
    storage = JournalStorage(JournalFileBackend(str(folder / "study.log")))
    return optuna.create_study(study_name="study", storage=storage, direction="maximize", load_if_exists=True)


def states(study: optuna.Study) -> list[TrialState]:
    return [trial.state for trial in study.trials]


def finish(study: optuna.Study, trial: optuna.Trial) -> None:
    study.tell(trial, trial.suggest_float("x", 0, 1))


def fake_owner(study: optuna.Study, number: int, machine: str, process: int, **attributes: float) -> None:
    """Make the trial look as if another process ran it."""
    trial = optuna.Trial(study, study.trials[number]._trial_id)
    trial.set_user_attr("owner", {"machine": machine, "process": process, "started": 0.0})
    for name, value in attributes.items():
        trial.set_user_attr(name, value)


def dead_process() -> int:
    """Return the id of a process that has ended."""
    process = multiprocessing.get_context("spawn").Process(target=os.getpid)
    process.start()
    process.join()
    assert process.pid
    return process.pid


def test_claims_as_many_trials_as_planned(tmp_path: Path) -> None:
    one, two = join_study(tmp_path), join_study(tmp_path)
    for study in (one, two, one):
        trial = trial_queue.claim(study, 3, SEED)
        assert trial
        finish(study, trial)
    assert trial_queue.claim(one, 3, SEED) is trial_queue.claim(two, 3, SEED) is None
    assert states(one) == [COMPLETE] * 3 and trial_queue.count_finished(one) == 3
    assert trial_queue.claim(two, 4, SEED)  # more are planned now
    assert trial_queue.count_finished(one) == 3


def test_withdraws_the_trial_that_is_one_too_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow, fast = join_study(tmp_path), join_study(tmp_path)
    ask, taken = slow.ask, []

    def ask_too_late() -> optuna.Trial:
        """Claim a trial after the other process read the study and before it asks for a trial."""
        taken.append(trial_queue.claim(fast, 1, SEED))
        return ask()

    monkeypatch.setattr(slow, "ask", ask_too_late)
    assert trial_queue.claim(slow, 1, SEED) is None
    assert states(slow) == [RUNNING, FAIL]
    finish(fast, taken[0])
    assert trial_queue.count_finished(slow) == len(trial_queue.completed_trials(slow)) == 1


def test_suggestions_depend_on_the_study_alone(tmp_path: Path) -> None:
    drawn = []
    for processes in (1, 3):
        folder = tmp_path / str(processes)
        folder.mkdir()
        for n in range(15):
            if n % processes == 0:
                study = join_study(folder)
            trial = trial_queue.claim(study, 15, SEED)
            assert trial
            finish(study, trial)
        drawn.append([trial.params["x"] for trial in study.trials])
    assert drawn[0] == drawn[1]
    assert len(set(drawn[0])) == 15


def test_repeats_the_trial_of_a_dead_process_with_its_settings(tmp_path: Path) -> None:
    study = join_study(tmp_path)
    first = trial_queue.claim(study, 1, SEED)
    assert first
    drawn = first.suggest_float("x", 0, 1)
    fake_owner(study, 0, trial_queue.MACHINE, dead_process())
    again = trial_queue.claim(join_study(tmp_path), 1, SEED)
    assert again and again.suggest_float("x", 0, 1) == drawn and again.user_attrs["repeats"] == 0
    assert states(study) == [FAIL, RUNNING] and trial_queue.count_finished(study) == 0
    finish(study, again)
    assert trial_queue.count_finished(study) == 1


def test_recognizes_a_reused_process_id(tmp_path: Path) -> None:
    study = join_study(tmp_path)
    trial_queue.claim(study, 1, SEED)
    fake_owner(study, 0, trial_queue.MACHINE, os.getpid())  # "started" differs
    trial_queue.requeue_lost_trials(study)
    assert states(study) == [FAIL, WAITING]


def test_leaves_running_trials_alone(tmp_path: Path) -> None:
    study = join_study(tmp_path)
    trial_queue.claim(study, 2, SEED)
    trial_queue.claim(study, 2, SEED)
    fake_owner(study, 1, "another", 1, seen=time.time() - trial_queue.HEARTBEAT_TIMEOUT_SECONDS / 2)
    trial_queue.requeue_lost_trials(join_study(tmp_path))
    assert states(study) == [RUNNING, RUNNING]


def test_requeues_the_trial_of_a_machine_without_heartbeat(tmp_path: Path) -> None:
    study = join_study(tmp_path)
    trial_queue.claim(study, 1, SEED)
    fake_owner(study, 0, "another", 1, seen=time.time() - trial_queue.HEARTBEAT_TIMEOUT_SECONDS - 1)
    trial_queue.requeue_lost_trials(study)
    assert states(study) == [FAIL, WAITING]


def test_running_trial_sends_heartbeats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial_queue, "HEARTBEAT_INTERVAL_SECONDS", 0.001)
    trial = trial_queue.claim(join_study(tmp_path), 1, SEED)
    received = threading.Event()
    monkeypatch.setattr(trial, "set_user_attr", lambda name, value: name == "seen" and received.set())
    assert trial
    with trial_queue.heartbeat(trial):
        assert received.wait(60)


def test_trial_that_is_requeued_twice_runs_once(tmp_path: Path) -> None:
    study = join_study(tmp_path)
    trial_queue.claim(study, 1, SEED)
    original = study.trials[0]
    trial_queue.requeue(study, 0)
    study.add_trial(optuna.create_trial(state=WAITING, params=original.params, user_attrs={"repeats": 0}))
    again = trial_queue.claim(study, 1, SEED)
    assert again and again.user_attrs["repeats"] == 0
    assert trial_queue.claim(study, 1, SEED) is None
    finish(study, again)
    assert states(study) == [FAIL, COMPLETE, FAIL] and trial_queue.count_finished(study) == 1


def test_gives_up_a_trial_after_max_crashes(tmp_path: Path) -> None:
    study, dead = join_study(tmp_path), dead_process()
    for number in range(trial_queue.MAX_CRASHES):
        assert trial_queue.claim(study, 1, SEED)
        fake_owner(study, number, trial_queue.MACHINE, dead)
    assert trial_queue.claim(study, 1, SEED) is None
    assert states(study) == [FAIL] * trial_queue.MAX_CRASHES and trial_queue.count_finished(study) == 1


def test_interruptions_do_not_count_as_crashes(tmp_path: Path) -> None:
    study = join_study(tmp_path)
    for _ in range(trial_queue.MAX_CRASHES + 1):
        trial = trial_queue.claim(study, 1, SEED)
        assert trial
        trial_queue.requeue(study, trial.number)
    assert trial_queue.claim(study, 1, SEED)


def test_does_not_requeue_a_finished_trial(tmp_path: Path) -> None:
    study = join_study(tmp_path)
    trial = trial_queue.claim(study, 1, SEED)
    assert trial
    finish(study, trial)
    trial_queue.requeue(study, 0)
    assert states(study) == [COMPLETE]
