"""The commands in the documents do and print what the documents say."""

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.docs.examples import ADDRESS, NOT_RUN, check_output, differs, environment, shell_examples
from tests.support.app import App
from tests.support.documents import Example
from tests.support.paths import ROOT

PRELUDE = """
set -euo pipefail
make() { command make --no-print-directory -o .venv/dev -o .venv/train "$@"; }  # without installing anything
"""


@pytest.mark.parametrize("document", sorted({example.document for example in shell_examples(run=True)}))
def test_commands_print_what_the_document_says(document: str, served: App, checkout: Path) -> None:
    """Run them in order. The `…` of a command stands for the prediction_id that was printed last."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    address, prediction = str(served.http.base_url).rstrip("/"), ""
    for example in shell_examples(run=True):
        if example.document == document:
            code = PRELUDE + example.code.replace(ADDRESS, address).replace("…", prediction)
            command = ["bash", "-c", code]
            done = subprocess.run(command, cwd=checkout, env=environment(address), capture_output=True, text=True)
            assert done.returncode == 0, f"{example.place}: {done.stdout}{done.stderr}"
            refused = "urn:buzzguard:problem:" in done.stdout
            assert not refused or example.output, f"{example.place}: {done.stdout}"
            check_output(example, done.stdout)
            prediction = (re.findall(r'"prediction_id":"([^"]+)"', done.stdout) or [prediction])[-1]


def test_every_exception_of_not_run_is_needed() -> None:
    """Each matches an example, and the tests that it refers to exist."""
    starts = [example.code for example in shell_examples(run=False)]
    unused = [start for start in NOT_RUN if not any(re.match(start, code) for code in starts)]
    assert unused == []
    named = [path for why in NOT_RUN.values() for path in re.findall(r"tests/\w+/\w+\.py", why)]
    assert named and [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("example", shell_examples(run=False), ids=lambda example: example.place)
def test_commands_that_are_not_run_are_valid_bash(example: Example) -> None:
    read = subprocess.run(["bash", "-n", "-c", example.code], capture_output=True, text=True)
    assert (read.returncode, read.stderr) == (0, "")


def test_make_serve_prints_what_the_document_says(checkout: Path) -> None:
    """Start it on a free port, call it, stop it with Ctrl-C."""
    documented = next(
        example.output for example in shell_examples(run=False) if example.code.endswith("\nmake serve\n")
    )
    command = ["make", "--no-print-directory", "-o", ".venv/dev", "serve", "PORT=0"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=checkout, env=environment(""), start_new_session=True, **pipes) as process:
        try:
            assert process.stdout
            printed = ""
            for line in process.stdout:
                printed += line
                if line.startswith("  alerts "):
                    break
            found = re.search(r"http://\S+", printed)
            assert found, process.communicate()[1]
            address = found[0]
            assert "<title>Buzzguard</title>" in httpx.get(address).text
            os.killpg(process.pid, signal.SIGINT)
            assert process.communicate()[1] == ""
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    assert documented and not differs(documented.replace(ADDRESS, address), printed), printed


@pytest.mark.parametrize(
    ("expected", "printed", "differ"),
    [
        ('{"a":"…","b":0.99}', '{"a":"x","b":0.97}', False),
        ('{"a": "…",\n  "b": 0.9}', '{"a":"x","b":1}', True),
        ("publish 0.99", "hold 0.99", True),
        ("0.99", "0.9", True),
        ("start 14", "start 15", True),
        ("[…, 3]", "[1, 2, 3]", False),
        ("…", "", False),
        ("done", "done and more", True),
    ],
)
def test_finds_output_that_differs(expected: str, printed: str, differ: bool) -> None:
    assert differs(expected, printed) == differ
