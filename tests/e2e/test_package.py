"""The zip that is deployed: whole, small, and as good as the checkout."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from infra import package
from tests.conftest import ROOT

LIMIT = 70_000_000  # bytes: 45 of code, 25 of models, which hardly compress

PREDICT = """
import asyncio, json, sys, types
import azure.functions as func
import function_app
predict = next(f for f in function_app.app.get_functions() if f.get_function_name() == "predict").get_user_function()
request = func.HttpRequest("POST", "/", headers={"content-type": "application/json"}, body=json.dumps(
    {"texts": ["I love this company the experience was great !",
               "my flight was cancelled and nobody answers, worst airline ever"]}).encode())
context = types.SimpleNamespace(trace_context=types.SimpleNamespace(trace_parent=""))
print(asyncio.run(predict(request, context)).get_body().decode())
import azure.data.tables, azure.identity, azure.monitor.opentelemetry
print(json.dumps([m.__file__ for m in list(sys.modules.values()) if getattr(m, "__file__", None)]))
"""


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("package") / "buzzguard.zip"
    subprocess.run([sys.executable, "-m", "infra.package", str(path)], cwd=ROOT, check=True)
    return path


@pytest.fixture(scope="module")
def unpacked(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    zipfile.ZipFile(archive).extractall(folder)
    return folder


def test_it_is_small_and_holds_no_secret_and_no_test(archive: Path) -> None:
    assert archive.stat().st_size < LIMIT
    names = zipfile.ZipFile(archive).namelist()
    assert not [
        name
        for name in names
        if "local.settings" in name or name.startswith(("tests", "training", "devhost", ".local"))
    ]
    for module in (name for name in names if name.endswith(".py")):
        folder, _, stem = module.rpartition("/")
        compiled = f"{folder}/__pycache__/{stem[:-3]}.cpython-313.pyc".lstrip("/")
        assert compiled in names


def test_the_same_input_gives_the_same_bytes(archive: Path, tmp_path: Path) -> None:
    package.build(tmp_path / "again")
    package.pack(tmp_path / "again", tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == archive.read_bytes()


def test_it_needs_nothing_but_itself(unpacked: Path) -> None:
    """A bare interpreter, without this environment's packages, loads it and predicts with the shipped model."""
    path = [str(unpacked), str(unpacked / package.PACKAGES)]
    settings = {"RECEIPT_KEY": "k" * 32, "TABLES_CONNECTION_STRING": "AccountName=nobody"}
    code = f"import sys; sys.path += {path!r}\n{PREDICT}"
    done = subprocess.run(
        [sys.executable, "-S", "-I", "-c", code], cwd=unpacked, env=settings, capture_output=True, text=True, check=True
    )
    answer, files = done.stdout.splitlines()
    assert '"label":"positive"' in answer and '"label":"negative"' in answer
    assert not [file for file in json.loads(files) if ".venv" in file]


def test_it_passes_the_tests_of_the_checkout(unpacked: Path) -> None:
    tests = ["tests/e2e/test_service.py", "tests/e2e/test_feedback.py", "tests/contract/test_openapi.py"]
    environment = os.environ | {"BUZZGUARD_APP": str(unpacked)}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
