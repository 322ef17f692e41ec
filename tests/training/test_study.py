"""`tune` on a family that trains in no time. Its setting `strength` decides how precise it becomes."""

import argparse
import itertools
import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.context import ForkServerContext
from multiprocessing.synchronize import Barrier
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import mlflow
import msgspec
import numpy as np
import optuna
import pytest
from optuna.trial import TrialState
from sqlalchemy.exc import IntegrityError, ProgrammingError

from sentiment.text import TextSpec
from tests.support.dataframes import invented, write_data_set
from tests.support.killed import forkserver
from training import families
from training.commands import tune
from training.families import Examples, RunContext
from training.families.settings import configure
from training.registry import mlflow_tracking
from training.tuning import study as study_module
from training.tuning import trial_queue, worker
from training.tuning.search_space import suggest_settings
from training.tuning.study import StudyConfig, get_or_create_study, load_data, open_study

COMPLETE, FAIL, PRUNED = TrialState.COMPLETE, TrialState.FAIL, TrialState.PRUNED

pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SADeprecationWarning")  # raised within MLflow

names = (f"study{n}" for n in itertools.count())
GUESS_ENTRY = families.FamilyEntry("guess", "the family of these tests")


class Configuration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    text: TextSpec = TextSpec()
    strength: float = 0.5
    rounds: int = 0


class Guess(NamedTuple):
    """A fitted model that knows the labels, with noise: the stronger it is, the fewer texts it gets wrong."""

    strength: float
    labels: dict[str, float]

    def logit(self, texts: Sequence[str]) -> Any:
        noise = np.random.default_rng(0).normal(size=len(texts))
        return noise + 4 * self.strength * np.array([self.labels[text] - 0.5 for text in texts])


def fit(configuration: Configuration, train: Examples, validation: Examples, context: RunContext) -> Guess:
    for step in range(configuration.rounds):
        context.report(step, {"precision": configuration.strength, "loss": 1 - configuration.strength})
    return Guess(configuration.strength, dict(zip(validation.texts, validation.target.tolist(), strict=True)))


def space(trial: Any) -> dict[str, Any]:
    return {
        "strength": trial.suggest_float("strength", 0.1, 1),
        "text.urls": trial.suggest_categorical("text.urls", [True, False]),
    }


@pytest.fixture
def guess(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Register the family; a test may replace its `fit`."""
    module = SimpleNamespace(Configuration=Configuration, fit=fit, space=space)
    monkeypatch.setitem(families.FAMILIES, "guess", GUESS_ENTRY)
    monkeypatch.setitem(sys.modules, "training.families.guess", module)
    return module


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data_set(tmp_path_factory.mktemp("data"), train=invented(300, 0), validation=invented(300, 1))


type Tune = Callable[..., str]


@pytest.fixture
def tuned(
    guess: SimpleNamespace, runs: mlflow.MlflowClient, data: Path, capsys: pytest.CaptureFixture[str]
) -> Iterator[Tune]:
    """Run the command in this process and return what it prints to stdout."""
    before = signal.getsignal(signal.SIGTERM)

    def run(*words: str) -> str:
        parser = argparse.ArgumentParser()
        tune.add_arguments(parser)
        capsys.readouterr()
        tune.run(parser.parse_args(["--family", "guess", "--data", str(data), *words]))
        return capsys.readouterr().out

    yield run
    signal.signal(signal.SIGTERM, before)


def config_of(name: str, n_trials: int = 1, data: Path = Path(), storage: str = "") -> StudyConfig:
    return StudyConfig(
        name=name,
        family="guess",
        data=data,
        texts=None,
        fixed=(),
        storage=storage or f".local/studies/{name}.log",
        n_trials=n_trials,
        seed=20,
    )


def study_of(name: str) -> optuna.Study:
    return open_study(config_of(name))


def completed_strengths(name: str) -> list[float]:
    """Return the suggested strength of every completed trial, in order."""
    return [trial.params["strength"] for trial in study_of(name).trials if trial.state == COMPLETE]


def nested_runs(runs: mlflow.MlflowClient, name: str) -> list[Any]:
    parent = study_of(name).user_attrs["run"]
    experiment = runs.get_run(parent).info.experiment_id
    return runs.search_runs([experiment], f"tags.mlflow.parentRunId = '{parent}'")


def test_nests_a_run_per_trial_in_the_run_of_the_study(tuned: Tune, runs: mlflow.MlflowClient) -> None:
    name = next(names)
    printed = tuned("--trials", "12", "--study", name)
    study = study_of(name)
    assert len(study.trials) == 12 and study.best_params["strength"] > np.median(completed_strengths(name))

    children = nested_runs(runs, name)
    assert len(children) == 12 and {child.info.status for child in children} == {"FINISHED"}
    best = max(children, key=lambda child: child.data.metrics["validation_break_even"])
    assert best.data.params["strength"] == str(study.best_params["strength"])
    assert best.data.params["text.lowercase"] == "True"  # settings that were not searched are logged, too
    assert 0.5 < best.data.metrics["validation_auc"] < 1
    assert not runs.list_artifacts(best.info.run_id)

    parent = runs.get_run(study.user_attrs["run"])
    assert parent.info.status == "FINISHED" and parent.data.tags["best"] == f"trial {study.best_trial.number}"
    assert parent.data.metrics["validation_break_even"] == study.best_value
    assert float(parent.data.tags["best.strength"]) == study.best_params["strength"]
    assert len(runs.list_artifacts(parent.info.run_id, "plots")) == 2
    assert {source.dataset.name for source in parent.inputs.dataset_inputs} == {"train", "validation"}

    words = shlex.split(printed)
    assert words[:6] == ["python", "-m", "training", "train", "--family", "guess"]
    settings = [words[i + 1] for i, word in enumerate(words) if word == "--set"]
    assert configure(Configuration, settings).strength == study.best_params["strength"]
    assert not list(Path(".local/trials").iterdir())


def test_study_in_parts_suggests_the_same_settings(tuned: Tune, runs: mlflow.MlflowClient) -> None:
    parts, whole = next(names), next(names)
    for trials in ("4", "11", "11"):
        tuned("--trials", trials, "--study", parts)
    tuned("--trials", "11", "--study", whole)
    assert completed_strengths(parts) == completed_strengths(whole) and len(completed_strengths(whole)) == 11
    assert len(nested_runs(runs, parts)) == 11


def test_continues_an_interrupted_study(tuned: Tune, guess: SimpleNamespace, runs: mlflow.MlflowClient) -> None:
    name, whole, calls = next(names), next(names), []

    def interrupted(configuration: Configuration, train: Examples, validation: Examples, context: RunContext) -> Guess:
        calls.append(configuration.strength)
        note = context.folder / "note"
        if len(calls) == 2:
            note.write_text("unfinished")
            os.kill(os.getpid(), signal.SIGTERM)
        if len(calls) == 3:
            assert note.read_text() == "unfinished"
        return fit(configuration, train, validation, context)

    guess.fit = interrupted
    with pytest.raises(SystemExit, match="1 of 3 trials are finished; the same command continues"):
        tuned("--trials", "3", "--study", name)
    tuned("--trials", "3", "--study", name)
    assert calls[1] == calls[2] and len(calls) == 4
    assert [trial.state for trial in study_of(name).trials] == [COMPLETE, FAIL, COMPLETE, COMPLETE]
    assert {run.info.status for run in nested_runs(runs, name)} == {"FINISHED"} and len(nested_runs(runs, name)) == 3
    guess.fit = fit
    tuned("--trials", "3", "--study", whole)
    assert completed_strengths(name)[:2] == completed_strengths(whole)[:2]


def test_prunes_trials_below_the_median(tuned: Tune, runs: mlflow.MlflowClient) -> None:
    name = next(names)
    tuned("--trials", "12", "--study", name, "--set", "rounds=5")
    study = study_of(name)
    pruned = [trial for trial in study.trials if trial.state == PRUNED]
    assert pruned and study.best_trial.state == COMPLETE
    for trial in pruned:
        others = [t.params["strength"] for t in study.trials if t.number < trial.number]
        assert list(trial.intermediate_values) == [0, 1, 2] and trial.params["strength"] < np.median(others)
    outcomes = [run.data.tags["outcome"] for run in nested_runs(runs, name)]
    assert outcomes.count("pruned") == len(pruned) and {run.info.status for run in nested_runs(runs, name)} == {
        "FINISHED"
    }


def test_does_not_search_fixed_settings(tuned: Tune) -> None:
    name = next(names)
    printed = tuned("--trials", "2", "--study", name, "--set", "strength=0.75")
    assert [set(trial.params) for trial in study_of(name).trials] == [{"text.urls"}] * 2
    assert "--set strength=0.75" in printed
    with pytest.raises(SystemExit, match=f"--study {name}: was created with another --set; choose a new name"):
        tuned("--trials", "2", "--study", name)
    with pytest.raises(SystemExit, match=f"--study {name}: was created with another train; choose a new name"):
        tuned("--trials", "2", "--study", name, "--set", "strength=0.75", "--texts", "200")


def test_trial_with_untrainable_settings_fails_alone(
    tuned: Tune, guess: SimpleNamespace, runs: mlflow.MlflowClient
) -> None:
    def fragile(configuration: Configuration, train: Examples, validation: Examples, context: RunContext) -> Guess:
        if configuration.text.urls:
            raise ValueError("no n-gram is left")
        return fit(configuration, train, validation, context)

    guess.fit, name = fragile, next(names)
    tuned("--trials", "8", "--study", name)
    states = [trial.state for trial in study_of(name).trials]
    assert len(states) == 8 and set(states) == {COMPLETE, FAIL}
    outcomes = {run.data.tags["outcome"] for run in nested_runs(runs, name)}
    assert "ValueError: no n-gram is left" in outcomes

    with pytest.raises(SystemExit, match="the first 3 trials failed, the last with ValueError: no n-gram is left"):
        tuned("--trials", "8", "--study", next(names), "--set", "text.urls=true")


def test_logs_that_a_trial_was_given_to_another_process(
    tuned: Tune, guess: SimpleNamespace, runs: mlflow.MlflowClient
) -> None:
    name, calls = next(names), []

    def taken_over(configuration: Configuration, train: Examples, validation: Examples, context: RunContext) -> Guess:
        if not calls:
            trial_queue.requeue(study_of(name), 0, crashes=trial_queue.MAX_CRASHES)  # as another process would
        calls.append(configuration)
        return fit(configuration, train, validation, context)

    guess.fit = taken_over
    tuned("--trials", "2", "--study", name)
    assert [trial.state for trial in study_of(name).trials] == [FAIL, COMPLETE]
    outcomes = [run.data.tags["outcome"] for run in nested_runs(runs, name)]
    assert outcomes.count("was taken for dead and given to another process") == 1


def test_fails_if_no_trial_could_be_trained(tuned: Tune, guess: SimpleNamespace) -> None:
    def impossible(*_: Any) -> Guess:
        raise ValueError("no n-gram is left")

    guess.fit = impossible
    with pytest.raises(SystemExit, match="no trial could be trained"):
        tuned("--trials", "2", "--study", next(names))


def test_refuses_a_study_whose_run_is_in_another_mlflow(tuned: Tune) -> None:
    name = next(names)
    tuned("--trials", "1", "--study", name)
    study_of(name).set_user_attr("run", "0" * 32)
    with pytest.raises(SystemExit, match=f"--study {name}: its run is not in this MLflow; choose a new name"):
        tuned("--trials", "1", "--study", name)


def test_keeps_a_study_in_a_database(tuned: Tune, tmp_path: Path) -> None:
    name, storage = next(names), f"sqlite:///{tmp_path / 'studies.db'}"
    for trials in ("2", "3"):
        assert "--set strength=" in tuned("--trials", trials, "--study", name, "--storage", storage)
    assert len(open_study(config_of(name, storage=storage)).trials) == 3


def test_waits_for_the_run_of_the_process_that_created_the_study(
    tuned: Tune, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = config_of(next(names), 2, data)
    first = open_study(shared, create=True)  # by another process, which has not stored its run yet
    waited = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            with mlflow.start_run(run_name="of the creator") as run:
                first.set_user_attr("run", run.info.run_id)

    monkeypatch.setattr(study_module.time, "sleep", sleep)
    assert get_or_create_study(shared, load_data(shared)).user_attrs["run"] == first.user_attrs["run"]
    assert len(waited) == 3


def test_joins_a_study_whose_creator_crashed(tuned: Tune, monkeypatch: pytest.MonkeyPatch) -> None:
    name = next(names)
    study_of(name)
    monkeypatch.setattr(study_module, "CREATION_TIMEOUT_SECONDS", 0)
    assert "--set strength=" in tuned("--trials", "1", "--study", name)


def test_retries_when_another_process_creates_the_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = config_of(next(names), storage=f"sqlite:///{tmp_path / 'studies.db'}")
    database, collisions = study_module.RDBStorage, iter([ProgrammingError, IntegrityError, IntegrityError])

    def collide(*arguments: Any, **options: Any) -> optuna.storages.RDBStorage:
        if collision := next(collisions, None):
            raise collision("CREATE TABLE studies", None, ValueError("it already exists"))
        return database(*arguments, **options)

    monkeypatch.setattr(study_module, "RDBStorage", collide)
    assert open_study(shared).trials == []
    collisions = itertools.repeat(ProgrammingError)
    with pytest.raises(SystemExit, match="--storage: .*it already exists"):
        open_study(shared)


def _run_worker(tracking_uri: str, config: StudyConfig, fit: Callable[..., Guess]) -> None:
    """Register the family and run trials: the target of a worker process.

    Its environment is that of whichever test started the server of processes first.
    """
    os.environ["MLFLOW_TRACKING_URI"] = tracking_uri
    module = SimpleNamespace(Configuration=Configuration, fit=fit, space=space)
    families.FAMILIES["guess"] = GUESS_ENTRY
    sys.modules["training.families.guess"] = module  # type: ignore[assignment]
    mlflow_tracking.connect()
    worker.run_trials(config)


@pytest.fixture(scope="session")
def context() -> ForkServerContext:
    """Return a start method that imports MLflow once: it takes seconds to load."""
    return forkserver("mlflow", "optuna", "pandas", "sklearn.linear_model")


class FitTogether:
    """A `fit` that waits until two processes call it."""

    def __init__(self, barrier: Barrier) -> None:
        self.barrier = barrier

    def __call__(self, *arguments: Any) -> Guess:
        self.barrier.wait(120)
        return fit(*arguments)


def _fit_that_is_killed(*_: Any) -> Guess:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def test_processes_share_the_trials_of_a_study(
    tuned: Tune, data: Path, runs: mlflow.MlflowClient, context: ForkServerContext
) -> None:
    shared = config_of(next(names), 6, data)
    get_or_create_study(shared, load_data(shared))
    fit_together = FitTogether(context.Barrier(2))
    processes = [
        context.Process(target=_run_worker, args=(os.environ["MLFLOW_TRACKING_URI"], shared, fit_together))
        for _ in range(2)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    study = study_of(shared.name)
    assert [process.exitcode for process in processes] == [0, 0]
    done = [trial for trial in study.trials if trial.state == COMPLETE]
    assert len(done) == 6 == len({trial.params["strength"] for trial in done})
    workers = [trial.user_attrs["owner"]["process"] for trial in done]
    assert [workers.count(process.pid) for process in processes] == [3, 3]
    assert len(nested_runs(runs, shared.name)) == 6


def test_repeats_the_trial_of_a_killed_process(
    tuned: Tune, data: Path, runs: mlflow.MlflowClient, context: ForkServerContext
) -> None:
    name = next(names)
    tuned("--trials", "1", "--study", name)
    arguments = os.environ["MLFLOW_TRACKING_URI"], config_of(name, 3, data), _fit_that_is_killed
    process = context.Process(target=_run_worker, args=arguments)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    (killed,) = (trial for trial in study_of(name).trials if trial.state == TrialState.RUNNING)
    tuned("--trials", "3", "--study", name)
    assert len(completed_strengths(name)) == 3 and killed.params["strength"] in completed_strengths(name)
    assert {run.info.status for run in nested_runs(runs, name)} == {"FINISHED"} and len(nested_runs(runs, name)) == 3


def test_starts_several_processes(tuned: Tune, data: Path) -> None:
    name = next(names)
    printed = tuned("--family", "naive_bayes", "--trials", "4", "--processes", "2", "--study", name)
    assert "train --family naive_bayes" in printed
    study = open_study(config_of(name)._replace(family="naive_bayes"))
    assert sum(trial.state == COMPLETE for trial in study.trials) == 4


def test_refuses_an_unknown_family(tuned: Tune, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        tuned("--trials", "1", "--family", "nonsense")
    assert "argument --family: invalid choice: 'nonsense'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("--trials 0", "--trials 0: must be at least 1"),
        ("--trials 1 --processes 0", "--processes 0: must be at least 1"),
        ("--trials 1 --texts 0", "--texts 0: must be at least 1"),
        ("--trials 1 --study ../x", "--study ../x: must be letters"),
        ("--trials 1 --set strength=strong", "--set: Expected `float`"),
        ("--trials 1 --set weakness=1", "--set weakness=1: there is no setting weakness; --set help lists them"),
        ("--trials 1 --data nowhere", "nowhere/train.parquet is missing"),
        ("--trials 1 --storage nonsense://u:secret@host/x", "--storage: Can't load plugin"),
        ("--trials 1 --storage postgresql://u:secret@host/x", "--storage: .*No module named .psycopg"),
        ("--trials 1 --storage sqlite:////no/such/folder/x.db", "--storage: .*unable to open database file"),
        ("--trials 1 --storage /dev/null/x.log", "--storage: .*File exists: '/dev/null'"),
        ("--trials 1 --storage tweets.csv", "--storage: "),
    ],
)
def test_reports_a_wrong_option_in_one_line(tuned: Tune, words: str, line: str) -> None:
    Path("tweets.csv").write_text("text,label\ngood,1\n")
    with pytest.raises(SystemExit, match=line) as raised:
        tuned(*words.split())
    assert "secret" not in str(raised.value) and "\n" not in str(raised.value)
    assert Path("tweets.csv").read_text() == "text,label\ngood,1\n"


@pytest.mark.parametrize("name", ["logreg", "naive_bayes", "svm", "forest"])
def test_suggests_valid_settings_of_the_family(name: str) -> None:
    module = families.load_family(name)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(10):
        settings = suggest_settings(module.space, study.ask(), ("min_df=2",), module.Configuration())
        assert configure(module.Configuration, settings).min_df == 2  # type: ignore[attr-defined]
