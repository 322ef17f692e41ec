"""Export a trained run: build its model folder and register it in MLflow as the challenger."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import mlflow
import msgspec
import numpy as np
import onnx
import pandas as pd
from mlflow.models import ModelSignature
from mlflow.types import Schema, TensorSpec
from numpy.typing import NDArray

from sentiment.model import Model
from training.data.dataset import dataset_sha256, describe, load_splits
from training.evaluation.latency import LATENCY_TEXT
from training.families import GRAPH_FILE
from training.families.fit import Trained
from training.reports import model_card, plots
from training.reports.export_summary import ExportSummary

from . import mlflow_tracking
from .build import ExportSource, build


class Export(NamedTuple):
    version: int  # of the registered model
    summary: ExportSummary


def export_run(run_id: str, name: str, data_folder: Path, *, compact: bool = True) -> Export:
    """Build and register the model `name` of a run. Raises SystemExit if the run, the data or the model is wrong."""
    trained: Trained = mlflow_tracking.load_model(run_id)
    data = load_splits(data_folder)
    if dataset_sha256(data["validation"]) != trained.validation.dataset_sha256:
        raise SystemExit(f"{data_folder}: not the data this run was trained on; give its folder as --data")
    run = ExportSource(trained, name, run_id, data, model_card.describe_data(describe(data_folder)))
    with TemporaryDirectory() as scratch:
        folder = Path(scratch) / mlflow_tracking.MODEL_FOLDER
        summary = build(run, folder, compact=compact)
        with mlflow.start_run(run_id):
            log_export(summary, folder, data["test"])
            version = register(folder, name)
    return Export(version, summary)


def log_export(summary: ExportSummary, folder: Path, test: pd.DataFrame) -> None:
    """Log the model folder and what was measured to the active run."""
    mlflow_tracking.log_dataset("test", test)
    values = summary.evaluation.overall.values
    mlflow.log_metrics({f"test_{name}": value for name, value in values.items()})
    mlflow.log_metrics({"bytes": summary.shipped.bytes, "milliseconds": summary.shipped.latency_ms})
    checks = {"reference": summary.reference, "shipped": summary.shipped, "evaluation": summary.evaluation}
    mlflow.log_dict(msgspec.to_builtins(checks), "export.json")
    predictions = summary.predictions
    plots.log(plots.diagnostic_plots(predictions.label.to_numpy(), predictions.probability.to_numpy()), "plots/test")
    mlflow_tracking.log_predictions(predictions)
    mlflow.log_artifacts(str(folder), mlflow_tracking.MODEL_FOLDER)


def register(folder: Path, name: str) -> int:
    """Register the graph in `folder` as the challenger, in the active run; return the number of the version."""
    example = dict(Model.load(folder).arrays([LATENCY_TEXT]))
    logged = mlflow.onnx.log_model(
        onnx.load(folder / GRAPH_FILE),
        name="onnx",
        signature=ModelSignature(_schema(example), _schema({"logit": np.zeros(1, np.float32)})),
        input_example=example,
        save_as_external_data=False,
        onnx_execution_providers=["CPUExecutionProvider"],
        registered_model_name=mlflow_tracking.REGISTERED_MODEL,
    )
    version = logged.registered_model_version
    mlflow.MlflowClient().set_model_version_tag(mlflow_tracking.REGISTERED_MODEL, version, "model", name)
    mlflow_tracking.set_alias(mlflow_tracking.CHALLENGER, version)
    return int(version)


def _schema(arrays: Mapping[str, NDArray[Any]]) -> Schema:
    """Describe arrays by type and rank; every size may vary with the texts."""
    return Schema([TensorSpec(array.dtype, (-1,) * array.ndim, name) for name, array in arrays.items()])
