"""`export`: a trained run becomes a model folder that `sentiment.model` loads, and a version in MLflow's registry.

Two folders are built. The reference, in float32, must give the probabilities that the model gives in its own
framework. The compact one is what ships, in float16 or int8: calibrated by its own answers, it must agree on nearly
every label, and it is the one that is measured. (`--float32` ships the reference.) Nothing is registered that fails.
The new version is the `challenger`; `promote` puts it in its place.
"""

import argparse
import hashlib
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import mlflow
import msgspec
import numpy as np
import onnx
import pandas as pd
from mlflow.models import ModelSignature
from mlflow.types import Schema, TensorSpec
from numpy.typing import NDArray
from rich.console import Console

from sentiment.manifest import Manifest, Metrics, read_manifest
from sentiment.model import Model
from training.data.dataset import DATA, SPLITS, Split, about, dataset_sha256, load
from training.evaluation import calibration, metrics
from training.evaluation.evaluation import Evaluation, evaluate
from training.evaluation.latency import LATENCY_TEXT, milliseconds
from training.evaluation.metrics import Floats
from training.families import GRAPH
from training.families.fit import Trained
from training.onnx_export import graph_builder
from training.reports import model_card, plots
from training.scoring.predict import predict

from . import mlflow_tracking
from .model_folder import calibrate_manifest, check_name, stamp_version, write_manifest

FOLDER = "model"  # an artefact of a run
TEXTS = 10_000  # held against the framework, where there are so many
REFERENCE = 1e-4  # how far a probability of the reference may be from the framework's
AGREEMENT = 0.995  # of the compact model with the framework, in labels

console = Console(stderr=True)


class Comparison(msgspec.Struct, frozen=True):
    """An exported model beside the one it came from, on the same texts."""

    texts: int
    flips: int  # labels that differ, but for those a rounding error from 0.5
    largest_difference: float  # in probability
    bytes: int  # of all files
    milliseconds: float  # the median time of one tweet of 30 tokens, alone, on one thread of this machine


class Exported(NamedTuple):
    """Everything that was found out on the way."""

    manifest: Manifest
    about: str  # the data
    reference: Comparison
    shipped: Comparison
    trained: dict[str, float]  # figures on test, in its own framework
    evaluation: Evaluation  # of what ships, on test
    predictions: pd.DataFrame  # the same: label and probability


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", help="the id that `train` printed")
    parser.add_argument("--name", required=True, help="the folder it is to have in models/")
    parser.add_argument("--data", type=Path, default=DATA, help="what `prepare` wrote (default: %(default)s)")
    parser.add_argument(
        "--float32", action="store_true", help="ship the reference: larger and slower, for a model that int8 changes"
    )


def run(arguments: argparse.Namespace) -> None:
    check_name("--name", arguments.name)
    mlflow_tracking.connect()
    trained: Trained = mlflow_tracking.load_model(arguments.run)
    with tempfile.TemporaryDirectory() as folder:
        data = {split: load(split, arguments.data) for split in SPLITS}
        if dataset_sha256(data["validation"]) != trained.validation.dataset_sha256:
            raise SystemExit(f"{arguments.data}: not the data this run was trained on; give its folder as --data")
        built = Path(folder) / FOLDER
        what = trained, data, about(arguments.data), arguments.name, arguments.run
        exported = export(*what, built, compact=not arguments.float32)
        with mlflow.start_run(arguments.run):
            version = _register(exported, built, data["test"])
    values = exported.evaluation.overall.values
    console.print(f"{mlflow_tracking.MODEL} {version} is the challenger: {exported.manifest.version}, {values}")
    for decision in calibration.unreachable_decisions(exported.manifest.thresholds):
        console.print(
            f"it never says {decision}: {len(data['validation']):,} texts of validation are too few, or too hard, to "
            f"be {calibration.MIN_PRECISION:.0%} right with confidence; give `prepare` more texts or a larger "
            "--holdout",
            soft_wrap=True,
        )
    print(version)


def export(
    trained: Trained,
    data: Mapping[Split, pd.DataFrame],
    about: str,
    name: str,
    run_id: str,
    folder: Path,
    *,
    compact: bool = True,
) -> Exported:
    """Build both models, hold them against the gates, write the compact one (or else the reference) with its card to
    `folder`."""
    test = data["test"]
    texts = pd.concat([test, data["validation"], data["train"]]).text[: max(TEXTS, len(test))].tolist()
    expected = calibration.calibrated_probability(trained.fitted.logit(texts), trained.calibration)
    write(trained, name, run_id, folder, compact=False)
    reference = shipped = compare(folder, texts[:TEXTS], expected[:TEXTS])
    if reference.flips or reference.largest_difference > REFERENCE:
        raise SystemExit(f"the reference export is not the model that was trained: {reference}")
    if compact:  # in its place: both have the same files
        write(trained, name, run_id, folder, compact=True)
    validation = data["validation"]
    manifest = calibrate_manifest(
        read_manifest(folder), validation, predict(Model.load(folder), validation.text.tolist())
    )
    write_manifest(folder, manifest)
    if compact:  # calibrated by its own answers, as it ships: rounding shifts them all a little to one side
        shipped = compare(folder, texts[:TEXTS], expected[:TEXTS])
    if shipped.flips > (1 - AGREEMENT) * shipped.texts:
        raise SystemExit(f"the compact export is too far from the model that was trained (try --float32): {shipped}")
    model = Model.load(folder)
    scores = predict(model, test.text.tolist())
    evaluation = evaluate(model, test, scores)
    figures = Metrics(len(test), evaluation.dataset_sha256, evaluation.overall.values)
    manifest = msgspec.structs.replace(manifest, metrics=manifest.metrics | {"test": figures})
    write_manifest(folder, manifest)
    own = metrics.evaluate(metrics.predictions(test.label.to_numpy(), expected[: len(test)], trained.thresholds))
    predictions = pd.DataFrame({"label": test.label.to_numpy(), "probability": scores.probability})
    exported = Exported(manifest, about, reference, shipped, own, evaluation, predictions)
    facts = model_card.Export(
        manifest=manifest,
        about=about,
        evaluation=evaluation,
        as_trained=own,
        size_bytes=shipped.bytes,
        milliseconds=shipped.milliseconds,
        compared_texts=reference.texts,
        max_difference=reference.largest_difference,
        label_changes=shipped.flips,
    )
    (folder / model_card.CARD).write_text(model_card.render(facts))
    return exported


def write(trained: Trained, name: str, run_id: str, folder: Path, *, compact: bool) -> Path:
    """A model folder, calibrated as it was in training; returns it."""
    folder.mkdir(parents=True, exist_ok=True)
    contract = trained.fitted.write(folder, compact=compact)
    files = {file: hashlib.sha256((folder / file).read_bytes()).hexdigest() for file in (GRAPH, *contract.files)}
    manifest = Manifest(
        name=name,
        version="",
        family=trained.family,
        text=trained.fitted.text,
        input=contract,
        graph=GRAPH,
        opset=graph_builder.OPSET,
        files=files,
        calibration=trained.calibration,
        thresholds=trained.thresholds,
        metrics={},
        run_id=run_id,
        created="",
    )
    write_manifest(folder, stamp_version(manifest))
    return folder


def compare(folder: Path, texts: list[str], expected: Floats) -> Comparison:
    """The model of a folder on `texts`, beside the probabilities it should give."""
    model = Model.load(folder)
    actual = predict(model, texts).probability
    difference = np.abs(actual - expected)
    flips = ((actual >= 0.5) != (expected >= 0.5)) & (np.abs(expected - 0.5) > REFERENCE)
    (took,) = milliseconds(model)
    return Comparison(len(texts), int(flips.sum()), float(difference.max()), size(folder), took)


def size(folder: Path) -> int:
    """The bytes of a model folder on disk."""
    return sum(path.stat().st_size for path in folder.iterdir())


def _register(exported: Exported, folder: Path, test: pd.DataFrame) -> int:
    """Into the active run and the registry; the number of the new version."""
    mlflow_tracking.log_input("test", test)
    predictions = exported.predictions
    values = exported.evaluation.overall.values
    mlflow.log_metrics({f"test_{name}": value for name, value in values.items()})
    mlflow.log_metrics({"bytes": exported.shipped.bytes, "milliseconds": exported.shipped.milliseconds})
    gates = {"reference": exported.reference, "shipped": exported.shipped, "evaluation": exported.evaluation}
    mlflow.log_dict(msgspec.to_builtins(gates), "export.json")
    plots.log(plots.diagnostic_plots(predictions.label.to_numpy(), predictions.probability.to_numpy()), "plots/test")
    with tempfile.TemporaryDirectory() as scratch:
        predictions.to_parquet(Path(scratch) / mlflow_tracking.PREDICTIONS)
        mlflow.log_artifact(str(Path(scratch) / mlflow_tracking.PREDICTIONS))
    mlflow.log_artifacts(str(folder), FOLDER)
    arrays = dict(Model.load(folder).arrays([LATENCY_TEXT]))
    logged = mlflow.onnx.log_model(
        onnx.load(folder / GRAPH),
        name="onnx",
        signature=ModelSignature(_schema(arrays), _schema({"logit": np.zeros(1, np.float32)})),
        input_example=arrays,
        save_as_external_data=False,
        onnx_execution_providers=["CPUExecutionProvider"],
        registered_model_name=mlflow_tracking.MODEL,
    )
    version = logged.registered_model_version
    client = mlflow.MlflowClient()
    client.set_model_version_tag(mlflow_tracking.MODEL, version, "model", exported.manifest.name)
    client.set_registered_model_alias(mlflow_tracking.MODEL, mlflow_tracking.CHALLENGER, version)
    return int(version)


def _schema(arrays: Mapping[str, NDArray[Any]]) -> Schema:
    """Arrays of these kinds, whatever their sizes: another text has another number of tokens."""
    return Schema([TensorSpec(array.dtype, (-1,) * array.ndim, name) for name, array in arrays.items()])
