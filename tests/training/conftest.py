"""Fixtures of the training tests: an MLflow database for the tests alone."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import mlflow
import pytest

from training.registry import mlflow_tracking


@pytest.fixture(scope="session")
def migrated_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an MLflow database without runs, to copy: MLflow takes seconds to create one.

    `connect` creates it, as on a new machine. Then its experiment is renamed, because it has the path of its artefacts.
    """
    folder = tmp_path_factory.mktemp("migrated")
    database = folder / "mlflow.db"
    uri = f"sqlite:///{database}"  # absolute: MLflow keeps connections by it
    with contextlib.chdir(folder), mock.patch.dict(os.environ, {"MLFLOW_TRACKING_URI": uri}):
        mlflow_tracking.connect()
        client = mlflow.MlflowClient()
        experiment = client.get_experiment_by_name(mlflow_tracking.EXPERIMENT)
        assert experiment
        client.rename_experiment(experiment.experiment_id, "of the database that was copied")
    return database


@pytest.fixture(scope="session")
def mlflow_home(migrated_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with an MLflow database, which several test files share."""
    folder = tmp_path_factory.mktemp("mlflow")
    shutil.copy(migrated_database, folder)
    return folder


@pytest.fixture
def runs(mlflow_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[mlflow.MlflowClient]:
    """Work in that folder and keep MLflow runs there; return a client for them."""
    monkeypatch.chdir(mlflow_home)
    with mock.patch.dict(os.environ, {"MLFLOW_TRACKING_URI": f"sqlite:///{mlflow_home / 'mlflow.db'}"}):
        mlflow_tracking.connect()
        yield mlflow.MlflowClient()
