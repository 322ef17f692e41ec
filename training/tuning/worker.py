"""Work on a study: claim trials and train with their settings, in this process or in several."""

import multiprocessing
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import mlflow
import optuna
from mlflow.exceptions import MlflowException
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState
from rich.console import Console

from training.data.teacher import load_targets
from training.evaluation import metrics
from training.families import RunContext, load_family
from training.families.fit import fit
from training.families.settings import configure
from training.registry import mlflow_tracking
from training.registry.training_run import Training

from . import summary, trial_queue
from .search_space import suggest_settings
from .study import Data, StudyConfig, load_data, open_study

MAX_INITIAL_FAILURES = 3  # failed trials without a single success; then the study is given up
THREAD_VARIABLES = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "LOKY_MAX_CPU_COUNT")

console = Console(stderr=True)


def run_study(config: StudyConfig, study: optuna.Study, processes: int) -> bool:
    """Run trials until the study has enough, then log its summary. Returns False if it was interrupted."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # requeue the trial on SIGTERM as on Ctrl-C
    with mlflow.start_run(study.user_attrs["run"]):
        completed = run_workers(config, processes) if processes > 1 else run_in_process(config)
        summary.log_summary(study)
    return completed


def run_in_process(config: StudyConfig) -> bool:
    """Run trials in this process. Returns False if it was interrupted."""
    try:
        run_trials(config)
    except KeyboardInterrupt:
        return False
    return True


def run_workers(config: StudyConfig, processes: int) -> bool:
    """Run trials in several processes of this machine. Returns False if one of them was interrupted or failed."""
    for name in THREAD_VARIABLES:
        os.environ.setdefault(name, str(max(1, (os.cpu_count() or 1) // processes)))
    spawn = multiprocessing.get_context("spawn")  # TensorFlow does not survive a fork
    workers = [spawn.Process(target=_run_worker, args=(config,)) for _ in range(processes)]
    # Ctrl-C reaches the whole process group. Workers inherit the ignored SIGINT; this process stops them by SIGTERM.
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    for worker in workers:
        worker.start()
    signal.signal(signal.SIGINT, handler)
    try:
        for worker in workers:
            worker.join()
    except KeyboardInterrupt:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.join()
    return not any(worker.exitcode for worker in workers)


def _run_worker(config: StudyConfig) -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with mlflow_tracking.connected():
        if not run_in_process(config):
            sys.exit(1)


def run_trials(config: StudyConfig) -> None:
    """Claim and run trials until none is left. Raises KeyboardInterrupt once the interrupted trial is requeued."""
    study, data = open_study(config), load_data(config)
    parent = multiprocessing.parent_process()
    while parent is None or parent.is_alive():
        trial = trial_queue.claim(study, config.n_trials, config.seed)
        if trial is None:
            return
        try:
            with trial_queue.heartbeat(trial), _nested_run(study, trial):
                run_trial(study, trial, config, data)
        except (KeyboardInterrupt, SystemExit, MlflowException):  # not caused by the settings of the trial
            trial_queue.requeue(study, trial.number)
            raise
        errors = [t.user_attrs["error"] for t in study.trials if "error" in t.user_attrs]
        if len(errors) >= MAX_INITIAL_FAILURES and not trial_queue.completed_trials(study):
            raise SystemExit(f"the first {len(errors)} trials failed, the last with {errors[-1]}")


def run_trial(study: optuna.Study, trial: optuna.Trial, config: StudyConfig, data: Data) -> None:
    """Train with suggested settings in the active run and tell the study the outcome."""
    module = load_family(config.family)
    settings = suggest_settings(module.space, trial, config.fixed, configure(module.Configuration, list(config.fixed)))
    configuration = configure(module.Configuration, settings)
    trial.set_user_attr("settings", settings)
    training = Training(config.family, configuration, data, load_targets(data["train"], teacher=None))
    mlflow.log_params(training.settings() | {"texts": len(training.target)})
    folder = _trial_folder(study, trial)
    context = RunContext(folder, _reporter(trial), mlflow_tracking.load_model)
    try:
        outcome = _tell_outcome(study, trial, partial(objective, training, context))
    except UpdateFinishedTrialError:
        outcome = "was taken for dead and given to another process"
    mlflow.set_tag("outcome", outcome)
    console.print(f"trial {trial.number}: {outcome}", markup=False)
    shutil.rmtree(folder, ignore_errors=True)


def _tell_outcome(study: optuna.Study, trial: optuna.Trial, train: Callable[[], float]) -> str:
    """Train, tell the study the outcome, and return it in words.

    Raises UpdateFinishedTrialError if another process has taken over the trial.
    """
    try:
        value = train()
        study.tell(trial, value)
    except optuna.TrialPruned:
        study.tell(trial, state=TrialState.PRUNED)
        return "pruned"
    except MlflowException:
        raise
    except Exception as error:  # one trial fails; other settings may work
        outcome = f"{type(error).__name__}: {error}"
        trial.set_user_attr("error", outcome)  # of a trial that was taken over: raises UpdateFinishedTrialError
        study.tell(trial, state=TrialState.FAIL)
        return outcome
    return f"{value:.4f}"


def objective(training: Training, context: RunContext) -> float:
    """Train, log the metrics on validation and return the one to maximize: the break-even precision.

    Precision at 0.5 could be raised by calling few texts positive, and the share of texts that can be published depends
    on a few of the highest scores. The break-even point measures the ranking around the decision.
    """
    trained, logit = fit(training.family, training.configuration, training.data, training.target, context)
    value = metrics.break_even(training.data["validation"].label.to_numpy(), logit)
    values = trained.validation.values | {"break_even": value}
    mlflow.log_metrics({f"validation_{metric}": value for metric, value in values.items()})
    return value


def _reporter(trial: optuna.Trial) -> Callable[[int, dict[str, float]], None]:
    """Return the `report` of a RunContext: it logs to MLflow and raises TrialPruned if the pruner says so."""

    def report(step: int, values: dict[str, float]) -> None:
        mlflow_tracking.log_step(step, values)
        if "precision" in values:
            trial.report(values["precision"], step)
            if trial.should_prune():
                raise optuna.TrialPruned

    return report


@contextmanager
def _nested_run(study: optuna.Study, trial: optuna.Trial) -> Iterator[None]:
    """Activate the MLflow run of a trial. A repeated trial continues the run of the trial it repeats."""
    run, parent = trial.user_attrs.get("run"), study.user_attrs["run"]
    name = None if run else f"trial {trial.number}"
    with mlflow.start_run(run, run_name=name, nested=True, parent_run_id=parent) as active:
        trial.set_user_attr("run", active.info.run_id)
        yield


def _trial_folder(study: optuna.Study, trial: optuna.Trial) -> Path:
    """Return the folder of a trial. A repeated trial takes over the files of the trial it repeats and continues it."""
    prefix = mlflow_tracking.HOME / "trials" / study.user_attrs["run"]
    folder, repeated = (Path(f"{prefix}-{number}") for number in (trial.number, trial.user_attrs.get("repeats")))
    if repeated.exists():
        repeated.rename(folder)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
