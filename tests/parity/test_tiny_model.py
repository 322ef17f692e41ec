"""The tiny model that is checked in is still what training writes."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from sentiment.manifest import Calibration, Manifest, read_manifest, stamp_version
from sentiment.model import Model
from tests.support.paths import TINY_MODEL
from tests.support.tweets import hostile, invented
from training.families.fit import Trained
from training.registry.model_folder import write_manifest, write_model_folder


def contract(folder: Path) -> Manifest:
    """Return the manifest without what differs from build to build: dates, digests, fitted numbers."""
    manifest = read_manifest(folder)
    fitted = {"calibration": None, "thresholds": None, "files": sorted(manifest.files)}
    return msgspec.structs.replace(manifest, version="", created="", **fitted)


def test_training_writes_no_manifest_that_is_refused(model_folder: Path) -> None:
    upside_down = Calibration(slope=-1.0)
    manifest = stamp_version(msgspec.structs.replace(read_manifest(model_folder), calibration=upside_down))
    with pytest.raises(SystemExit, match=r"not a model that can be served: .*`\$.calibration.slope`"):
        write_manifest(model_folder, manifest)


def test_tiny_model_is_what_training_writes(trained: Trained, tmp_path: Path) -> None:
    built = write_model_folder(trained, "tiny", "run", tmp_path / "tiny", compact=True)
    assert contract(TINY_MODEL) == contract(built)
    texts = [text for text, _ in invented(500, seed=5)] + hostile(500, seed=5)
    expected, actual = (Model.load(folder).score(texts).probability for folder in (built, TINY_MODEL))
    np.testing.assert_allclose(actual, expected, atol=1e-3)
