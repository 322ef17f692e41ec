"""The training commands end to end: labelled tweets in, a model folder out, every run in MLflow."""

import fcntl
import os
import pickle
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import joblib
import matplotlib
import mlflow
import pandas as pd
import pytest

from sentiment import manifest
from sentiment.model import Model
from tests.support.dataframes import invented, write_data_set
from tests.support.paths import ROOT
from training.__main__ import COMMANDS, main
from training.data.dataset import TRAINING_SPLITS, load
from training.data.replacement import locked
from training.families.linear.logreg import Configuration
from training.families.settings import configure
from training.registry import mlflow_tracking, promotion

pytestmark = pytest.mark.filterwarnings("ignore")  # of MLflow and its dependencies


class Result(NamedTuple):
    stdout: str
    error: str  # of SystemExit; "" on success
    stderr: str  # "" on failure


type Training = Callable[..., Result]


@pytest.fixture(scope="module")
def folder(migrated_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a file of invented tweets and an MLflow database without runs."""
    folder = tmp_path_factory.mktemp("training")
    (folder / mlflow_tracking.HOME).mkdir()
    shutil.copy(migrated_database, folder / mlflow_tracking.HOME)
    rows = invented(6000)
    rows.text += [
        f" {n:x}".replace("0", "zero").translate(str.maketrans("123456789", "ghijklmno")) for n in range(6000)
    ]
    rows.to_parquet(folder / "tweets.parquet")
    return folder


@pytest.fixture
def training(folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Training:
    """Run `python -m training …` in `folder`. In this process, because MLflow takes seconds to load."""
    monkeypatch.chdir(folder)

    def run(*arguments: str, mlflow_uri: str = "") -> Result:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_uri)  # connect() sets it
        capfd.readouterr()
        try:
            main(arguments)
        except SystemExit as end:
            return Result(capfd.readouterr().out, str(end.code), "")
        printed = capfd.readouterr()
        return Result(printed.out, "", printed.err)

    return run


def succeed(result: Result) -> str:
    """Return what a command printed; it must not fail."""
    assert not result.error, result.error
    return result.stdout.strip()


def test_trains_exports_and_promotes_a_model(folder: Path, training: Training) -> None:
    succeed(training("prepare", "tweets.parquet", "--holdout", "0.2"))
    settings = ["--set", "C=1.5", "--set", "max_ngram=2", "--set", "text.stop_words=true", "--set", "max_ngrams=400"]
    run = succeed(training("train", "--family", "logreg", *settings)).split()[-1]
    version = succeed(training("export", run, "--name", "mine"))
    assert re.search(r"\d ms for a tweet; 0.001 are allowed", training("promote", "--milliseconds", "0.001").error)
    succeed(training("promote"))

    model = Model.load(folder / "models" / "mine")
    about = model.manifest
    assert (about.name, about.run_id, about.text.stop_words) == ("mine", run, True)
    assert about.metrics["test"].values["accuracy"] > 0.95
    assert manifest.read_champion(folder / "models") == "mine"
    assert about.version in succeed(training("card", "models/mine"))

    client = mlflow.MlflowClient(f"sqlite:///{folder / '.local' / 'mlflow.db'}")
    run_info = client.get_run(run)
    assert (run_info.data.params["C"], run_info.data.params["text.stop_words"]) == ("(1.5,)", "True")
    assert run_info.data.metrics["test_accuracy"] == about.metrics["test"].values["accuracy"]
    assert {source.dataset.name for source in run_info.inputs.dataset_inputs} == {"train", "validation", "test"}
    artifacts = {file.path for file in client.list_artifacts(run)}
    assert artifacts == {"model", "trained.joblib", "predictions.parquet", "export.json", "plots", "sources.json"}
    champion = client.get_model_version_by_alias("buzzguard", "champion")
    assert (champion.run_id, str(champion.version)) == (run, version)
    tweet = ["the crew was great"]
    found = mlflow.pyfunc.load_model(champion.source).predict(dict(model.arrays(tweet)))
    calibrated = about.calibration.slope * found["logit"] + about.calibration.intercept
    assert calibrated == pytest.approx(model.score(tweet).logit, abs=1e-4)

    succeed(training("compare"))
    assert f"| `logreg {' '.join(settings[1::2])}` |" in (folder / "docs" / "models.md").read_text()


def test_refuses_a_worse_challenger_with_the_reason(folder: Path, training: Training) -> None:
    run = succeed(training("train", "--family", "naive_bayes", "--texts", "12", "--set", "min_df=1")).split()[-1]
    succeed(training("export", run, "--name", "mine"))
    before = (folder / "models" / "mine" / "manifest.json").read_bytes()
    result = training("promote")
    reason = r"version 2 is not promoted:\nthe test split: accuracy is worse than mine's by 0\.\d+"
    assert re.search(reason, result.error)
    result = training("promote", "--megabytes", "0.001")
    assert "MB on disk; 0.001 are allowed" in result.error
    assert (folder / "models" / "mine" / "manifest.json").read_bytes() == before


@pytest.mark.parametrize(
    ("latency", "incumbent", "refused"),
    [(4.9, 4.0, False), (5.1, 4.8, True), (7.8, 7.5, False), (8.0, 7.5, True), (4.9, None, False), (5.1, None, True)],
)
def test_latency_limit_rises_with_a_slow_incumbent(
    latency: float, incumbent: float | None, refused: bool, monkeypatch: pytest.MonkeyPatch, model: Model
) -> None:
    latencies = [latency] if incumbent is None else [latency, incumbent]
    monkeypatch.setattr(promotion, "median_latency_ms", lambda *models: latencies[: len(models)])
    assert bool(promotion.check_latency(model, model if incumbent else None, 5).failure) == refused


def test_resumes_an_interrupted_training_in_its_run(
    folder: Path, training: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = ["kernel_sizes=[2]", "filters=4", "embedding.dimension=8", "max_length=16"]  # quick to trace
    quick += ["schedule.epochs=1", "schedule.eval_interval=500", "schedule.batch_size=100"]
    command = ["train", "--family", "textcnn", "--texts", "1000"]
    command += [word for setting in quick for word in ("--set", setting)]

    def interrupt(step: int, values: dict[str, float]) -> None:
        mlflow.log_metrics(values, step=step)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(mlflow_tracking, "log_step", interrupt)
        with pytest.raises(KeyboardInterrupt):
            training(*command)
    (left,) = (folder / ".local" / "trainings").iterdir()
    run = succeed(training(*command)).split()[-1]
    assert not left.exists()
    client = mlflow.MlflowClient(f"sqlite:///{folder / '.local' / 'mlflow.db'}")
    steps = [metric.step for metric in client.get_metric_history(run, "auc")]
    assert steps == list(range(1, len(steps) + 1)) and len(steps) > 1
    experiment = client.get_experiment_by_name(mlflow_tracking.EXPERIMENT)
    assert experiment
    (only,) = client.search_runs([experiment.experiment_id], "params.family = 'textcnn'")
    assert (only.info.run_id, only.info.status) == (run, "FINISHED")


def test_learns_the_probabilities_of_a_teacher(folder: Path, training: Training) -> None:
    teacher = pd.read_parquet(folder / ".local" / "data" / "train.parquet")
    teacher["probability"] = (teacher.label == "negative").astype(float)  # always wrong
    teacher.to_parquet(folder / "teacher.parquet")
    run = succeed(training("train", "--family", "naive_bayes", "--teacher", "teacher.parquet")).split()[-1]
    trained = joblib.load(folder / ".local" / "mlflow-artifacts" / run / "artifacts" / "trained.joblib")
    assert trained.calibration.slope < 0  # the model learnt the opposite; calibration on validation reversed it
    for wrong, line in (
        (teacher[1:], "not the texts that are trained on, in their order"),
        (teacher.assign(probability=[None, *teacher.probability[1:]]), "not every probability is between 0 and 1"),
        (teacher.assign(probability=teacher.probability + 0.5), "not every probability is between 0 and 1"),
        (teacher.assign(probability="high"), "not what `score` writes: "),
        (teacher[["text"]], "not what `score` writes: "),
    ):
        wrong.to_parquet(folder / "teacher.parquet")
        result = training("train", "--family", "naive_bayes", "--teacher", "teacher.parquet")
        assert result.error.startswith(f"teacher.parquet: {line}") and len(result.error.splitlines()) == 1


def test_trains_on_sources_and_leaves_neutral_texts_out(folder: Path, training: Training) -> None:
    """Neutral texts are counted and said; a teacher that scored them, too, is read by the places of the others."""
    rows = pd.read_parquet(folder / "tweets.parquet")[:2000]
    words = rows.assign(label=rows.label.map({0: "negative", 1: "positive"}))
    words.loc[words.index % 3 == 0, "label"] = "neutral"
    words.to_parquet(folder / "people.parquet")
    known = 'language = "en"\nlicence = "CC0"\nlabelled_by = "people"\nweight = 2.0\nholdout = 0.2\n'
    source = f'[[source]]\nname = "people"\npath = "people.parquet"\nclasses = 3\n{known}'
    (folder / "sources.toml").write_text(source)
    succeed(training("prepare", "sources.toml", "--out", "mixed"))
    teacher = pd.read_parquet(folder / "mixed" / "train.parquet")
    teacher["probability"] = (teacher.label == "negative").astype(float)  # always wrong
    teacher.to_parquet(folder / "teacher.parquet")
    neutral = int((teacher.label == "neutral").sum())
    neutral += int((pd.read_parquet(folder / "mixed" / "validation.parquet").label == "neutral").sum())
    command = ("train", "--family", "naive_bayes", "--data", "mixed", "--teacher", "teacher.parquet")
    result = training(*command)
    run = succeed(result).split()[-1]
    assert neutral > 300 and f"{neutral} neutral texts are left out: the model has two classes" in result.stderr
    trained = joblib.load(folder / ".local" / "mlflow-artifacts" / run / "artifacts" / "trained.joblib")
    assert trained.calibration.slope < 0
    client = mlflow.MlflowClient(f"sqlite:///{folder / '.local' / 'mlflow.db'}")
    params = client.get_run(run).data.params
    assert (params["sources"], params["texts"]) == ("people x 2", str(int((teacher.label != "neutral").sum())))


def test_reports_a_wrong_option_of_train_in_one_line(folder: Path, training: Training) -> None:
    train, validation = (load(split, folder / ".local" / "data") for split in TRAINING_SPLITS)
    write_data_set(folder / "sorted", train=train.sort_values("label"), validation=validation)
    write_data_set(folder / "unseen", train=train, validation=validation[:0])
    for words, line in (
        ("--data nowhere", "nowhere/train.parquet is missing: run "),
        ("--texts 0", "--texts 0: must be at least 1"),
        ("--data sorted --texts 20", "sorted: 20 texts of train lack a class: `prepare` with --sample, "),
        ("--data unseen", "unseen: 0 texts of validation lack a class: `prepare` with a larger --holdout"),
        ("--set min_df=9999", "--set min_df=9999: no n-gram is in so many of "),
    ):
        result = training("train", "--family", "logreg", *words.split())
        assert result.error.startswith(line) and len(result.error.splitlines()) == 1


def test_refuses_to_resume_a_run_of_another_mlflow(folder: Path, training: Training) -> None:
    command = ("train", "--family", "logreg", "--set", "min_df=9998")
    training(*command)
    (left,) = (p for p in (folder / ".local" / "trainings").iterdir() if "min_df=9998" in _run_name(folder, p))
    (left / "run").write_text("0" * 32)
    assert "its run is not in this MLflow; remove it to start again" in training(*command).error


def _run_name(folder: Path, training: Path) -> str:
    client = mlflow.MlflowClient(f"sqlite:///{folder / '.local' / 'mlflow.db'}")
    return str(client.get_run((training / "run").read_text()).info.run_name)


def test_export_and_card_name_decisions_that_are_never_made(folder: Path, training: Training) -> None:
    succeed(training("prepare", "tweets.parquet", "--holdout", "0.005", "--out", "few"))  # 30 texts
    run = succeed(training("train", "--family", "logreg", "--data", "few", "--set", "max_ngrams=400")).split()[-1]
    result = training("export", run, "--data", "few", "--name", "unsure")
    assert re.search(r"it never says publish: \d\d texts of validation are too few", result.stderr)
    assert "it never says hold: " in result.stderr
    version = mlflow.MlflowClient().get_model_version("buzzguard", succeed(result).split()[-1])
    card = mlflow.artifacts.load_text(f"runs:/{version.run_id}/model/MODEL_CARD.md")
    assert "publish never (too few texts, or too hard ones, to be sure), hold never (" in card
    assert re.search(r"\| as trained \| – \| 0\.0000 \| – \| 0\.0000 \|", card)


def test_promote_refuses_unclear_labels_of_another_file(folder: Path, training: Training) -> None:
    pd.DataFrame({"text": ["a", "b", "c"], "label": [0, 1, 2]}).to_csv(folder / "coded.csv", index=False)
    assert "coded.csv: its labels may mean several things: 0 (1 row)" in training("promote", "--on", "coded.csv").error
    named = ("--labels", "negative=0,neutral=1")
    assert "coded.csv: --labels does not name 2" in training("promote", "--on", "coded.csv", *named).error


def test_refuses_to_promote_on_another_test_split(folder: Path, training: Training) -> None:
    succeed(training("prepare", "tweets.parquet", "--holdout", "0.3", "--out", "other"))
    result = training("promote", "--data", "other")
    assert result.error == "other: not the data that was exported with; give its folder as --data"


def test_every_command_refuses_files_of_two_data_sets(folder: Path, training: Training) -> None:
    succeed(training("prepare", "tweets.parquet", "--holdout", "0.3", "--out", "mixed"))
    shutil.copy(folder / ".local" / "data" / "validation.parquet", folder / "mixed" / "validation.parquet")
    run = mlflow.MlflowClient().get_model_version("buzzguard", "1").run_id
    for command in (
        "train --family logreg",
        "tune --family logreg --trials 1",
        f"export {run} --name mine",
        "promote 1",
    ):
        error = training(*command.split(), "--data", "mixed").error
        assert error.startswith("mixed/validation.parquet: not the texts that report.json describes; the folder has ")
    (folder / "mixed" / "report.json").unlink()
    error = training("train", "--family", "logreg", "--data", "mixed").error
    assert error == "mixed/report.json: No such file or directory; run `prepare` again"


def test_only_one_promotion_at_a_time_works_on_a_folder(folder: Path, training: Training) -> None:
    with locked(folder / "models", "promote"):
        assert training("promote", "1").error == "models: another `promote` is writing it; wait until it has ended"


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"", r"EOFError"),
        (b"\x00\xff" * 99, "cannot be read"),
        (pickle.dumps(["a model"]), "not a model that `train` wrote"),
        (b"\x80\x04cno_such_module\nModel\n.", "No module named 'no_such_module'"),
    ],
)
def test_reports_a_damaged_model_of_a_run_in_one_line(
    content: bytes, line: str, folder: Path, training: Training
) -> None:
    run = mlflow.MlflowClient().get_model_version("buzzguard", "1").run_id
    path = folder / ".local" / "mlflow-artifacts" / run / "artifacts" / "trained.joblib"
    before = path.read_bytes()
    for damaged in (content, before[: len(before) // 2]):
        path.write_bytes(damaged)
        error = training("export", run, "--name", "mine").error
        assert error.startswith(f"runs:/{run}/trained.joblib: ") and len(error.splitlines()) == 1
        assert damaged != content or re.search(line, error)
    path.write_bytes(before)


@pytest.mark.parametrize("file", ["manifest.json", "model.onnx"])
def test_refuses_to_promote_a_damaged_model(file: str, folder: Path, training: Training) -> None:
    run = mlflow.MlflowClient().get_model_version("buzzguard", "1").run_id
    path = folder / ".local" / "mlflow-artifacts" / run / "artifacts" / "model" / file
    before = path.read_bytes()
    path.write_bytes(before[: len(before) // 2])
    error = training("promote", "1").error
    assert error.startswith("the challenger cannot be loaded: ") and file in error and len(error.splitlines()) == 1
    path.write_bytes(before)


@pytest.mark.parametrize("content", [b"", b'[{"name":', b"[" * 100_000, b"\xff\xfe", b'[{"name": 1}]'])
def test_reports_damaged_measurements_in_one_line(content: bytes, folder: Path, training: Training) -> None:
    (folder / "damaged").mkdir(exist_ok=True)
    (folder / "damaged" / "models.json").write_bytes(content)
    error = training("compare", "--render", "--docs", "damaged").error
    assert error.startswith("damaged/models.json: ") and len(error.splitlines()) == 1
    assert error.endswith("; run `compare` without --render first")


@pytest.mark.parametrize("damage", [lambda content: content[: len(content) // 2], lambda content: b"text" * 4096])
def test_reports_a_damaged_database_in_one_line(
    damage: Callable[[bytes], bytes], folder: Path, tmp_path: Path, training: Training
) -> None:
    database = tmp_path / "mlflow.db"
    database.write_bytes(damage((folder / ".local" / "mlflow.db").read_bytes()))
    for command in (("promote",), ("compare",), ("train", "--family", "logreg", "--texts", "200")):
        error = training(*command, mlflow_uri=f"sqlite:///{database}").error
        assert error.startswith(f"{database}: ") and len(error.splitlines()) == 1


def test_latency_limit_without_incumbent_follows_the_shipped_model(
    folder: Path, training: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(promotion, "median_latency_ms", lambda *models: [8.0] * len(models))
    succeed(training("promote", "1", "--models", "elsewhere"))
    assert manifest.read_champion(folder / "elsewhere") == "mine"
    monkeypatch.setattr(promotion, "median_latency_ms", lambda one, *others: [8.0, *(7.0 for _ in others)])
    assert "8.00 ms for a tweet; 7.35 are allowed" in training("promote", "1", "--models", "nowhere").error


@pytest.mark.parametrize("name", ["mine", ".mine.replaced"])  # in its place, and where a killed promotion leaves it
def test_refuses_to_promote_over_a_broken_model(name: str, folder: Path, training: Training) -> None:
    models = f"broken{name}"
    (folder / models / name).mkdir(parents=True)
    assert "the present model cannot be loaded: " in training("promote", "1", "--models", models).error


def test_refuses_unknown_runs_names_and_versions(training: Training) -> None:
    assert "there is no such run" in training("export", "0" * 32, "--name", "mine").error
    assert "must be small letters" in training("export", "0" * 32, "--name", "../mine").error
    assert "there is no such version" in training("promote", "99").error


@pytest.mark.parametrize(
    ("setting", "line"),
    [
        ("D=1", "D=1: there is no setting D; --set help lists them"),
        ("C", "C: must be KEY=VALUE"),
        ("C=x", "Expected `float`"),
        ("C=0", "Expected `float` > 0"),
        ("C=[]", "Expected `array` of length >= 1"),
        ("max_ngram=0", "`int` >= 1"),
    ],
)
def test_reports_a_wrong_setting_in_one_line(setting: str, line: str) -> None:
    with pytest.raises(SystemExit, match=f"--set.*{line}"):
        configure(Configuration, [setting])


def test_set_help_lists_the_settings_of_a_family(training: Training) -> None:
    lines = training("train", "--family", "logreg", "--set", "help").error.splitlines()
    assert {"C=[2.0]", "max_ngram=3", "text.stop_words=false", 'solver="lbfgs"'} < set(lines)
    assert configure(Configuration, lines) == Configuration()


@pytest.mark.parametrize("uri", ["nonsense://host", "postgresql://u:secret@host/x", "./runs"])
def test_reports_a_wrong_mlflow_uri_in_one_line(uri: str, training: Training) -> None:
    result = training("compare", mlflow_uri=uri)
    assert result.error.startswith("MLFLOW_TRACKING_URI: ") and len(result.error.splitlines()) == 1
    assert "secret" not in result.error


def test_locks_mlflow_while_its_database_is_created(training: Training, monkeypatch: pytest.MonkeyPatch) -> None:
    def check_lock(_: str) -> None:
        with (mlflow_tracking.HOME / "mlflow.lock").open() as lock, pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        raise SystemExit("locked")

    monkeypatch.setattr(mlflow, "get_experiment_by_name", check_lock)
    assert training("compare").error == "locked"


def test_sends_no_telemetry_to_mlflow(tmp_path: Path) -> None:
    code = """if True:
        from training.__main__ import main
        try:
            main(["compare", "--render"])
        except SystemExit as end:
            from mlflow.telemetry import get_telemetry_client
            print(end, get_telemetry_client())
    """
    # Without the variables by which MLflow notices that it is being tested.
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    environment["MPLCONFIGDIR"] = matplotlib.get_cachedir()  # so that it need not look for fonts again
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "docs/models.json: there is no such file; run `compare` without --render first None\n"
    assert not list(tmp_path.rglob("telemetry.json"))


@pytest.mark.parametrize("module", ["registry.mlflow_tracking", "reports.plots", "commands.compare", "tuning.study"])
def test_importing_a_module_creates_no_mlflow_installation_id(module: str, tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    environment["MPLCONFIGDIR"] = matplotlib.get_cachedir()
    code = f"import sys, training.{module}; assert 'mlflow' in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)
    assert not list(tmp_path.rglob("telemetry.json"))


def test_help_does_not_import_tensorflow() -> None:
    code = "import sys; from training.__main__ import main; main(['--help'])"
    code = f"import atexit, sys; atexit.register(lambda: print('tensorflow' in sys.modules)); {code}"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "prepare" in done.stdout and done.stdout.split()[-1] == "False"


def test_missing_command_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([])
    assert capsys.readouterr().err.endswith("error: the following arguments are required: COMMAND\n")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, training: Training) -> None:
    assert COMMANDS[command] and "--help" in training(command, "--help").stdout
