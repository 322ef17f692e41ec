import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from infra import retry
from tests.infra.fakes import FakeAz, FakeTime
from tests.support.paths import ROOT

LOAD_APP = """
import json
import function_app
triggers = [function.get_trigger().get_dict_repr() for function in function_app.app.get_functions()]
from functions.shared.bulkhead import create_bulkheads
capacity = {name: bulkhead.capacity for name, bulkhead in create_bulkheads()._asdict().items()}
print(json.dumps({"triggers": triggers, "capacity": capacity}, default=str))
"""


@pytest.fixture(scope="session")
def loaded_app() -> dict[str, Any]:
    """Load the app with the feedback export on. Return its triggers and the capacity of its bulkheads."""
    settings = {
        "RECEIPT_KEY": "k" * 32,
        "TABLES_CONNECTION_STRING": "AccountName=nobody",
        "EXPORT_CONTAINER_URL": "https://account.blob.example/feedback-export",
    }
    command = [sys.executable, "-c", LOAD_APP]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | settings, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


@pytest.fixture(scope="session")
def triggers(loaded_app: dict[str, Any]) -> list[dict[str, Any]]:
    """The trigger of every function of the app, as Azure indexes it."""
    return loaded_app["triggers"]


@pytest.fixture(scope="session")
def routes(triggers: list[dict[str, Any]]) -> set[str]:
    """The path of every HTTP function."""
    return {f"/{trigger['route']}" for trigger in triggers if trigger["type"] == "httpTrigger"}


@pytest.fixture
def az(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeAz:
    """The Azure CLI on the PATH, with the outputs of a deployment in the environment."""
    az = FakeAz(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{az.folder}:{os.environ['PATH']}")
    for name, value in {"RESOURCE_GROUP": "rg-x", "SUBSCRIPTION_ID": "s", "PACKAGE_ACCOUNT": "stp"}.items():
        monkeypatch.setenv(f"AZURE_{name}", value)
    monkeypatch.setenv("AZURE_FUNCTION_NAME", "func-x")
    return az


@pytest.fixture
def fake_time(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    """Make every wait of a command return at once."""
    fake = FakeTime()
    monkeypatch.setattr(retry, "time", fake)
    return fake
