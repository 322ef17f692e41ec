"""Fixtures of the training tests: an MLflow database for the tests alone."""

import os
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import mlflow
import pytest

from training.registry import mlflow_tracking


@pytest.fixture(scope="session")
def mlflow_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an MLflow database. All tests share it, because creating one takes a second."""
    return tmp_path_factory.mktemp("mlflow")


@pytest.fixture
def runs(mlflow_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[mlflow.MlflowClient]:
    """Work in that folder and keep MLflow runs there; return a client for them."""
    monkeypatch.chdir(mlflow_home)
    with mock.patch.dict(os.environ, {"MLFLOW_TRACKING_URI": f"sqlite:///{mlflow_home / 'mlflow.db'}"}):
        mlflow_tracking.connect()
        yield mlflow.MlflowClient()
