"""`tune` on a family that trains in no time: `strength` says how precise it becomes, and what else it does."""

import argparse
import itertools
import multiprocessing
import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
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
from tests.support.dataframes import invented
from training import families
from training.families import Examples, RunContext
from training.families.settings import configure
from training.tuning import study as tune

COMPLETE, FAIL, PRUNED = TrialState.COMPLETE, TrialState.FAIL, TrialState.PRUNED

pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SADeprecationWarning")  # MLflow's own

names = (f"study{n}" for n in itertools.count())


class Configuration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    text: TextSpec = TextSpec()
    strength: float = 0.5
    rounds: int = 0


class Guess(NamedTuple):
    """Knows the labels, and says the opposite of one text in a few: the stronger it is, the fewer."""

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
    """Makes the family known; a test may put a `fit` of its own in its place."""
    module = SimpleNamespace(Configuration=Configuration, fit=fit, space=space)
    monkeypatch.setitem(families.FAMILIES, "guess", families.FamilyEntry("guess", "what stands above"))
    monkeypatch.setitem(sys.modules, "training.families.guess", module)
    return module


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for seed, split in enumerate(("train", "validation")):
        invented(300, seed).to_parquet(folder / f"{split}.parquet")
    return folder


type Tune = Callable[..., str]


@pytest.fixture
def tuned(
    guess: SimpleNamespace, runs: mlflow.MlflowClient, data: Path, capsys: pytest.CaptureFixture[str]
) -> Iterator[Tune]:
    """Runs the verb in this process; gives what it prints."""
    before = signal.getsignal(signal.SIGTERM)

    def tuned(*words: str) -> str:
        parser = argparse.ArgumentParser()
        tune.add_arguments(parser)
        capsys.readouterr()
        tune.run(parser.parse_args(["--family", "guess", "--data", str(data), *words]))
        return capsys.readouterr().out

    yield tuned
    signal.signal(signal.SIGTERM, before)


def study_of(name: str) -> optuna.Study:
    return tune.open_study(plan(name))


def plan(name: str, trials: int = 1, data: Path = Path(), storage: str = "") -> tune.Plan:
    return tune.Plan("guess", data, None, (), storage or f".local/studies/{name}.log", name, trials, 20)


def drawn(name: str) -> list[float]:
    """What was tried, in the order of its first trial."""
    return [trial.params["strength"] for trial in study_of(name).trials if trial.state == COMPLETE]


def nested(runs: mlflow.MlflowClient, name: str) -> list[Any]:
    parent = study_of(name).user_attrs["run"]
    experiment = runs.get_run(parent).info.experiment_id
    return runs.search_runs([experiment], f"tags.mlflow.parentRunId = '{parent}'")


def test_every_trial_is_a_run_below_that_of_the_study(tuned: Tune, runs: mlflow.MlflowClient) -> None:
    name = next(names)
    printed = tuned("--trials", "12", "--study", name)
    study = study_of(name)
    assert len(study.trials) == 12 and study.best_params["strength"] > np.median(drawn(name))

    children = nested(runs, name)
    assert len(children) == 12 and {child.info.status for child in children} == {"FINISHED"}
    best = max(children, key=lambda child: child.data.metrics["validation_break_even"])
    assert best.data.params["strength"] == str(study.best_params["strength"])
    assert best.data.params["text.lowercase"] == "True"  # also what was not searched
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


def test_a_study_in_two_parts_is_the_study_in_one(tuned: Tune, runs: mlflow.MlflowClient) -> None:
    parts, whole = next(names), next(names)
    for trials in ("4", "11", "11"):
        tuned("--trials", trials, "--study", parts)
    tuned("--trials", "11", "--study", whole)
    assert drawn(parts) == drawn(whole) and len(drawn(whole)) == 11
    assert len(nested(runs, parts)) == 11


def test_a_study_that_is_interrupted_goes_on(tuned: Tune, guess: SimpleNamespace, runs: mlflow.MlflowClient) -> None:
    name, whole, calls = next(names), next(names), []

    def interrupted(configuration: Configuration, train: Examples, validation: Examples, context: RunContext) -> Guess:
        calls.append(configuration.strength)
        note = context.folder / "note"
        if len(calls) == 2:
            note.write_text("as far as it came")
            os.kill(os.getpid(), signal.SIGTERM)
        if len(calls) == 3:
            assert note.read_text() == "as far as it came"
        return fit(configuration, train, validation, context)

    guess.fit = interrupted
    with pytest.raises(SystemExit, match="1 of 3 trials are finished; the same command goes on"):
        tuned("--trials", "3", "--study", name)
    tuned("--trials", "3", "--study", name)
    assert calls[1] == calls[2] and len(calls) == 4
    assert [trial.state for trial in study_of(name).trials] == [COMPLETE, FAIL, COMPLETE, COMPLETE]
    assert {run.info.status for run in nested(runs, name)} == {"FINISHED"} and len(nested(runs, name)) == 3
    guess.fit = fit
    tuned("--trials", "3", "--study", whole)
    assert drawn(name)[:2] == drawn(whole)[:2]


def test_a_training_that_does_worse_than_the_median_is_given_up(tuned: Tune, runs: mlflow.MlflowClient) -> None:
    name = next(names)
    tuned("--trials", "12", "--study", name, "--set", "rounds=5")
    study = study_of(name)
    pruned = [trial for trial in study.trials if trial.state == PRUNED]
    assert pruned and study.best_trial.state == COMPLETE
    for trial in pruned:
        others = [t.params["strength"] for t in study.trials if t.number < trial.number]
        assert list(trial.intermediate_values) == [0, 1, 2] and trial.params["strength"] < np.median(others)
    outcomes = [run.data.tags["outcome"] for run in nested(runs, name)]
    assert outcomes.count("pruned") == len(pruned) and {run.info.status for run in nested(runs, name)} == {"FINISHED"}


def test_what_is_fixed_is_not_searched(tuned: Tune) -> None:
    name = next(names)
    printed = tuned("--trials", "2", "--study", name, "--set", "strength=0.75")
    assert [set(trial.params) for trial in study_of(name).trials] == [{"text.urls"}] * 2
    assert "--set strength=0.75" in printed
    with pytest.raises(SystemExit, match=f"--study {name}: was begun with another --set; name a new one"):
        tuned("--trials", "2", "--study", name)
    with pytest.raises(SystemExit, match=f"--study {name}: was begun with another train; name a new one"):
        tuned("--trials", "2", "--study", name, "--set", "strength=0.75", "--texts", "200")


def test_settings_that_cannot_be_trained_cost_one_trial(
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
    outcomes = {run.data.tags["outcome"] for run in nested(runs, name)}
    assert "ValueError: no n-gram is left" in outcomes

    with pytest.raises(SystemExit, match="the first 3 trials failed, the last with ValueError: no n-gram is left"):
        tuned("--trials", "8", "--study", next(names), "--set", "text.urls=true")


def test_a_study_without_a_single_model_is_no_success(tuned: Tune, guess: SimpleNamespace) -> None:
    def impossible(*_: Any) -> Guess:
        raise ValueError("no n-gram is left")

    guess.fit = impossible
    with pytest.raises(SystemExit, match="no trial could be trained"):
        tuned("--trials", "2", "--study", next(names))


def test_a_study_of_another_mlflow_is_refused(tuned: Tune) -> None:
    name = next(names)
    tuned("--trials", "1", "--study", name)
    study_of(name).set_user_attr("run", "0" * 32)
    with pytest.raises(SystemExit, match=f"--study {name}: its run is not in this MLflow; name a new one"):
        tuned("--trials", "1", "--study", name)


def test_a_database_does_as_well(tuned: Tune, tmp_path: Path) -> None:
    name, storage = next(names), f"sqlite:///{tmp_path / 'studies.db'}"
    for trials in ("2", "3"):
        assert "--set strength=" in tuned("--trials", trials, "--study", name, "--storage", storage)
    assert len(tune.open_study(plan(name, storage=storage)).trials) == 3


def test_who_comes_second_waits_for_what_the_first_has_to_say(
    tuned: Tune, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = plan(next(names), 2, data)
    first = tune.open_study(shared, new=True)  # as another process does, which is not yet any further
    waited = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            with mlflow.start_run(run_name="the first one's") as run:
                first.set_user_attr("run", run.info.run_id)

    monkeypatch.setattr(tune.time, "sleep", sleep)
    assert tune.begin(shared, tune.read(shared)).user_attrs["run"] == first.user_attrs["run"]
    assert len(waited) == 3


def test_who_comes_second_does_not_wait_for_the_dead(tuned: Tune, monkeypatch: pytest.MonkeyPatch) -> None:
    name = next(names)
    study_of(name)
    monkeypatch.setattr(tune, "PATIENCE", 0)
    assert "--set strength=" in tuned("--trials", "1", "--study", name)


def test_tables_that_another_process_makes_meanwhile_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = plan(next(names), storage=f"sqlite:///{tmp_path / 'studies.db'}")
    database, collisions = tune.RDBStorage, iter([ProgrammingError, IntegrityError, IntegrityError])

    def collide(*arguments: Any, **options: Any) -> optuna.storages.RDBStorage:
        if collision := next(collisions, None):
            raise collision("CREATE TABLE studies", None, ValueError("it already exists"))
        return database(*arguments, **options)

    monkeypatch.setattr(tune, "RDBStorage", collide)
    assert tune.open_study(shared).trials == []
    collisions = itertools.repeat(ProgrammingError)
    with pytest.raises(SystemExit, match="--storage: .*it already exists"):
        tune.open_study(shared)


def _with_guess(plan: tune.Plan, fit: Callable[..., Guess]) -> None:
    """In a process of its own: the family, and a share of the work."""
    module = SimpleNamespace(Configuration=Configuration, fit=fit, space=space)
    sys.modules["training.families.guess"] = module  # type: ignore[assignment]
    families.FAMILIES["guess"] = families.FamilyEntry("guess", "what stands above")
    tune.mlflow_tracking.connect()
    tune.work(plan)


class Together:
    """A `fit` that starts when two processes are at it."""

    def __init__(self, barrier: Barrier) -> None:
        self.barrier = barrier

    def __call__(self, *arguments: Any) -> Guess:
        self.barrier.wait(120)
        return fit(*arguments)


def _dies(*_: Any) -> Guess:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def test_processes_share_the_work_and_lose_no_trial(tuned: Tune, data: Path, runs: mlflow.MlflowClient) -> None:
    shared = plan(next(names), 6, data)
    tune.begin(shared, tune.read(shared))
    spawn = multiprocessing.get_context("spawn")
    together = Together(spawn.Barrier(2))
    processes = [spawn.Process(target=_with_guess, args=(shared, together)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    study = study_of(shared.study)
    assert [process.exitcode for process in processes] == [0, 0]
    done = [trial for trial in study.trials if trial.state == COMPLETE]
    assert len(done) == 6 == len({trial.params["strength"] for trial in done})
    workers = [trial.user_attrs["owner"]["process"] for trial in done]
    assert [workers.count(process.pid) for process in processes] == [3, 3]
    assert len(nested(runs, shared.study)) == 6


def test_a_trial_whose_process_is_killed_is_run_again(tuned: Tune, data: Path, runs: mlflow.MlflowClient) -> None:
    name = next(names)
    tuned("--trials", "1", "--study", name)
    process = multiprocessing.get_context("spawn").Process(target=_with_guess, args=(plan(name, 3, data), _dies))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    (killed,) = (trial for trial in study_of(name).trials if trial.state == TrialState.RUNNING)
    tuned("--trials", "3", "--study", name)
    assert len(drawn(name)) == 3 and killed.params["strength"] in drawn(name)
    assert {run.info.status for run in nested(runs, name)} == {"FINISHED"} and len(nested(runs, name)) == 3


def test_one_command_may_start_several_processes(tuned: Tune, data: Path) -> None:
    name = next(names)
    printed = tuned("--family", "naive_bayes", "--trials", "4", "--processes", "2", "--study", name)
    assert "train --family naive_bayes" in printed
    study = tune.open_study(plan(name)._replace(family="naive_bayes"))
    assert sum(trial.state == COMPLETE for trial in study.trials) == 4


def test_a_family_that_is_none_is_refused(tuned: Tune, capsys: pytest.CaptureFixture[str]) -> None:
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
        ("--trials 1 --set weakness=1", "--set: Object contains unknown field `weakness`"),
        ("--trials 1 --data nowhere", "nowhere/train.parquet is missing"),
        ("--trials 1 --storage nonsense://u:secret@host/x", "--storage: Can't load plugin"),
        ("--trials 1 --storage postgresql://u:secret@host/x", "--storage: .*No module named .psycopg"),
        ("--trials 1 --storage sqlite:////no/such/folder/x.db", "--storage: .*unable to open database file"),
        ("--trials 1 --storage /dev/null/x.log", "--storage: .*File exists: '/dev/null'"),
        ("--trials 1 --storage tweets.csv", "--storage: "),
    ],
)
def test_a_mistake_is_one_clear_line(tuned: Tune, words: str, line: str) -> None:
    Path("tweets.csv").write_text("text,label\ngood,1\n")
    with pytest.raises(SystemExit, match=line) as raised:
        tuned(*words.split())
    assert "secret" not in str(raised.value) and "\n" not in str(raised.value)
    assert Path("tweets.csv").read_text() == "text,label\ngood,1\n"


@pytest.mark.parametrize("name", ["logreg", "naive_bayes", "svm", "forest"])
def test_what_a_space_draws_are_settings_of_its_family(name: str) -> None:
    module = families.family(name)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(10):
        settings = tune.draw(module.space, study.ask(), ("min_df=2",), module.Configuration())
        assert configure(module.Configuration, settings).min_df == 2  # type: ignore[attr-defined]
