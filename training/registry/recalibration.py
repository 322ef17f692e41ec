"""Write a copy of a model folder that is calibrated on other labelled texts."""

import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

import msgspec
import pandas as pd

from sentiment.manifest import Manifest, Metrics
from sentiment.model import Model
from training.evaluation import calibration
from training.evaluation.calibration import CalibrationGain
from training.reports import model_card
from training.scoring.predict import predict

from .model_folder import calibrate_manifest, write_manifest


class SourceModel(NamedTuple):
    """The model that is copied and calibrated."""

    folder: Path
    model: Model
    card: str


class RecalibratedModel(NamedTuple):
    manifest: Manifest
    gain: CalibrationGain


def load_source(folder: Path) -> SourceModel:
    """Load a model and its card. Raises ModelError if it is not a model, SystemExit if it has no card."""
    return SourceModel(folder, Model.load(folder), model_card.read(folder))


def recalibrate(source: SourceModel, rows: pd.DataFrame, out: Path) -> RecalibratedModel:
    """Write the model folder `out`, or nothing: `source` with calibration and thresholds fitted on labelled texts.

    Raises UnsuitableTexts if the texts are too few or do not show that the model would become better, and OSError if
    `out` cannot be written.
    """
    calibration.require_enough_texts(rows.label.to_numpy())
    recalibrated = recalibrate_manifest(source.model, rows, out.name)
    manifest, gain = recalibrated
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".") as scratch:
        built = Path(scratch) / out.name
        built.mkdir()
        for name in manifest.files:
            shutil.copy(source.folder / name, built)
        write_manifest(built, manifest)
        card = model_card.render_calibrated(source.model.manifest, manifest, gain, source.card)
        (built / model_card.CARD).write_text(card)
        built.rename(out)
    return recalibrated


def recalibrate_manifest(model: Model, rows: pd.DataFrame, name: str) -> RecalibratedModel:
    """Return the manifest of the model under another name, calibrated; its metrics are cross-fitted."""
    scores = predict(model, rows.text.tolist())
    gain = calibration.assess_recalibration(rows.label.to_numpy(), scores, model.manifest.thresholds)
    manifest = calibrate_manifest(msgspec.structs.replace(model.manifest, name=name), rows, scores)
    fitted = manifest.metrics["validation"]  # measured on the texts that were fitted on
    cross_fitted = Metrics(fitted.n, fitted.dataset_sha256, gain.after.values)
    return RecalibratedModel(msgspec.structs.replace(manifest, metrics={"validation": cross_fitted}), gain)
