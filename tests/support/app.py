"""Run the app behind the runtime of Azure Functions, in a process of its own."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx

from tests.support.paths import ROOT

FUNCTION_KEY, MASTER_KEY = "the function key", "the master key"
INCIDENT_KEY = "development-" + "i" * 32
RECEIPT_KEY = "development-" + "k" * 32
_DEFAULTS = {
    "PORT": "0",
    "RECEIPT_KEY": RECEIPT_KEY,
    "INCIDENT_KEY": INCIDENT_KEY,
    "AUTH_LEVEL": "anonymous",
    "DEVHOST_FUNCTION_KEY": FUNCTION_KEY,
    "DEVHOST_MASTER_KEY": MASTER_KEY,
}


class App(NamedTuple):
    http: httpx.Client
    log: Path
    process: subprocess.Popen[str]


type StartApp = Callable[..., App]


@contextmanager
def running(folder: Path, log: Path, environment: dict[str, str]) -> Iterator[App]:
    """Run the function app in `folder` on a free port, without monitoring, and yield a client."""
    with run_devhost(folder, log, os.environ | _DEFAULTS | environment, "--no-monitoring") as app:
        yield app


@contextmanager
def run_devhost(folder: Path, log: Path, environment: dict[str, str], *arguments: str) -> Iterator[App]:
    """Run `python -m devhost` in exactly this environment and yield a client. Its standard error goes to `log`."""
    command = [sys.executable, "-m", "devhost", "--no-tables", "--app", str(folder), *arguments]
    with (
        log.open("a") as errors,
        subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True
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
