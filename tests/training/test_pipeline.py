"""The offline half as its user runs it: a CSV in, a model folder out, everything in MLflow."""

import fcntl
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import joblib
import mlflow
import pandas as pd
import pytest

from sentiment import manifest
from sentiment.model import Model
from tests.support.dataframes import invented
from tests.support.paths import ROOT
from training.__main__ import VERBS, main
from training.commands import promote
from training.families.linear.logreg import Configuration
from training.families.settings import configure
from training.registry import mlflow_tracking

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's own, and those of what it stands on


class Done(NamedTuple):
    out: str
    error: str  # what it ended with; "" if it ended well
    told: str  # on its way


type Training = Callable[..., Done]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tweets."""
    folder = tmp_path_factory.mktemp("training")
    rows = invented(6000)
    rows.text += [
        f" {n:x}".replace("0", "zero").translate(str.maketrans("123456789", "ghijklmno")) for n in range(6000)
    ]
    rows.to_parquet(folder / "tweets.parquet")
    return folder


@pytest.fixture
def training(folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Training:
    """`python -m training …` in `folder`, but in this process: MLflow takes seconds to load."""
    monkeypatch.chdir(folder)

    def run(*arguments: str, mlflow_uri: str = "") -> Done:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_uri)  # which connecting sets
        capfd.readouterr()
        try:
            main(arguments)
        except SystemExit as end:
            return Done(capfd.readouterr().out, str(end.code), "")
        said = capfd.readouterr()
        return Done(said.out, "", said.err)

    return run


def well(done: Done) -> str:
    assert not done.error
    return done.out.strip()


def test_from_tweets_to_a_model_that_is_served(folder: Path, training: Training) -> None:
    well(training("prepare", "tweets.parquet", "--holdout", "0.2"))
    settings = ["--set", "C=1.5", "--set", "longest=2", "--set", "text.stop_words=true", "--set", "keep=400"]
    run = well(training("train", "--family", "logreg", *settings)).split()[-1]
    version = well(training("export", run, "--name", "mine"))
    assert re.search(r"\d ms for a tweet; 0.001 are allowed", training("promote", "--milliseconds", "0.001").error)
    well(training("promote"))

    model = Model.load(folder / "models" / "mine")
    about = model.manifest
    assert (about.name, about.run_id, about.text.stop_words) == ("mine", run, True)
    assert about.metrics["test"].values["accuracy"] > 0.95
    assert manifest.read_champion(folder / "models") == "mine"
    assert about.version in well(training("card", "models/mine"))

    client = mlflow.MlflowClient(f"sqlite:///{folder / '.local' / 'mlflow.db'}")
    kept = client.get_run(run)
    assert (kept.data.params["C"], kept.data.params["text.stop_words"]) == ("(1.5,)", "True")
    assert kept.data.metrics["test_accuracy"] == about.metrics["test"].values["accuracy"]
    assert {source.dataset.name for source in kept.inputs.dataset_inputs} == {"train", "validation", "test"}
    artifacts = {file.path for file in client.list_artifacts(run)}
    assert artifacts == {"model", "trained.joblib", "predictions.parquet", "export.json", "plots"}
    champion = client.get_model_version_by_alias("buzzguard", "champion")
    assert (champion.run_id, str(champion.version)) == (run, version)
    tweet = ["the crew was great"]
    found = mlflow.pyfunc.load_model(champion.source).predict(dict(model.arrays(tweet)))
    calibrated = about.calibration.slope * found["logit"] + about.calibration.intercept
    assert calibrated == pytest.approx(model.score(tweet).logit, abs=1e-4)

    well(training("compare"))
    assert f"| `logreg {' '.join(settings[1::2])}` |" in (folder / "docs" / "models.md").read_text()


def test_a_worse_challenger_is_refused_and_told_why(folder: Path, training: Training) -> None:
    run = well(training("train", "--family", "naive_bayes", "--texts", "12", "--set", "min_df=1")).split()[-1]
    well(training("export", run, "--name", "mine"))
    before = (folder / "models" / "mine" / "manifest.json").read_bytes()
    done = training("promote")
    assert re.search(r"version 2 is not promoted:\nthe test split: accuracy is worse than mine's by 0\.\d+", done.error)
    done = training("promote", "--megabytes", "0.001")
    assert "MB on disk; 0.001 are allowed" in done.error
    assert (folder / "models" / "mine" / "manifest.json").read_bytes() == before


@pytest.mark.parametrize(
    ("took", "rival", "refused"),
    [(4.9, 4.0, False), (5.1, 4.8, True), (7.8, 7.5, False), (8.0, 7.5, True), (4.9, None, False), (5.1, None, True)],
)
def test_a_slow_machine_is_not_the_fault_of_a_model(
    took: float, rival: float | None, refused: bool, monkeypatch: pytest.MonkeyPatch, model: Model
) -> None:
    timings = [took] if rival is None else [took, rival]
    monkeypatch.setattr(promote, "milliseconds", lambda *models: timings[: len(models)])
    assert bool(promote.too_slow(model, model if rival else None, 5)) == refused


def test_a_training_that_was_killed_goes_on_in_its_own_run(
    folder: Path, training: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = "cell=simple units=4 embedding.dimension=8 max_length=16 schedule.round=2000 schedule.batch=100".split()
    command = ["train", "--family", "recurrent", *(word for setting in quick for word in ("--set", setting))]

    def killed(step: int, figures: dict[str, float]) -> None:
        mlflow.log_metrics(figures, step=step)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(mlflow_tracking, "report", killed)
        with pytest.raises(KeyboardInterrupt):
            training(*command)
    (left,) = (folder / ".local" / "trainings").iterdir()
    run = well(training(*command)).split()[-1]
    assert not left.exists()
    client = mlflow.MlflowClient(f"sqlite:///{folder / '.local' / 'mlflow.db'}")
    steps = [metric.step for metric in client.get_metric_history(run, "auc")]
    assert steps == list(range(1, len(steps) + 1)) and len(steps) > 1
    (only,) = client.search_runs(["1"], "params.family = 'recurrent'")
    assert (only.info.run_id, only.info.status) == (run, "FINISHED")


def test_what_a_teacher_said_is_learnt(folder: Path, training: Training) -> None:
    said = pd.read_parquet(folder / ".local" / "data" / "train.parquet")
    said["probability"] = 1.0 - said.label  # a teacher who is always wrong
    said.to_parquet(folder / "taught.parquet")
    run = well(training("train", "--family", "naive_bayes", "--teacher", "taught.parquet")).split()[-1]
    trained = joblib.load(folder / ".local" / "mlflow-artifacts" / run / "artifacts" / "trained.joblib")
    assert trained.calibration.slope < 0  # it learnt the contrary, and validation turned it round
    for spoilt, line in (
        (said[1:], "not the texts that are trained on, in their order"),
        (said.assign(probability=[None, *said.probability[1:]]), "not every probability is between 0 and 1"),
        (said.assign(probability=said.probability + 0.5), "not every probability is between 0 and 1"),
        (said.assign(probability="high"), "not what `score` writes: "),
        (said[["text"]], "not what `score` writes: "),
    ):
        spoilt.to_parquet(folder / "taught.parquet")
        done = training("train", "--family", "naive_bayes", "--teacher", "taught.parquet")
        assert done.error.startswith(f"taught.parquet: {line}") and len(done.error.splitlines()) == 1


def test_a_mistake_is_one_clear_line(folder: Path, training: Training) -> None:
    for name in ("train", "validation"):
        rows = pd.read_parquet(folder / ".local" / "data" / f"{name}.parquet").sort_values("label")
        for place, part in (("sorted", rows), ("unseen", rows[: None if name == "train" else 0])):
            (folder / place).mkdir(exist_ok=True)
            part.to_parquet(folder / place / f"{name}.parquet")
    for words, line in (
        ("--data nowhere", "nowhere/train.parquet is missing: run "),
        ("--texts 0", "--texts 0: must be at least 1"),
        ("--data sorted --texts 20", "sorted: 20 texts of train lack a class: `prepare` with --sample, "),
        ("--data unseen", "unseen: 0 texts of validation lack a class: `prepare` with a larger --holdout"),
        ("--set min_df=9999", "--set min_df=9999: no n-gram is in so many of "),
    ):
        done = training("train", "--family", "logreg", *words.split())
        assert done.error.startswith(line) and len(done.error.splitlines()) == 1


def test_a_training_whose_run_is_elsewhere_is_not_begun_again(folder: Path, training: Training) -> None:
    command = ("train", "--family", "logreg", "--set", "min_df=9998")
    training(*command)
    (left,) = (p for p in (folder / ".local" / "trainings").iterdir() if "min_df=9998" in _run_name(folder, p))
    (left / "run").write_text("0" * 32)
    assert "its run is not in this MLflow; remove it to begin anew" in training(*command).error


def _run_name(folder: Path, training: Path) -> str:
    client = mlflow.MlflowClient(f"sqlite:///{folder / '.local' / 'mlflow.db'}")
    return str(client.get_run((training / "run").read_text()).info.run_name)


def test_what_a_model_can_never_decide_is_told(folder: Path, training: Training) -> None:
    well(training("prepare", "tweets.parquet", "--holdout", "0.005", "--out", "few"))  # 30 texts
    run = well(training("train", "--family", "logreg", "--data", "few", "--set", "keep=400")).split()[-1]
    done = training("export", run, "--data", "few", "--name", "unsure")
    assert re.search(r"it never says publish: \d\d texts of validation are too few", done.told)
    assert "it never says hold: " in done.told
    version = mlflow.MlflowClient().get_model_version("buzzguard", well(done).split()[-1])
    card = mlflow.artifacts.load_text(f"runs:/{version.run_id}/model/MODEL_CARD.md")
    assert "publish never (too few texts, or too hard ones, to be sure), hold never (" in card
    assert re.search(r"\| as trained \| – \| 0\.0000 \| – \| 0\.0000 \|", card)


def test_what_was_measured_on_other_texts_is_not_promoted(folder: Path, training: Training) -> None:
    well(training("prepare", "tweets.parquet", "--holdout", "0.3", "--out", "other"))
    done = training("promote", "--data", "other")
    assert done.error == "other: not the data that was exported with; give its folder as --data"


def test_where_there_is_no_rival_what_ships_says_how_slow_the_machine_is(
    folder: Path, training: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(promote, "milliseconds", lambda *models: [8.0] * len(models))
    well(training("promote", "1", "--models", "elsewhere"))
    assert manifest.read_champion(folder / "elsewhere") == "mine"
    monkeypatch.setattr(promote, "milliseconds", lambda one, *others: [8.0, *(7.0 for _ in others)])
    assert "8.00 ms for a tweet; 7.35 are allowed" in training("promote", "1", "--models", "nowhere").error


def test_a_model_that_is_broken_cannot_be_compared_with(folder: Path, training: Training) -> None:
    broken = folder / "broken" / "mine"
    broken.mkdir(parents=True)
    assert "what is there cannot be compared with: " in training("promote", "1", "--models", "broken").error


def test_a_run_that_is_none_and_a_name_that_is_none_are_refused(training: Training) -> None:
    assert "there is no such run" in training("export", "0" * 32, "--name", "mine").error
    assert "must be small letters" in training("export", "0" * 32, "--name", "../mine").error
    assert "there is no such version" in training("promote", "99").error


@pytest.mark.parametrize(
    ("setting", "line"),
    [
        ("D=1", "Object contains unknown field `D`"),
        ("C", "C: must be KEY=VALUE"),
        ("C=x", "Expected `float`"),
        ("C=0", "Expected `float` > 0"),
        ("C=[]", "Expected `array` of length >= 1"),
        ("longest=0", "`int` >= 1"),
    ],
)
def test_a_wrong_setting_is_one_clear_line(setting: str, line: str) -> None:
    with pytest.raises(SystemExit, match=f"--set.*{line}"):
        configure(Configuration, [setting])


def test_the_settings_of_a_family_can_be_asked_for(training: Training) -> None:
    lines = training("train", "--family", "logreg", "--set", "help").error.splitlines()
    assert {"C=[2.0]", "longest=3", "text.stop_words=false", 'solver="lbfgs"'} < set(lines)
    assert configure(Configuration, lines) == Configuration()


@pytest.mark.parametrize("uri", ["nonsense://host", "postgresql://u:secret@host/x", "./runs"])
def test_an_mlflow_that_is_none_is_one_clear_line(uri: str, training: Training) -> None:
    done = training("compare", mlflow_uri=uri)
    assert done.error.startswith("MLFLOW_TRACKING_URI: ") and len(done.error.splitlines()) == 1
    assert "secret" not in done.error


def test_an_empty_mlflow_is_made_by_one_process_at_a_time(training: Training, monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(_: str) -> None:
        with (mlflow_tracking.HOME / "mlflow.lock").open() as lock, pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        raise SystemExit("asked")

    monkeypatch.setattr(mlflow, "get_experiment_by_name", ask)
    assert training("compare").error == "asked"


def test_the_verbs_are_listed_and_explained_without_tensorflow() -> None:
    code = "import sys; from training.__main__ import main; main(['--help'])"
    code = f"import atexit, sys; atexit.register(lambda: print('tensorflow' in sys.modules)); {code}"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "prepare" in done.stdout and done.stdout.split()[-1] == "False"


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb: str, training: Training) -> None:
    assert VERBS[verb] and "--help" in training(verb, "--help").out
