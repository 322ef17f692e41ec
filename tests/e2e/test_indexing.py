"""Azure's own runtime finds every function of the app, and says why it refuses to start."""

import os
import subprocess
import sys

from tests.support.paths import ROOT

INDEX = """
from pathlib import Path
from devhost.host.loader import load_app
for function in load_app(Path.cwd()).functions.values():
    print(function.name, function.trigger_type, function.auth_level, function.trigger_binding.get("route"), sep="|")
"""
SETTINGS = {"RECEIPT_KEY": "k" * 32, "TABLES_CONNECTION_STRING": "AccountName=nobody"}


def index(**settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", INDEX], cwd=ROOT, env=os.environ | settings, capture_output=True, text=True
    )


def test_every_function_is_indexed_and_requires_a_key_by_default() -> None:
    assert sorted(index(**SETTINGS).stdout.splitlines()) == [
        "docs_file|httpTrigger|ANONYMOUS|api/docs/{version}/{name}",
        "docs|httpTrigger|ANONYMOUS|api/docs",
        "erase|httpTrigger|FUNCTION|api/feedback/{prediction_id}",
        "feedback|httpTrigger|FUNCTION|api/feedback",
        "incident|httpTrigger|ANONYMOUS|api/incidents",
        "live|httpTrigger|ANONYMOUS|api/health/live",
        "models|httpTrigger|FUNCTION|api/models",
        "openapi|httpTrigger|ANONYMOUS|api/openapi.json",
        "page|httpTrigger|ANONYMOUS|{ignored:maxlength(0)?}",
        "predict|httpTrigger|FUNCTION|api/predict",
        "ready|httpTrigger|ANONYMOUS|api/health/ready",
        "retention|timerTrigger|FUNCTION|None",
        "web|httpTrigger|ANONYMOUS|web/{version}/{name}",
        "zz_not_found|httpTrigger|ANONYMOUS|{*path}",
    ]
    anonymous = index(**SETTINGS, AUTH_LEVEL="anonymous").stdout
    assert [line.split("|")[0] for line in anonymous.splitlines() if "httpTrigger|FUNCTION" in line] == []


def test_export_is_a_function_only_with_a_container() -> None:
    lines = index(**SETTINGS, EXPORT_CONTAINER_URL="https://account.blob.example/feedback-export").stdout.splitlines()
    assert set(lines) - set(index(**SETTINGS).stdout.splitlines()) == {"export|timerTrigger|FUNCTION|None"}


def test_start_fails_and_names_every_faulty_setting() -> None:
    done = index(RECEIPT_KEY="short", AUTH_LEVEL="nobody")
    assert done.returncode
    for name in ("RECEIPT_KEY", "AUTH_LEVEL", "TABLES_CONNECTION_STRING"):
        assert name in done.stderr
    assert "short" not in done.stderr.splitlines()[-1]
