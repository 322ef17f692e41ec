"""Fixtures that several folders share: a tiny model, storage, the running app, a closed port."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest
from azure.storage.blob import ContainerClient
from hypothesis import HealthCheck, settings

from devhost.azurite import Azurite
from infra.package import PACKAGES
from sentiment.manifest import MANIFEST_FILE, Manifest, read_manifest, stamp_version
from sentiment.model import Model
from tests.support import blobs, ports
from tests.support.app import App, StartApp, running
from tests.support.packages import package_with_model
from tests.support.paths import ROOT, TINY_MODEL

# The same examples in every run, and no limit on their time: machines differ.
settings.register_profile("buzzguard", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("buzzguard")

type Edit = Callable[[Manifest], Manifest]
type EditManifest = Callable[[Edit], None]


@pytest.fixture
def model_folder(tmp_path: Path) -> Path:
    """Return a copy of the tiny model, which the test may change."""
    return shutil.copytree(TINY_MODEL, tmp_path / "tiny")


@pytest.fixture
def model(model_folder: Path) -> Model:
    return Model.load(model_folder)


@pytest.fixture
def edit_manifest(model_folder: Path) -> EditManifest:
    """Return a function that rewrites the manifest of `model_folder`, with the version that it then has."""

    def edit(change: Edit) -> None:
        edited = stamp_version(change(read_manifest(model_folder)))
        (model_folder / MANIFEST_FILE).write_bytes(msgspec.json.encode(edited))

    return edit


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    with Azurite(tmp_path_factory.mktemp("azurite")) as tables:
        yield tables


@pytest.fixture(scope="session")
def blob_service() -> Iterator[str]:
    with blobs.blob_service() as address:
        yield address


@pytest.fixture
def container(blob_service: str) -> Iterator[ContainerClient]:
    """Yield an empty container. Its URL grants what the app's role grants."""
    with blobs.container(blob_service) as client:
        yield client


@pytest.fixture(scope="session")
def start_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartApp]:
    """Yield a function that starts the app with the tiny model; its arguments are settings.

    BUZZGUARD_APP names the folder of an unpacked package to test instead of this checkout. It gets the model of each
    app into its list, as if it had been built with it.
    """
    folder = tmp_path_factory.mktemp("app")
    log = folder / "app.log"
    environment = {"MODEL": str(TINY_MODEL)}
    package = os.environ.get("BUZZGUARD_APP")
    if package:
        environment["PYTHONPATH"] = str(Path(package) / PACKAGES)  # its libraries come before those of .venv
    else:
        for name in ("function_app.py", "host.json"):
            shutil.copy(ROOT / name, folder)

    with ExitStack() as stack:

        def start(**changes: str) -> App:
            settings = environment | changes
            app = folder
            if package:
                app = package_with_model(Path(package), Path(settings["MODEL"]), tmp_path_factory.mktemp("package"))
            return stack.enter_context(running(app, log, settings))

        yield start


@pytest.fixture(scope="session")
def app(start_app: StartApp, azurite: Azurite) -> App:
    """Return the app with the settings of a laptop."""
    return start_app(TABLES_CONNECTION_STRING=azurite.connection_string)


@pytest.fixture
def closed_port() -> Iterator[int]:
    """Yield a port that refuses connections."""
    with ports.closed_port() as port:
        yield port
