"""What the documents tell a reader to type is typed here, against the real app, and prints what they say it prints."""

import argparse
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path

import httpx
import pytest

from tests.docs.documents import DOCUMENTS, Example, examples
from tests.support.app import App
from tests.support.paths import ROOT
from tools.node import node
from training.__main__ import VERBS

ADDRESS = "http://127.0.0.1:7071"
EXAMPLES = [example for document in DOCUMENTS for example in examples(document)]
PROGRAMS = sorted({(example.document, example.language) for example in EXAMPLES if example.language != "sh"})

# Why a block is not run, by what it starts with. A test of ours says that it works, or nothing here can.
NOT_RUN = {
    r"git clone ": "needs the address of the repository; what it prints is compared below",
    r"make serve": "runs until it is stopped, as it is below",
    r"cp local\.settings\.sample": "needs Core Tools; tests/docs/test_equipment.py reads the sample",
    r"make check": "takes a minute, and .ci/run runs it",
    r"make train ": "trains: tests/training/test_pipeline.py; the arguments that it gives are parsed below",
    r"\.venv/bin/python -m pytest ": "runs tests, as this does",
    r"\.venv/bin/python -m training ": "trains: tests/training/test_pipeline.py; its arguments are parsed below",
    r"\.venv/bin/uv pip ": "changes what is installed",
    r"pip install mlflow": "fetches packages, and needs a database and a bucket",
    r"(app=\$\()?azd? ": "needs a subscription of Azure",
}

PRELUDE = """
set -euo pipefail
make() { command make --no-print-directory -o .venv/dev -o .venv/train "$@"; }  # what is installed is installed
"""
MARK = "\x1e"  # printed before each of the examples that are run as one program
MARKS = {"python": f"print({MARK!r})", "javascript": f'console.log("{MARK}");'}

NUMBER = re.compile(r"-?\d+\.\d+(?:e-\d+)?")
CLOSE = 0.05  # what comes out of a model may differ so much: processors round differently


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a reader has in front of him; whatever is written goes elsewhere."""
    folder = tmp_path_factory.mktemp("checkout")
    for path in ROOT.iterdir():
        if path.name not in (".git", ".local", ".venv", "build"):
            (folder / path.name).symlink_to(path)
    (folder / ".venv").symlink_to(sys.prefix)
    return folder


def environment(address: str) -> dict[str, str]:
    return os.environ | {"BUZZGUARD": address, "no_proxy": "127.0.0.1", "MAKEFLAGS": ""}


def not_run(example: Example) -> str | None:
    return next((why for start, why in NOT_RUN.items() if re.match(start, example.code)), None)


def shell(*, run: bool) -> list[Example]:
    return [example for example in EXAMPLES if example.language == "sh" and (not_run(example) is None) == run]


def differs(expected: str, printed: str, close: float = CLOSE) -> bool:
    """Whether a program printed something else than a document says.

    There `…` stands for anything, white space for any or none, a decimal number for one that is at most `close` off.
    """
    parts = re.split(rf"(…|\s+|{NUMBER.pattern})", expected.strip())
    found = re.fullmatch("".join(map(_pattern, parts)), printed.strip(), re.DOTALL)
    if found is None:
        return True
    pairs = zip(NUMBER.findall(expected), found.groups(), strict=True)
    return any(abs(float(said) - float(got)) > close for said, got in pairs)


def _pattern(part: str) -> str:
    if part == "…":
        return ".*?"
    if part.isspace():
        return r"\s*"
    return rf"({NUMBER.pattern}|-?\d+)" if NUMBER.fullmatch(part) else re.escape(part)


def check(example: Example, printed: str) -> None:
    said, close = example.output, 0.0 if example.code.startswith("make ") else CLOSE
    assert said is None or not differs(said, printed, close), f"{example.place} says\n{said}\nand it prints\n{printed}"


@pytest.mark.parametrize("document", sorted({example.document for example in shell(run=True)}))
def test_commands_do_what_the_document_says(document: str, served: App, checkout: Path) -> None:
    """In order. For a reader, and here, the `…` of a command is the last prediction_id that was printed."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    address, prediction = str(served.http.base_url).rstrip("/"), ""
    for example in shell(run=True):
        if example.document == document:
            code = PRELUDE + example.code.replace(ADDRESS, address).replace("…", prediction)
            command = ["bash", "-c", code]
            done = subprocess.run(command, cwd=checkout, env=environment(address), capture_output=True, text=True)
            assert done.returncode == 0, f"{example.place}: {done.stdout}{done.stderr}"
            refused = "urn:buzzguard:problem:" in done.stdout
            assert not refused or example.output, f"{example.place}: {done.stdout}"
            check(example, done.stdout)
            prediction = (re.findall(r'"prediction_id":"([^"]+)"', done.stdout) or [prediction])[-1]


def program(document: str, language: str) -> list[Example]:
    return [example for example in EXAMPLES if (example.document, example.language) == (document, language)]


def run(language: str, code: str, address: str) -> str:
    """What a program prints. It must end well."""
    commands = {"python": [sys.executable, "-W", "error", "-"], "javascript": [node(), "--input-type=module", "-"]}
    done = subprocess.run(
        commands[language], input=code, cwd=ROOT, env=environment(address), capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(("document", "language"), PROGRAMS)
def test_programs_do_what_the_document_says(document: str, language: str, served: App) -> None:
    """The examples of one language are one program, read from top to bottom."""
    parts = program(document, language)
    code = "".join(f"{MARKS[language]}\n{example.code}\n" for example in parts)
    nothing, *printed = run(language, code, str(served.http.base_url).rstrip("/")).split(f"{MARK}\n")
    assert nothing == ""
    for example, output in zip(parts, printed, strict=True):
        if example.output is None:
            assert output == "", f"{example.place} does not say that it prints {output}"
        check(example, output)


type Reply = tuple[int, dict[str, str], bytes]  # status, headers, body


@contextmanager
def scripted(replies: list[Reply]) -> Iterator[str]:
    """An address that answers so, one after the other. What it has answered is taken out of the list."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = replies.pop(0)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


BUSY = (429, {"retry-after": "90"}, b"")
AWAY = (502, {"retry-after": "Sun, 22 Nov 2026 18:00:00 GMT"}, b"<title>Bad gateway</title>")
DOWN = (503, {"content-type": "application/problem+json"}, b'{"title": "Down"}')
TRY = {  # what would wait says how many seconds
    "python": """
time.sleep = print
try:
    print(call("GET", "/"))
except Refused as refused:
    print(refused.status, *refused.problem.values())
""",
    "javascript": """
const start = setTimeout;
globalThis.setTimeout = (proceed, milliseconds, ...more) => {
  if (milliseconds < 2000) return start(proceed, milliseconds, ...more); // inside of fetch
  console.log(milliseconds / 1000);
  proceed();
};
try {
  console.log(await call("GET", "/"));
} catch (refused) {
  console.log(refused.status, ...Object.values(refused.problem));
}
""",
}


@pytest.mark.parametrize("language", ["python", "javascript"])
@pytest.mark.parametrize(
    ("replies", "printed", "left"),
    [
        ([BUSY, AWAY, DOWN, (200, {}, b"7")], "90\n2\n2\n7\n", 0),
        ([(401, {}, b""), BUSY], "401\n", 1),
        ([DOWN, BUSY, AWAY, DOWN, BUSY], "2\n90\n2\n503 Down\n", 1),
    ],
)
def test_the_clients_come_again_when_they_are_asked_to(
    language: str, replies: list[Reply], printed: str, left: int
) -> None:
    client = program("docs/api.md", language)[0]
    unanswered = list(replies)
    with scripted(unanswered) as address:
        assert run(language, client.code + TRY[language], address) == printed
    assert len(unanswered) == left


def test_what_is_not_run_is_known_and_why() -> None:
    """A new block that starts like none of NOT_RUN is run above; here is what makes sure of the others."""
    starts = [example.code for example in shell(run=False)]
    assert [start for start in NOT_RUN if not any(re.match(start, code) for code in starts)] == []
    named = [path for why in NOT_RUN.values() for path in re.findall(r"tests/\S+\.py", why)]
    assert named and [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("example", shell(run=False), ids=lambda example: example.place)
def test_what_is_not_run_can_at_least_be_read_by_a_shell(example: Example) -> None:
    read = subprocess.run(["bash", "-n", "-c", example.code], capture_output=True, text=True)
    assert (read.returncode, read.stderr) == (0, "")


def test_make_serve_says_and_does_what_the_document_says(checkout: Path) -> None:
    """On a free port, until Ctrl-C."""
    said = next(example.output for example in shell(run=False) if example.code.endswith("\nmake serve\n"))
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
    assert said and not differs(said.replace(ADDRESS, address), printed), printed


def calls(code: str) -> list[str]:
    """Every `python -m training …` in it: the rest of the line."""
    lines = code.replace("\\\n", " ").splitlines()
    return [line.partition("-m training ")[2] for line in lines if "-m training " in line]


def is_taken(line: str) -> None:
    """Raises unless training takes these words. What a shell would put in stands for itself."""
    verb, *arguments = shlex.split(re.sub(r"\$\(.*?\)", "RUN", line).partition(" >")[0])
    assert verb in VERBS
    parser = argparse.ArgumentParser(exit_on_error=False)
    import_module(f"training.commands.{verb}").add_arguments(parser)
    parser.parse_args(arguments)


@pytest.mark.parametrize(
    "line", [pytest.param(line, id=example.place) for example in shell(run=False) for line in calls(example.code)]
)
def test_training_takes_the_arguments(line: str) -> None:
    is_taken(line)


def test_training_takes_what_make_gives_it() -> None:
    command = ["make", "-o", ".venv/train", "--dry-run", "train", "DATA=tweets.csv"]
    lines = calls(subprocess.run(command, cwd=ROOT, env=environment(""), capture_output=True, text=True).stdout)
    assert [line.split()[0] for line in lines] == ["prepare", "train", "export", "promote"]
    for line in lines:
        is_taken(line)


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
def test_a_document_that_lies_is_found(expected: str, printed: str, differ: bool) -> None:
    assert differs(expected, printed) == differ
