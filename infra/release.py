"""Read from a package which build and which model an app must report once it runs it. Standard library only."""

import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

Release = dict[str, Any]  # the part of /api/health/ready that identifies a package: build, model, trusted


def read_build_id(package: str) -> str | None:
    """Return the build id that infra/package.py wrote, or None for an older package without one."""
    with _opened(package) as archive:
        return json.loads(archive.read("build.json"))["build"] if "build.json" in archive.namelist() else None


def read_release(package: str, model: str = "") -> Release:
    """Return what /api/health/ready must report for a package with the model `model`, by default its champion.

    Raises SystemExit if the file is not a package, or is one without a build id.
    """
    build = read_build_id(package)
    if build is None:
        raise SystemExit(f"{package} has no build.json, so an app that runs it cannot be recognized")
    with _opened(package) as archive:
        model = model or json.loads(archive.read("models/registry.json"))["champion"]
        manifest = json.loads(archive.read(f"models/{model}/manifest.json"))
        lists_models = "model_digests.json" in archive.namelist()  # an older package, to roll back to, does not
    release = {"build": build, "model": {key: manifest[key] for key in ("name", "version")}}
    return release | {"trusted": True} if lists_models else release


@contextmanager
def _opened(package: str) -> Iterator[zipfile.ZipFile]:
    """Open a package. Raises SystemExit if it is not a zip file, or lacks a file that is read from it."""
    try:
        with zipfile.ZipFile(package) as archive:
            yield archive
    except (OSError, zipfile.BadZipFile, KeyError) as error:
        raise SystemExit(f"{package} is not a package: {error.args[-1]}") from error
