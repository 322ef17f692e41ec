"""Model folders as training writes them: what they may be called, and what their manifest says."""

import hashlib
import re
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd

from sentiment.manifest import BUCKETS, MANIFEST_FILE, Baseline, Calibration, Manifest
from sentiment.model import Scores
from training.evaluation import metrics


def check_name(option: str, name: str) -> None:
    """Raises SystemExit if no model can be called that: names stand in settings, receipts and telemetry."""
    if not re.fullmatch("[a-z0-9][a-z0-9_-]{0,40}", name):
        raise SystemExit(f"{option} {name!r}: must be small letters, digits, - and _")


def calibrate_manifest(manifest: Manifest, rows: pd.DataFrame, scores: Scores) -> Manifest:
    """The manifest of a model that is calibrated, and whose thresholds are chosen, by its own scores of labelled texts.

    What it says of these texts, as `validation`, is measured on the very texts that were fitted on.
    """
    labels = rows.label.to_numpy()
    old, more = manifest.calibration, metrics.calibrate(labels, scores.logit)
    probability = metrics.probability(scores.logit, more)
    thresholds = metrics.choose_thresholds(labels, probability)
    shares = np.histogram(probability, BUCKETS, (0, 1))[0] / len(probability)
    settled = msgspec.structs.replace(
        manifest,
        calibration=Calibration(more.slope * old.slope, more.slope * old.intercept + more.intercept),
        thresholds=thresholds,
        metrics={"validation": metrics.measure(rows, probability, thresholds)},
        baseline=Baseline(tuple(np.round(shares, 4).tolist()), round(float(scores.unknown.mean()), 4)),
    )
    return stamp_version(settled)


def stamp_version(manifest: Manifest) -> Manifest:
    """With a version: the day, and a digest of everything that makes its answers."""
    answers = msgspec.structs.replace(manifest, version="", created="", metrics={}, baseline=None)
    now, digest = datetime.now(UTC), hashlib.sha256(msgspec.json.encode(answers)).hexdigest()
    version = f"{now:%Y%m%d}-{digest[:8]}"
    return msgspec.structs.replace(manifest, version=version, created=now.isoformat(timespec="seconds"))


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest where `sentiment.manifest.read_manifest` reads it."""
    (folder / MANIFEST_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")
