"""Lay out packages for tests: links to the files of another, with a list of models of their own."""

import hashlib
import shutil
from pathlib import Path

from infra.package import SERVED, compute_model_digests
from sentiment.manifest import MANIFEST_FILE
from sentiment.released import MODEL_DIGESTS_FILE, read_model_digests, write_model_digests
from tests.support.paths import ROOT, TINY_MODEL


def package_with_model(package: Path, model: Path, folder: Path) -> Path:
    """Lay out in `folder` the unpacked package, with one more model in its list; return `folder`."""
    for path in package.iterdir():
        if path.name != MODEL_DIGESTS_FILE:
            (folder / path.name).symlink_to(path)
    manifest = (model / MANIFEST_FILE).read_bytes()
    digests = {"tiny": hashlib.sha256(manifest).hexdigest()}
    write_model_digests(folder, {**read_model_digests(package), **digests})
    return folder


def tiny_package(folder: Path) -> Path:
    """Lay out in `folder` a package of this checkout whose only model is the tiny one; return `folder`.

    Its libraries are those of the environment.
    """
    for name in SERVED:
        if name != "models":
            (folder / name).symlink_to(ROOT / name)
    (folder / ".python_packages").mkdir()
    shutil.copytree(TINY_MODEL, folder / "models" / "tiny")
    (folder / "models" / "registry.json").write_text('{"champion": "tiny"}')
    write_model_digests(folder, compute_model_digests(folder / "models"))
    return folder
