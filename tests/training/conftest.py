"""What the tests of the offline half share: an MLflow of their own."""

import os
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import mlflow
import pytest

from training.registry import mlflow_tracking


@pytest.fixture(scope="session")
def mlflow_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a database, which takes a second to make: the tests share it."""
    return tmp_path_factory.mktemp("mlflow")


@pytest.fixture
def runs(mlflow_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[mlflow.MlflowClient]:
    """Makes that folder the current one, and MLflow keep its runs there."""
    monkeypatch.chdir(mlflow_home)
    with mock.patch.dict(os.environ, {"MLFLOW_TRACKING_URI": f"sqlite:///{mlflow_home / 'mlflow.db'}"}):
        mlflow_tracking.connect()
        yield mlflow.MlflowClient()
