"""`tune`: the settings of a family that are most precise on validation, found by trying. Test is not looked at.

Optuna (Akiba et al., 2019) draws them: at random at first, then near those that did well, by a tree-structured Parzen
estimator (Bergstra et al., 2011). A training that tells how it is doing is given up where it does worse than half of
the others did at that point (the median rule of Golovin et al., "Google Vizier", 2017).

A study is shared by every process, on any machine, that names the same --storage and --study: each takes the next
trial until there are --trials of them in all. The same command goes on with a study that was stopped; a trial whose
process died is run again, with its settings. --set KEY=VALUE fixes a setting, which is then not searched.
"""

import argparse
import json
import math
import multiprocessing
import os
import re
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import mlflow
import msgspec
import numpy as np
import optuna
import pandas as pd
from matplotlib.figure import Figure
from mlflow.exceptions import MlflowException
from optuna.exceptions import DuplicatedStudyError, UpdateFinishedTrialError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
from rich.console import Console
from sqlalchemy.exc import IntegrityError, ProgrammingError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from training.commands.train import read as read_data
from training.data.dataset import DATA, Split, dataset_sha256
from training.evaluation import metrics
from training.families import FAMILIES, RunContext, family
from training.families.fit import fit
from training.families.settings import configure, flatten
from training.registry import mlflow_tracking
from training.reports import plots

from . import trial_queue

FAILURES = 3  # trials that may fail before one succeeds
COLLISIONS = 3  # with others that make the tables of an empty database: they, the table of its version, its version
PATIENCE = 60  # seconds that the process that made a study has to say what it is about
THREADS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "LOKY_MAX_CPU_COUNT")

console = Console(stderr=True)

type Data = Mapping[Split, pd.DataFrame]


class Plan(NamedTuple):
    """What every process of a study must know."""

    family: str
    data: Path
    texts: int | None
    fixed: tuple[str, ...]  # KEY=VALUE
    storage: str  # a file, or the URL of a database
    study: str
    trials: int  # in all
    seed: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--family", choices=FAMILIES, required=True)
    parser.add_argument("--trials", type=int, required=True, metavar="N", help="in all, those of other processes too")
    parser.add_argument("--data", type=Path, default=DATA, help="what `prepare` wrote (default: %(default)s)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="a setting that is not searched"
    )
    parser.add_argument("--texts", type=int, metavar="N", help="train on the first N texts of the split only")
    parser.add_argument("--study", metavar="NAME", help="what the study is called (default: the family)")
    parser.add_argument("--storage", metavar="FILE|URL", help="where it is kept: a journal file, or a database")
    parser.add_argument("--processes", type=int, default=1, metavar="P", help="to start here (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=20, help="of what is drawn (default: %(default)s)")


def run(arguments: argparse.Namespace) -> None:
    plan = planned(arguments)
    mlflow_tracking.connect()
    study = begin(plan, read(plan))
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # to be ended is to be interrupted
    with mlflow.start_run(study.user_attrs["run"]):
        whole = share(plan, arguments.processes) if arguments.processes > 1 else alone(plan)
        summarise(study)
    if trial_queue.completed(study):
        console.print(f"{study.best_value:.4f} of trial {study.best_trial.number} is the best:")
        print(command(plan, study.best_trial.user_attrs["settings"]))
    if (done := trial_queue.finished(study)) < plan.trials:
        left = f"{done} of {plan.trials} trials are finished; the same command goes on"
        if not whole:
            raise SystemExit(left)
        console.print(left)  # another machine is at it
    elif not trial_queue.completed(study):
        raise SystemExit("no trial could be trained")


def planned(arguments: argparse.Namespace) -> Plan:
    """The plan of a command line. Raises SystemExit with one line."""
    study = arguments.study or arguments.family
    if not re.fullmatch(r"\w[\w.-]*", study):
        raise SystemExit(f"--study {study}: must be letters, digits, dots and dashes")
    for option in ("trials", "processes"):
        if (number := getattr(arguments, option)) < 1:
            raise SystemExit(f"--{option} {number}: must be at least 1")
    configure(family(arguments.family).Configuration, arguments.set)  # a mistake is told now
    return Plan(
        family=arguments.family,
        data=arguments.data,
        texts=arguments.texts,
        fixed=tuple(arguments.set),
        storage=arguments.storage or str(mlflow_tracking.HOME / "studies" / f"{study}.log"),
        study=study,
        trials=arguments.trials,
        seed=arguments.seed,
    )


def read(plan: Plan) -> Data:
    return read_data(plan.data, plan.texts)


def begin(plan: Plan, data: Data) -> optuna.Study:
    """The study of a plan, made on first use. Raises SystemExit if it was begun with something else."""
    study = _made(plan)
    subject: dict[str, Any] = {split: dataset_sha256(rows) for split, rows in data.items()}
    subject |= {"family": plan.family, "--set": sorted(plan.fixed)}
    for name, value in study.user_attrs.get("subject", {}).items():
        if subject[name] != value:
            raise SystemExit(f"--study {plan.study}: was begun with another {name}; name a new one")
    if "run" not in study.user_attrs:
        with mlflow.start_run(run_name=f"tune {plan.study}") as parent:
            mlflow.log_params({"family": plan.family, "set": shlex.join(plan.fixed), "texts": len(data["train"])})
            for split, rows in data.items():
                mlflow_tracking.log_input(split, rows)
        study.set_user_attr("subject", subject)
        study.set_user_attr("run", parent.info.run_id)  # every process nests its trials under this one
    try:
        mlflow.get_run(study.user_attrs["run"])
    except MlflowException as error:
        raise SystemExit(f"--study {plan.study}: its run is not in this MLflow; name a new one") from error
    return study


def _made(plan: Plan) -> optuna.Study:
    """The study of a plan. Of processes that come at once one makes it, and the others wait until it says its run."""
    try:
        return open_study(plan, new=True)
    except DuplicatedStudyError:
        study = open_study(plan)
    end = time.monotonic() + PATIENCE
    while "run" not in study.user_attrs and time.monotonic() < end:  # after that, the one that made it is dead
        time.sleep(0.1)
    return study


def open_study(plan: Plan, *, new: bool = False) -> optuna.Study:
    """The study in its storage. Raises SystemExit with one line, which names no URL: it may hold a password.

    Raises DuplicatedStudyError if it is to be new and is not.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        # Not before the second round: in the first the learning rate still rises.
        pruner = optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=2)
        return optuna.create_study(
            study_name=plan.study, storage=_storage(plan), direction="maximize", pruner=pruner, load_if_exists=not new
        )
    except (SQLAlchemyError, ImportError, OSError, ValueError, KeyError) as error:
        missing = f" ({error.__cause__})" if isinstance(error, ImportError) and error.__cause__ else ""
        raise SystemExit(f"--storage: {str(error).splitlines()[0]}{missing}") from error


def _storage(plan: Plan) -> BaseStorage:
    if "://" in plan.storage:
        return _database(plan.storage)
    Path(plan.storage).parent.mkdir(parents=True, exist_ok=True)
    return JournalStorage(JournalFileBackend(plan.storage))


def _database(url: str) -> RDBStorage:
    """Optuna's tables, which are made if there are none. Who comes second while that is done finds them the next time.

    No connection is kept: a training takes longer than a database suffers an idle one.
    """
    for _ in range(COLLISIONS):
        with suppress(IntegrityError, ProgrammingError):
            return RDBStorage(url, engine_kwargs={"poolclass": NullPool})
    return RDBStorage(url, engine_kwargs={"poolclass": NullPool})


def alone(plan: Plan) -> bool:
    """Work in this process. Returns whether it was left to finish."""
    try:
        work(plan)
    except KeyboardInterrupt:
        return False
    return True


def share(plan: Plan, processes: int) -> bool:
    """Work in several processes of this machine. Returns whether all of them were left to finish."""
    for name in THREADS:
        os.environ.setdefault(name, str(max(1, (os.cpu_count() or 1) // processes)))
    workers = [multiprocessing.get_context("spawn").Process(target=_worker, args=(plan,)) for _ in range(processes)]
    ours = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the workers, too; it is left to this process
    for worker in workers:
        worker.start()
    signal.signal(signal.SIGINT, ours)
    try:
        for worker in workers:
            worker.join()
    except KeyboardInterrupt:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.join()
    return not any(worker.exitcode for worker in workers)


def _worker(plan: Plan) -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    mlflow_tracking.connect()
    if not alone(plan):
        sys.exit(1)


def work(plan: Plan) -> None:
    """Run trials until none is left. Raises KeyboardInterrupt when the one at work has been given back."""
    study, data = open_study(plan), read(plan)
    parent = multiprocessing.parent_process()
    while parent is None or parent.is_alive():
        trial = trial_queue.claim(study, plan.trials, plan.seed)
        if trial is None:
            return
        try:
            with trial_queue.alive(trial), _nested(study, trial):
                attempt(study, trial, plan, data)
        except (KeyboardInterrupt, SystemExit, MlflowException):  # not the trial's fault
            trial_queue.give_back(study, trial.number)
            raise
        failed = [t.user_attrs["error"] for t in study.trials if "error" in t.user_attrs]
        if len(failed) >= FAILURES and not trial_queue.completed(study):
            raise SystemExit(f"the first {len(failed)} trials failed, the last with {failed[-1]}")


def attempt(study: optuna.Study, trial: optuna.Trial, plan: Plan, data: Data) -> None:
    """Train with the settings of a trial, in the active run, and tell the study what came of it."""
    module = family(plan.family)
    settings = draw(module.space, trial, plan.fixed, configure(module.Configuration, list(plan.fixed)))
    configuration = configure(module.Configuration, settings)
    trial.set_user_attr("settings", settings)
    mlflow.log_params(
        {"family": plan.family, "texts": len(data["train"])} | flatten(msgspec.to_builtins(configuration))
    )
    folder = _folder(study, trial)
    try:
        value = judge(plan.family, configuration, data, RunContext(folder, reporter(trial)))
        study.tell(trial, value)
        said = f"{value:.4f}"
    except optuna.TrialPruned:
        study.tell(trial, state=TrialState.PRUNED)
        said = "pruned"
    except UpdateFinishedTrialError:
        said = "was taken for dead and given to another process"
    except MlflowException:
        raise
    except Exception as error:  # settings that cannot be trained; others may
        said = f"{type(error).__name__}: {error}"
        trial.set_user_attr("error", said)
        study.tell(trial, state=TrialState.FAIL)
    mlflow.set_tag("outcome", said)
    console.print(f"trial {trial.number}: {said}", markup=False)
    shutil.rmtree(folder, ignore_errors=True)


def judge(name: str, configuration: Any, data: Data, context: RunContext) -> float:
    """Train, log what is measured on validation, and return what is maximised: the break-even precision there.

    Precision at 0.5 could be had by calling little positive, and the share that can be published hangs on the few texts
    that score highest; this one tells how well the texts are ranked around the place where the decision falls.
    """
    trained, logit = fit(name, configuration, data, data["train"].label.to_numpy(np.float32), context)
    value = metrics.break_even(data["validation"].label.to_numpy(), logit)
    figures = trained.validation.values | {"break_even": value}
    mlflow.log_metrics({f"validation_{name}": figure for name, figure in figures.items()})
    return value


class Open:
    """A trial that is not asked for what is fixed, so that Optuna learns nothing from it."""

    def __init__(self, trial: Any, fixed: Mapping[str, Any]) -> None:
        self._trial = trial
        self._fixed = fixed

    def __getattr__(self, name: str) -> Callable[..., Any]:
        suggest = getattr(self._trial, name)
        return lambda key, *rest, **options: self._fixed[key] if key in self._fixed else suggest(key, *rest, **options)


def draw(space: Callable[[Any], dict[str, Any]], trial: Any, fixed: Collection[str], configuration: Any) -> list[str]:
    """The settings of a trial, KEY=VALUE: what is fixed, and the rest of the space as Optuna draws it.

    `configuration` has the fixed settings; a space may look at them.
    """
    keys = {setting.partition("=")[0] for setting in fixed}
    known = {key: value for key, value in flatten(msgspec.to_builtins(configuration)).items() if key in keys}
    drawn = {key: value for key, value in space(Open(trial, known)).items() if key not in keys}
    return [f"{key}={json.dumps(value)}" for key, value in drawn.items()] + list(fixed)


def reporter(trial: optuna.Trial) -> Callable[[int, dict[str, float]], None]:
    """Return what a RunContext reports to: MLflow and the pruner. Raises TrialPruned."""

    def report(step: int, figures: dict[str, float]) -> None:
        mlflow_tracking.report(step, figures)
        if "precision" in figures:
            trial.report(figures["precision"], step)
            if trial.should_prune():
                raise optuna.TrialPruned

    return report


@contextmanager
def _nested(study: optuna.Study, trial: optuna.Trial) -> Iterator[None]:
    """The MLflow run of a trial; one that is repeated goes on in its own."""
    run, parent = trial.user_attrs.get("run"), study.user_attrs["run"]
    name = None if run else f"trial {trial.number}"
    with mlflow.start_run(run, run_name=name, nested=True, parent_run_id=parent) as active:
        trial.set_user_attr("run", active.info.run_id)
        yield


def _folder(study: optuna.Study, trial: optuna.Trial) -> Path:
    """Where a trial works. What the one that it repeats left moves along: the training goes on where it was."""
    home = mlflow_tracking.HOME / "trials"
    folder, before = (
        home / f"{study.user_attrs['run']}-{number}" for number in (trial.number, trial.user_attrs.get("repeats"))
    )
    if before.exists():
        before.rename(folder)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def summarise(study: optuna.Study) -> None:
    """Into the active run: the best trial, and plots of all."""
    mlflow.set_tag("finished", trial_queue.finished(study))
    if not trial_queue.completed(study):
        return
    best = study.best_trial
    settings = dict(setting.split("=", 1) for setting in best.user_attrs["settings"])
    mlflow.log_metric("validation_break_even", best.value)
    mlflow.set_tags({"best": f"trial {best.number}"} | {f"best.{name}": value for name, value in settings.items()})
    plots.log({"history": history(study)} | importance(study), "plots")


def history(study: optuna.Study) -> Figure:
    """What came of each trial, and the best so far."""
    figure = Figure(plots.SIZE, layout="constrained")
    axes = figure.add_subplot(xlabel="trial", ylabel="break-even precision on validation")
    numbers, values = zip(*((t.number, t.value) for t in trial_queue.completed(study)), strict=True)
    axes.plot(numbers, values, ".", label="trained to the end")
    axes.step(numbers, np.maximum.accumulate(values), where="post", label="best so far")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    return figure


def importance(study: optuna.Study) -> dict[str, Figure]:
    """What sets the best tenth of the trials apart (PED-ANOVA: Watanabe, Bansal and Hutter, 2023), if anything does."""
    values = sorted(trial.value for trial in trial_queue.completed(study))
    if values[-math.ceil(len(values) / 10)] == values[0]:
        return {}
    shares = optuna.importance.get_param_importances(study)
    figure = Figure((plots.SIZE[0], 1 + 0.25 * len(shares)), layout="constrained")
    axes = figure.add_subplot(xlabel="importance")
    axes.barh(list(shares)[::-1], list(shares.values())[::-1])
    return {"importance": figure}


def command(plan: Plan, settings: list[str]) -> str:
    """The command line that trains with `settings`."""
    words = ["python", "-m", "training", "train", "--family", plan.family]
    if plan.data != DATA:
        words += ["--data", str(plan.data)]
    if plan.texts is not None:
        words += ["--texts", str(plan.texts)]
    return shlex.join([*words, *(word for setting in settings for word in ("--set", setting))])
