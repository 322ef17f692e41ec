"""The offline half as its user runs it: a CSV in, a model folder out, everything in MLflow."""

import os
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest

from sentiment import manifest
from sentiment.model import Model
from tests.conftest import ROOT
from tests.tweets import invented
from training.families.logreg import Configuration
from training.train import configure


def training(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    environment["PYTHONPATH"] = str(ROOT)
    command = [sys.executable, "-m", "training", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which tweets have been prepared."""
    folder = tmp_path_factory.mktemp("training")
    rows = invented(6000)
    rows.text += [
        f" {n:x}".replace("0", "zero").translate(str.maketrans("123456789", "ghijklmno")) for n in range(6000)
    ]
    rows.to_parquet(folder / "tweets.parquet")
    done = training(folder, "prepare", "tweets.parquet", "--holdout", "0.2")
    assert done.returncode == 0, done.stderr
    assert '"rows": 6000' in done.stderr
    return folder


@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SADeprecationWarning")  # MLflow's own
def test_from_tweets_to_a_model_folder(folder: Path) -> None:
    settings = ["--set", "C=1.5", "--set", "longest=2", "--set", "text.stop_words=true", "--set", "keep=400"]
    trained = training(folder, "train", "--family", "logreg", *settings)
    assert trained.returncode == 0, trained.stderr
    run = trained.stdout.split()[-1]
    exported = training(folder, "export", run, "--name", "mine")
    assert exported.returncode == 0, exported.stderr

    model = Model.load(folder / "models" / "mine")
    about = model.manifest
    assert (about.name, about.run_id, about.text.stop_words) == ("mine", run, True)
    assert about.metrics["test"].values["accuracy"] > 0.95
    assert manifest.champion(folder / "models") == "mine"
    assert about.version in (folder / "models" / "mine" / "MODEL_CARD.md").read_text()

    client = mlflow.MlflowClient(f"sqlite:///{folder / '.local' / 'mlflow.db'}")
    kept = client.get_run(run)
    assert (kept.data.params["C"], kept.data.params["text.stop_words"]) == ("1.5", "True")
    assert kept.data.metrics["test_accuracy"] == about.metrics["test"].values["accuracy"]
    assert {source.dataset.name for source in kept.inputs.dataset_inputs} == {"train", "validation", "test"}
    assert {file.path for file in client.list_artifacts(run)} == {"model", "trained.joblib"}


def test_a_mistake_is_one_clear_line(folder: Path) -> None:
    done = training(folder, "train", "--family", "logreg", "--data", "nowhere")
    assert done.returncode == 1 and done.stderr.startswith("nowhere/train.parquet is missing: run ")
    assert len(done.stderr.splitlines()) == 1


def test_a_run_that_is_none_and_data_of_another_are_refused(folder: Path, tmp_path: Path) -> None:
    done = training(folder, "export", "0" * 32, "--name", "mine")
    assert done.returncode == 1 and "there is no such run" in done.stderr
    done = training(folder, "export", "0" * 32, "--name", "../mine")
    assert done.returncode == 1 and "must be small letters" in done.stderr


@pytest.mark.parametrize(
    ("setting", "line"),
    [
        ("D=1", "Object contains unknown field `D`"),
        ("C", "C: must be KEY=VALUE"),
        ("C=x", "Expected `float`"),
        ("C=0", "Expected `float` > 0"),
        ("longest=0", "`int` >= 1"),
    ],
)
def test_a_wrong_setting_is_one_clear_line(setting: str, line: str) -> None:
    with pytest.raises(SystemExit, match=f"--set.*{line}"):
        configure(Configuration, [setting])


def test_the_verbs_are_listed(folder: Path) -> None:
    assert "prepare" in training(folder, "--help").stdout
    assert "--holdout" in training(folder, "prepare", "--help").stdout
