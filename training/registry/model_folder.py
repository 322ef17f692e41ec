"""Write model folders: the graph, its files and the manifest that describes them."""

import re
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd

from sentiment.errors import ModelError
from sentiment.manifest import (
    BUCKETS,
    MANIFEST_FILE,
    MODEL_NAME,
    Baseline,
    Calibration,
    Manifest,
    read_manifest,
    stamp_version,
)
from sentiment.model import Scores
from training.data.dataset import file_sha256
from training.data.json_files import write_json
from training.evaluation import calibration, metrics
from training.families import GRAPH_FILE
from training.families.fit import Trained
from training.onnx_export import graph_builder


def check_name(option: str, name: str) -> None:
    """Raise SystemExit unless a model can have this name."""
    if not re.fullmatch(MODEL_NAME, name):
        raise SystemExit(f"{option} {name!r}: must be small letters, digits, - and _")


def write_model_folder(trained: Trained, name: str, run_id: str, folder: Path, *, compact: bool) -> Path:
    """Write a model with the calibration and thresholds of its training; return `folder`.

    With `compact`, weights are float16 or int8 instead of float32.
    """
    folder.mkdir(parents=True, exist_ok=True)
    input_contract = trained.fitted.export(folder, compact=compact)
    manifest = Manifest(
        name=name,
        version="",
        family=trained.family,
        text=trained.fitted.text,
        input=input_contract,
        graph=GRAPH_FILE,
        opset=graph_builder.OPSET,
        files={file: file_sha256(folder / file) for file in (GRAPH_FILE, *input_contract.files)},
        calibration=trained.calibration,
        thresholds=trained.thresholds,
        metrics={},
        run_id=run_id,
        created="",
    )
    write_manifest(folder, stamp_version(manifest))
    return folder


def calibrate_manifest(manifest: Manifest, rows: pd.DataFrame, scores: Scores) -> Manifest:
    """Return the manifest of a model that is calibrated on its own scores of labelled texts.

    The thresholds are chosen on these texts, too, and its `validation` metrics are measured on them.
    """
    labels = rows.label.to_numpy()
    current, correction = manifest.calibration, calibration.fit_platt_scaling(labels, scores.logit)
    probability = calibration.calibrated_probability(scores.logit, correction)
    thresholds = calibration.choose_thresholds(labels, probability)
    shares = np.histogram(probability, BUCKETS, (0, 1))[0] / len(probability)
    calibrated = msgspec.structs.replace(
        manifest,
        calibration=Calibration(
            slope=correction.slope * current.slope,
            intercept=correction.slope * current.intercept + correction.intercept,
        ),
        thresholds=thresholds,
        metrics={"validation": metrics.manifest_metrics(rows, probability, thresholds)},
        baseline=Baseline(tuple(np.round(shares, 4).tolist()), round(float(scores.unknown_share.mean()), 4)),
    )
    return stamp_version(calibrated)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest where `sentiment.manifest.read_manifest` reads it. Raises SystemExit if that refuses it."""
    write_json(folder / MANIFEST_FILE, manifest)
    try:
        read_manifest(folder)
    except ModelError as error:  # a calibration that turns the scores around, for example
        raise SystemExit(f"not a model that can be served: {error}") from error


def folder_bytes(folder: Path) -> int:
    """Return the size of a model folder on disk."""
    return sum(path.stat().st_size for path in folder.iterdir())
