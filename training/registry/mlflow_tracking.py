"""MLflow: where runs are kept. A local SQLite file, unless MLFLOW_TRACKING_URI names a server."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

import joblib
import mlflow
import pandas as pd
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from training.data.dataset import dataset_sha256

EXPERIMENT = "buzzguard"
MODEL = "buzzguard"  # in the registry
CHALLENGER, CHAMPION = "challenger", "champion"  # its aliases
HOME = Path(".local")
TRAINED = "trained.joblib"
PREDICTIONS = "predictions.parquet"


def connect() -> None:
    """Use the experiment of this project, made on first use. Raises SystemExit if there is no MLflow to be had."""
    HOME.mkdir(exist_ok=True)
    uri = os.environ.get("MLFLOW_TRACKING_URI")
    with (HOME / "mlflow.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of two processes that make the tables of an empty database, one would fail
        try:
            mlflow.set_tracking_uri(uri or f"sqlite:///{HOME / 'mlflow.db'}")  # sets the variable, too
            if mlflow.get_experiment_by_name(EXPERIMENT) is None:
                server = uri and uri.startswith("http")  # which knows where it keeps artefacts
                artifacts = None if server else (HOME / "mlflow-artifacts").absolute().as_uri()
                mlflow.create_experiment(EXPERIMENT, artifact_location=artifacts)
            mlflow.set_experiment(EXPERIMENT)
        except (MlflowException, SQLAlchemyError, ImportError) as error:
            raise SystemExit(f"MLFLOW_TRACKING_URI: {str(error).strip().splitlines()[0]}") from error


@contextmanager
def resumed(folder: Path, name: str) -> Iterator[str]:
    """The run that is at work in `folder`, a new one if none is; gives its id. Raises SystemExit if it is not known."""
    note = folder / "run"
    known = note.read_text() if note.exists() else None
    try:
        run = mlflow.start_run(known, run_name=name)
    except MlflowException as error:
        raise SystemExit(f"{folder}: its run is not in this MLflow; remove it to begin anew ({error})") from error
    with run as active:
        folder.mkdir(parents=True, exist_ok=True)
        note.write_text(active.info.run_id)
        yield active.info.run_id


def report(step: int, figures: dict[str, float]) -> None:
    """What a training says of itself on its way, into the active run."""
    mlflow.log_metrics(figures, step=step)


def log_duration(seconds: float) -> None:
    """How long the training of the active run took, all its parts together."""
    run = mlflow.active_run()
    assert run is not None
    known = mlflow.MlflowClient().get_run(run.info.run_id).data.metrics
    mlflow.log_metric("seconds", max(seconds, known.get("seconds", 0.0)))


def history() -> dict[str, list[tuple[int, float]]]:
    """What `report` was told in the active run: (step, value) by name of the figure, those with several steps."""
    run = mlflow.active_run()
    assert run is not None
    client = mlflow.MlflowClient()
    names = client.get_run(run.info.run_id).data.metrics
    histories = {name: client.get_metric_history(run.info.run_id, name) for name in names}
    return {name: [(m.step, m.value) for m in found] for name, found in histories.items() if len(found) > 1}


def exported() -> list[mlflow.entities.Run]:
    """The runs that `export` has put into the registry, the last of every name."""
    client = mlflow.MlflowClient()
    versions = client.search_model_versions(f"name = '{MODEL}'")
    runs = [client.get_run(v.run_id) for v in sorted(versions, key=lambda v: int(v.version))]
    return list({run.info.run_name: run for run in runs}.values())


def load_predictions(run_id: str) -> pd.DataFrame:
    """Load what `export` logged of a run: label and probability of every test text."""
    with TemporaryDirectory() as folder:
        path = mlflow.artifacts.download_artifacts(f"runs:/{run_id}/{PREDICTIONS}", dst_path=folder)
        return pd.read_parquet(path)


def log_model(trained: Any) -> None:
    """Put what `train` made into the active run."""
    with TemporaryDirectory() as folder:
        joblib.dump(trained, Path(folder) / TRAINED, compress=1)
        mlflow.log_artifact(str(Path(folder) / TRAINED))


def load_model(run_id: str) -> Any:
    """What `train` made in a run. Raises SystemExit if there is no such run, or if it did not end."""
    with TemporaryDirectory() as folder:
        try:
            path = mlflow.artifacts.download_artifacts(f"runs:/{run_id}/{TRAINED}", dst_path=folder)
        except (MlflowException, OSError) as error:
            raise SystemExit(f"{run_id}: there is no such run, or `train` did not end ({error})") from error
        return joblib.load(path)


def log_input(split: str, rows: pd.DataFrame) -> None:
    """Say in the active run which texts it has seen."""
    floats = rows.astype({"label": float})  # MLflow warns of integers, which cannot be missing
    dataset = mlflow.data.from_pandas(floats, name=split, digest=dataset_sha256(rows)[:36])
    mlflow.log_input(dataset, context=split)
