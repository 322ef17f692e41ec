"""What several kinds of test share: a model trained in an instant on invented tweets."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import msgspec
import numpy as np
import pandas as pd
import pytest
from azure.storage.blob import ContainerClient
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).parents[1]
FUNCTION_KEY, MASTER_KEY = "the function key", "the master key"
INCIDENT_KEY = "development-" + "i" * 32
sys.path.insert(0, str(ROOT))  # so that `pytest` finds what `python -m pytest` does

from devhost.azurite import Azurite  # noqa: E402
from infra.package import PACKAGES  # noqa: E402
from sentiment.manifest import MANIFEST_FILE, Manifest, read_manifest  # noqa: E402
from sentiment.model import Model  # noqa: E402
from tests.support import blobs  # noqa: E402
from tests.support.tweets import invented  # noqa: E402
from training.data.dataset import SPLITS, Split  # noqa: E402
from training.families import RunContext  # noqa: E402
from training.families.fit import Trained, fit  # noqa: E402
from training.families.linear import logreg  # noqa: E402
from training.registry.model_folder import write_model_folder  # noqa: E402

# The same examples every time, however slow the machine is.
settings.register_profile("buzzguard", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("buzzguard")


class App(NamedTuple):
    http: httpx.Client
    log: Path
    process: subprocess.Popen[str]


type StartApp = Callable[..., App]
type Edit = Callable[[Manifest], Manifest]
type EditManifest = Callable[[Edit], None]


@pytest.fixture(scope="session")
def data() -> dict[Split, pd.DataFrame]:
    """Three thousand invented tweets."""
    return {split: invented(1000, seed) for seed, split in enumerate(SPLITS)}


@pytest.fixture(scope="session")
def trained(data: dict[Split, pd.DataFrame], tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Logistic regression on a thousand of them."""
    context = RunContext(tmp_path_factory.mktemp("context"), lambda step, figures: None)
    configuration = logreg.Configuration(min_df=1, keep=300)
    return fit("logreg", configuration, data, data["train"].label.to_numpy(np.float32), context)[0]


@pytest.fixture
def model_folder(trained: Trained, tmp_path: Path) -> Path:
    """A model folder of one's own, to use or to break."""
    return write_model_folder(trained, "tiny", "run", tmp_path / "tiny", compact=True)


@pytest.fixture
def model(model_folder: Path) -> Model:
    return Model.load(model_folder)


@pytest.fixture
def edit_manifest(model_folder: Path) -> EditManifest:
    """Rewrites the manifest of `model_folder`."""

    def edit(change: Edit) -> None:
        (model_folder / MANIFEST_FILE).write_bytes(msgspec.json.encode(change(read_manifest(model_folder))))

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
    """An empty one. Whoever has its URL may do in it what the app may."""
    with blobs.container(blob_service) as client:
        yield client


@pytest.fixture(scope="session")
def start_app(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartApp]:
    """Starts the real app behind the real runtime, in a process of its own; gives a client for it.

    BUZZGUARD_APP names the folder of an unpacked package to test in place of this checkout.
    """
    folder = tmp_path_factory.mktemp("app")
    log = folder / "app.log"
    model = write_model_folder(trained, "tiny", "run", folder / "tiny", compact=True)
    environment = {"MODEL": str(model)}
    if package := os.environ.get("BUZZGUARD_APP"):
        folder = Path(package)
        environment["PYTHONPATH"] = str(folder / PACKAGES)  # before what is installed here
    else:
        for name in ("function_app.py", "host.json"):
            shutil.copy(ROOT / name, folder)
    with ExitStack() as stack:
        yield lambda **changes: stack.enter_context(_running(folder, log, environment | changes))


@pytest.fixture(scope="session")
def app(start_app: StartApp, azurite: Azurite) -> App:
    """The app as a laptop runs it."""
    return start_app(TABLES_CONNECTION_STRING=azurite.connection_string)


@contextmanager
def _running(folder: Path, log: Path, environment: dict[str, str]) -> Iterator[App]:
    laptop = {"PORT": "0", "RECEIPT_KEY": "development-" + "k" * 32, "AUTH_LEVEL": "anonymous"}
    laptop |= {"DEVHOST_FUNCTION_KEY": FUNCTION_KEY, "DEVHOST_MASTER_KEY": MASTER_KEY}
    laptop |= {"INCIDENT_KEY": INCIDENT_KEY}
    command = [sys.executable, "-m", "devhost", "--no-tables", "--no-watch", "--app", str(folder)]
    with (
        log.open("a") as errors,
        subprocess.Popen(
            command, cwd=ROOT, env=os.environ | laptop | environment, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process,
    ):
        try:
            assert process.stdout
            address = re.search(r"http://\S+", process.stdout.readline())
            assert address, log.read_text()
            with httpx.Client(base_url=address[0], timeout=20) as client:
                yield App(client, log, process)
        finally:
            process.terminate()
