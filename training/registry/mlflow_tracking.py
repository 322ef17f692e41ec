"""MLflow, where runs and model versions are kept: a local SQLite file, or the server of MLFLOW_TRACKING_URI."""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import joblib
import mlflow
import msgspec
import pandas as pd
from alembic.util import CommandError
from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from training.data.dataset import SourceReport, dataset_sha256
from training.data.errors import one_line, refuse_damaged
from training.data.replacement import replacing
from training.families.fit import Trained

EXPERIMENT = "buzzguard"
REGISTERED_MODEL = "buzzguard"
CHALLENGER, CHAMPION = "challenger", "champion"  # aliases of versions of REGISTERED_MODEL
HOME = Path(".local")
DATABASE = HOME / "mlflow.db"  # where MLFLOW_TRACKING_URI does not name another
TRAINED_FILE, PREDICTIONS_FILE, MODEL_FOLDER = "trained.joblib", "predictions.parquet", "model"  # artefacts of a run

SOURCES_FILE = "sources.json"


def connect() -> None:
    """Use the experiment of this project; create it on first use. Raises SystemExit if MLflow is not available."""
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")  # read at every transfer
    HOME.mkdir(exist_ok=True)
    uri = os.environ.get("MLFLOW_TRACKING_URI")
    with (HOME / "mlflow.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # MLflow fails if two processes create the tables of a database at once
        try:
            mlflow.set_tracking_uri(uri or f"sqlite:///{DATABASE}")  # also sets MLFLOW_TRACKING_URI
            if mlflow.get_experiment_by_name(EXPERIMENT) is None:
                is_server = uri and uri.startswith("http")  # a server has an artefact store of its own
                artifacts = None if is_server else (HOME / "mlflow-artifacts").absolute().as_uri()
                mlflow.create_experiment(EXPERIMENT, artifact_location=artifacts)
            mlflow.set_experiment(EXPERIMENT)
        except (MlflowException, SQLAlchemyError, CommandError, ImportError) as error:
            raise SystemExit(_describe(error)) from error


@contextmanager
def connected() -> Iterator[None]:
    """Connect, and raise SystemExit with one line if MLflow fails later on: a database can be damaged anywhere."""
    connect()
    try:
        yield
    except (MlflowException, SQLAlchemyError) as error:
        raise SystemExit(_describe(error)) from error


def is_missing(error: MlflowException) -> bool:
    """Return whether MLflow works, but does not have what was asked for."""
    return error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "NOT_FOUND")


def _describe(error: Exception) -> str:
    """Return one line about a failure of MLflow. It names a file, but no other URI: that may contain a password."""
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{DATABASE}"
    where = uri.removeprefix("sqlite:///") if uri.startswith("sqlite:///") else "MLFLOW_TRACKING_URI"
    return f"{where}: {one_line(error)}"


@contextmanager
def resume_run(folder: Path, name: str) -> Iterator[str]:
    """Activate the unfinished run of `folder`, or a new one, and yield its id.

    Raises SystemExit if the run of the folder is in another MLflow.
    """
    note = folder / "run"
    run_id = note.read_text() if note.exists() else None
    try:
        run = mlflow.start_run(run_id, run_name=name)
    except MlflowException as error:
        if not is_missing(error):
            raise
        raise SystemExit(f"{folder}: its run is not in this MLflow; remove it to start again") from error
    with run as active:
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(note) as path:
            path.write_text(active.info.run_id)
        yield active.info.run_id


def log_step(step: int, values: dict[str, float]) -> None:
    """Log the progress of a training to the active run."""
    mlflow.log_metrics(values, step=step)


def log_duration(seconds: float) -> None:
    """Log how long training took. A run that was resumed keeps the longest of its parts."""
    run = _active_run()
    known = mlflow.MlflowClient().get_run(run.info.run_id).data.metrics
    mlflow.log_metric("seconds", max(seconds, known.get("seconds", 0.0)))


def metric_history() -> dict[str, list[tuple[int, float]]]:
    """Return (step, value) of every metric of the active run that was logged at several steps."""
    run = _active_run()
    client = mlflow.MlflowClient()
    names = client.get_run(run.info.run_id).data.metrics
    histories = {name: client.get_metric_history(run.info.run_id, name) for name in names}
    return {name: [(m.step, m.value) for m in found] for name, found in histories.items() if len(found) > 1}


def log_dataset(split: str, rows: pd.DataFrame) -> None:
    """Log to the active run which texts it used."""
    integers = rows.select_dtypes("integer").columns
    floats = rows.astype(dict.fromkeys(integers, float))  # MLflow warns that integers cannot hold missing values
    dataset = mlflow.data.from_pandas(floats, name=split, digest=dataset_sha256(rows)[:36])
    mlflow.log_input(dataset, context=split)


def log_sources(sources: Sequence[SourceReport]) -> None:
    """Log to the active run what its data are made from: names and weights as a parameter, the rest as a file."""
    mlflow.log_param("sources", ", ".join(f"{source.name} x {source.weight:g}" for source in sources))
    mlflow.log_dict(msgspec.to_builtins(sources), SOURCES_FILE)


def log_model(trained: Any) -> None:
    """Log a trained model to the active run, pickled."""
    with TemporaryDirectory() as folder:
        joblib.dump(trained, Path(folder) / TRAINED_FILE, compress=1)
        mlflow.log_artifact(str(Path(folder) / TRAINED_FILE))


def load_model(run_id: str) -> Trained:
    """Load the trained model of a run. Raises SystemExit if the run does not exist, did not finish or is damaged."""
    name = f"runs:/{run_id}/{TRAINED_FILE}"
    with TemporaryDirectory() as folder:
        try:
            path = mlflow.artifacts.download_artifacts(name, dst_path=folder)
        except (MlflowException, OSError) as error:
            if isinstance(error, MlflowException) and not is_missing(error):
                raise
            raise SystemExit(
                f"{run_id}: there is no such run, or `train` did not finish ({one_line(error)})"
            ) from error
        with refuse_damaged(name, "`train` again"):
            trained = joblib.load(path)
    if not isinstance(trained, Trained):
        raise SystemExit(f"{name}: not a model that `train` wrote")
    return trained


def log_predictions(predictions: pd.DataFrame) -> None:
    """Log label and probability of every test text to the active run."""
    with TemporaryDirectory() as folder:
        predictions.to_parquet(Path(folder) / PREDICTIONS_FILE)
        mlflow.log_artifact(str(Path(folder) / PREDICTIONS_FILE))


def load_predictions(run_id: str) -> pd.DataFrame:
    """Load label and probability of every test text of an exported run."""
    with TemporaryDirectory() as folder:
        path = _download(run_id, PREDICTIONS_FILE, Path(folder))
        with refuse_damaged(f"runs:/{run_id}/{PREDICTIONS_FILE}", "`export` the run again"):
            predictions = pd.read_parquet(path, columns=["label", "probability"])
            if not (predictions.label.isin([0, 1]) & predictions.probability.between(0, 1)).all():
                raise ValueError("not every label is 0 or 1 and every probability between 0 and 1")
            return predictions


def download_model_folder(run_id: str, destination: Path) -> Path:
    """Download the model folder of an exported run and return its path."""
    return _download(run_id, MODEL_FOLDER, destination)


def _download(run_id: str, artifact: str, destination: Path) -> Path:
    """Download an artefact of an exported run and return its path. Raises SystemExit if it is missing."""
    try:
        return Path(mlflow.artifacts.download_artifacts(f"runs:/{run_id}/{artifact}", dst_path=str(destination)))
    except (MlflowException, OSError) as error:
        raise SystemExit(
            f"runs:/{run_id}/{artifact}: cannot be read: {one_line(error)}; `export` the run again"
        ) from error


def exported_runs() -> list[Run]:
    """Return the exported runs; of several with the same name, the last one."""
    client = mlflow.MlflowClient()
    versions = client.search_model_versions(f"name = '{REGISTERED_MODEL}'")
    runs = [client.get_run(v.run_id) for v in sorted(versions, key=lambda v: int(v.version))]
    return list({run.info.run_name: run for run in runs}.values())


def find_version(number: str | None) -> ModelVersion:
    """Return a version of the registered model, by default the challenger. Raises SystemExit if there is none."""
    client = mlflow.MlflowClient()
    try:
        if number is None:
            return client.get_model_version_by_alias(REGISTERED_MODEL, CHALLENGER)
        return client.get_model_version(REGISTERED_MODEL, number)
    except MlflowException as error:
        if not is_missing(error):
            raise
        raise SystemExit(f"there is no such version: run `export` first ({one_line(error)})") from error


def set_alias(alias: str, version: str) -> None:
    """Make `alias` (CHALLENGER or CHAMPION) point to a version of the registered model."""
    mlflow.MlflowClient().set_registered_model_alias(REGISTERED_MODEL, alias, version)


def _active_run() -> Run:
    run = mlflow.active_run()
    assert run is not None
    return run
