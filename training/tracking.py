"""MLflow: where runs are kept. A local SQLite file, unless MLFLOW_TRACKING_URI names a server."""

import os
from pathlib import Path

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

import mlflow
import pandas as pd

from .prepare import Split, dataset_sha256

EXPERIMENT = "buzzguard"
HOME = Path(".local")


def connect() -> None:
    """Use the experiment of this project, made on first use."""
    HOME.mkdir(exist_ok=True)
    uri = os.environ.get("MLFLOW_TRACKING_URI")
    mlflow.set_tracking_uri(uri or f"sqlite:///{HOME / 'mlflow.db'}")  # sets the variable, too
    if mlflow.get_experiment_by_name(EXPERIMENT) is None:
        artifacts = None if uri else (HOME / "mlflow-artifacts").absolute().as_uri()
        mlflow.create_experiment(EXPERIMENT, artifact_location=artifacts)
    mlflow.set_experiment(EXPERIMENT)


def log_input(split: Split, rows: pd.DataFrame) -> None:
    """Say in the active run which texts it has seen."""
    floats = rows.astype({"label": float})  # MLflow warns of integers, which cannot be missing
    dataset = mlflow.data.from_pandas(floats, name=split, digest=dataset_sha256(rows)[:36])
    mlflow.log_input(dataset, context=split)
