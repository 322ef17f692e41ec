"""Write a copy of a model folder that is calibrated on other labelled texts."""

import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

import msgspec
import pandas as pd

from sentiment.manifest import Manifest, Metrics
from sentiment.model import Model
from training.evaluation.calibration import Recalibration, assess_recalibration
from training.reports import model_card
from training.scoring.predict import predict

from .model_folder import calibrate_manifest, write_manifest


class Recalibrated(NamedTuple):
    manifest: Manifest
    recalibration: Recalibration


def recalibrate(source: Path, rows: pd.DataFrame, out: Path) -> Recalibrated:
    """Write the model folder `out`, or nothing: `source` with calibration and thresholds fitted on labelled texts.

    Raises ModelError if `source` is not a model, OSError if `out` cannot be written, and SystemExit if `source` has no
    card or the texts do not show that the model would become better.
    """
    model, source_card = Model.load(source), model_card.read(source)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".") as scratch:
        recalibrated = recalibrate_manifest(model, rows, out.name)
        built = Path(scratch) / out.name
        built.mkdir()
        for name in recalibrated.manifest.files:
            shutil.copy(source / name, built)
        write_manifest(built, recalibrated.manifest)
        (built / model_card.CARD).write_text(model_card.render_calibrated(model.manifest, *recalibrated, source_card))
        built.rename(out)
    return recalibrated


def recalibrate_manifest(model: Model, rows: pd.DataFrame, name: str) -> Recalibrated:
    """Return the manifest of the model under another name, calibrated; its metrics are cross-fitted."""
    scores = predict(model, rows.text.tolist())
    recalibration = assess_recalibration(rows.label.to_numpy(), scores, model.manifest.thresholds)
    manifest = calibrate_manifest(msgspec.structs.replace(model.manifest, name=name), rows, scores)
    fitted = manifest.metrics["validation"]  # measured on the texts that were fitted on
    cross_fitted = Metrics(fitted.n, fitted.dataset_sha256, recalibration.after.values)
    manifest = msgspec.structs.replace(manifest, metrics={"validation": cross_fitted})
    return Recalibrated(manifest, recalibration)
