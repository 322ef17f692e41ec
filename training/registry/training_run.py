"""Train one family in an MLflow run of its own. The same training, started again, continues where it was stopped."""

import hashlib
import shutil
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import mlflow
import msgspec
import pandas as pd

from training.data.dataset import SourceReport, Split, dataset_sha256
from training.data.teacher import Targets
from training.evaluation import calibration
from training.evaluation.metrics import Floats, Labels
from training.families import RunContext
from training.families.fit import Trained, fit
from training.families.settings import flatten
from training.reports import plots

from . import mlflow_tracking


class Training(NamedTuple):
    """One training. Two with equal fields are the same and have the same digest."""

    family: str
    configuration: msgspec.Struct
    data: Mapping[Split, pd.DataFrame]  # train and validation
    target: Targets  # of the training texts

    def settings(self) -> dict[str, object]:
        """Return the family and its settings, flat, as MLflow logs them."""
        return {"family": self.family, **flatten(msgspec.to_builtins(self.configuration))}

    def digest(self) -> str:
        """Return the digest of settings, texts, labels and targets."""
        digest = hashlib.sha256(msgspec.json.encode(self.settings()))
        for rows in self.data.values():
            digest.update(dataset_sha256(rows).encode())
        digest.update(self.target.tobytes())
        return digest.hexdigest()[:16]


class TrainingRun(NamedTuple):
    run_id: str
    trained: Trained


def train(training: Training, name: str, sources: Sequence[SourceReport], teacher: str) -> TrainingRun:
    """Train, and log the model with its settings, metrics and plots. Raises Untrainable.

    `name` is the name of the run, `sources` is what the data are made from, `teacher` the file that the targets come
    from, or empty.
    """
    folder = mlflow_tracking.HOME / "trainings" / training.digest()
    with mlflow_tracking.resume_run(folder, name) as run_id:
        mlflow.log_params(training.settings() | {"texts": len(training.target), "teacher": teacher})
        mlflow_tracking.log_sources(sources)
        for split, rows in training.data.items():
            mlflow_tracking.log_dataset(split, rows)
        started = time.monotonic()
        context = RunContext(folder, mlflow_tracking.log_step, mlflow_tracking.load_model)
        trained, logit = fit(training.family, training.configuration, training.data, training.target, context)
        mlflow_tracking.log_duration(time.monotonic() - started)
        mlflow.log_metrics({f"validation_{metric}": value for metric, value in trained.validation.values.items()})
        _log_plots(trained, training.data["validation"].label.to_numpy(), logit)
        mlflow_tracking.log_model(trained)
    shutil.rmtree(folder)
    return TrainingRun(run_id, trained)


def _log_plots(trained: Trained, labels: Labels, logit: Floats) -> None:
    probability = calibration.calibrated_probability(logit, trained.calibration)
    plots.log(plots.diagnostic_plots(labels, probability), "plots/validation")
    plots.log(plots.learning_curves(mlflow_tracking.metric_history()), "plots")
