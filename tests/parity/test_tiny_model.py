"""The tiny model that is checked in is still what training writes."""

from pathlib import Path

import msgspec
import numpy as np

from sentiment.manifest import Manifest, read_manifest
from sentiment.model import Model
from tests.support.paths import TINY_MODEL
from tests.support.tweets import hostile, invented
from training.families.fit import Trained
from training.registry.model_folder import write_model_folder


def contract(folder: Path) -> Manifest:
    """Return the manifest without what differs from build to build: dates, digests, fitted numbers."""
    manifest = read_manifest(folder)
    fitted = {"calibration": None, "thresholds": None, "files": sorted(manifest.files)}
    return msgspec.structs.replace(manifest, version="", created="", **fitted)


def test_tiny_model_is_what_training_writes(trained: Trained, tmp_path: Path) -> None:
    built = write_model_folder(trained, "tiny", "run", tmp_path / "tiny", compact=True)
    assert contract(TINY_MODEL) == contract(built)
    texts = [text for text, _ in invented(500, seed=5)] + hostile(500, seed=5)
    expected, actual = (Model.load(folder).score(texts).probability for folder in (built, TINY_MODEL))
    np.testing.assert_allclose(actual, expected, atol=1e-3)
