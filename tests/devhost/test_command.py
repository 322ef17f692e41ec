"""`python -m devhost`, as a person runs it."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx
import psutil
import pytest

APP = """
import os
import azure.functions as func
app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)

@app.route(route="tables")
def stores(req: func.HttpRequest) -> str:
    return os.environ.get("TABLES_CONNECTION_STRING", "none")

@app.route(route="setting/{name}")
def setting(req: func.HttpRequest) -> str:
    return os.environ.get(req.route_params["name"], "none")
"""
TWO = """
import azure.functions as func
app = func.FunctionApp()

@app.route(route="a/{x}", methods=["GET"])
def first(req: func.HttpRequest) -> str: ...

@app.route(route="a/{y}", methods=["GET"])
def second(req: func.HttpRequest) -> str: ...
"""


def write(folder: Path, source: str) -> Path:
    (folder / "function_app.py").write_text(source)
    (folder / "host.json").write_text('{"version": "2.0"}')
    return folder


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "devhost", *arguments]


def environment(**extra: str) -> dict[str, str]:
    ours = ("DEVHOST_", "TABLES_", "PYTHON_SCRIPT", "PORT", "APPLICATIONINSIGHTS_", "SMTP_", "MAIL_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return kept | {"PYTHONPATH": str(Path(__file__).parents[2]), "PORT": "0"} | extra


@contextmanager
def running(folder: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command and the address it prints."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(
        command("--app", str(folder), *arguments), env=environment(), cwd=folder, text=True, **pipes
    ) as process:
        try:
            assert process.stdout is not None
            first = process.stdout.readline()
            address = re.search(r"http://127\.0\.0\.1:\d+", first)
            assert address, first + process.communicate()[1]
            yield process, address[0]
        finally:
            process.kill()


def run(folder: Path, **extra: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command("--no-tables", "--app", str(folder)),
        env=environment(**extra), cwd=folder, text=True, capture_output=True, check=False, timeout=60,
    )  # fmt: skip


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_with_tables_until_it_is_told_to_end(tmp_path: Path, end: signal.Signals) -> None:
    with ExitStack() as stack:
        with suppress(OSError):  # whoever has the port, we or another: Azurite must take a free one
            stack.enter_context(socket.create_server(("127.0.0.1", 10002)))
        process, address = stack.enter_context(running(write(tmp_path, APP)))
        tables = httpx.get(f"{address}/api/tables").text
        assert "devstoreaccount1" in tables and ":10002/" not in tables
        assert httpx.get(re.search(r"TableEndpoint=(\S+);", tables)[1]).status_code in (400, 403)  # type: ignore[index]
        children = psutil.Process(process.pid).children(recursive=True)
        assert any("table_service.cjs" in " ".join(child.cmdline()) for child in children)
        process.send_signal(end)
        assert process.wait(timeout=30) == 0
        assert process.stdout
        assert [line.split()[0] for line in process.stdout.read().splitlines() if line] == [
            "any",
            "any",
            "mail",
            "alerts",
        ]
        assert process.stderr and process.stderr.read() == ""
    assert not [child for child in children if child.is_running()]
    assert (tmp_path / ".local" / "azurite").is_dir()


def test_a_store_of_ones_own_needs_no_azurite(tmp_path: Path) -> None:
    settings = {"Values": {"TABLES_CONNECTION_STRING": "AccountName=mine"}}
    (tmp_path / "local.settings.json").write_text(json.dumps(settings))
    with running(write(tmp_path, APP)) as (process, address):
        assert httpx.get(f"{address}/api/tables").text == "AccountName=mine"
        assert not psutil.Process(process.pid).children()


def test_over_the_wire(tmp_path: Path) -> None:
    with running(write(tmp_path, APP), "--no-tables") as (_, address):
        assert httpx.head(f"{address}/api/tables").content == b""
        assert httpx.get(f"{address}/tables").json()["status"] == 404
        status = httpx.get(f"{address}/admin/host/status")
        assert status.status_code == 401  # local.settings.json has been written, with a master key
        assert "server" not in status.headers


def test_the_app_is_watched_unless_it_is_not_to_be(tmp_path: Path) -> None:
    names = ("APPLICATIONINSIGHTS_CONNECTION_STRING", "SMTP_HOST", "SMTP_PORT")
    with running(write(tmp_path, APP), "--no-tables") as (_, address):
        endpoint, host, port = (httpx.get(f"{address}/api/setting/{name}").text for name in names)
        ingestion = re.search(r"IngestionEndpoint=(\S+?);", endpoint)
        assert ingestion and httpx.post(f"{ingestion[1]}v2.1/track", content=b"[]").status_code == 200
        socket.create_connection((host, int(port))).close()
        assert httpx.get(f"{address}/mailbox.json").json() == []
    with running(tmp_path, "--no-tables", "--no-watch") as (_, address):
        assert [httpx.get(f"{address}/api/setting/{name}").text for name in names] == ["none"] * 3
        assert httpx.get(f"{address}/mailbox").status_code == 404


@pytest.mark.parametrize("speed", ["0", "nan", "fast"])
def test_time_cannot_run_backwards(tmp_path: Path, speed: str) -> None:
    asked = subprocess.run(command("--speed", speed), env=environment(), text=True, capture_output=True, timeout=60)
    assert (asked.returncode, "--speed: invalid" in asked.stderr) == (2, True)


def test_a_taken_port_is_told_in_a_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = run(write(tmp_path, APP), PORT=str(port))
    assert (ended.returncode, ended.stdout) == (1, "")
    line = f"port {port} is taken: stop what uses it, or choose another: make serve PORT={port + 1}\n"
    assert ended.stderr == line


@pytest.mark.parametrize(
    ("source", "port", "line"),
    [
        (APP, "http", "PORT must be a number from 0 to 65535, not 'http'"),
        (APP, "65536", "PORT must be a number from 0 to 65535, not '65536'"),
        ("\nimport no_such_module", "0", "function_app.py:2: ModuleNotFoundError: No module named 'no_such_module'\n"),
        ("import broken", "0", "broken.py:2: ValueError: two lines"),
        ("import sys; sys.exit(3)", "0", "the app ended the process while it was imported: SystemExit(3)"),
        ("", "0", "ValueError: Could not find top level function app instances in function_app.py."),
        ("import azure.functions as f\napp = f.FunctionApp()", "0", "function_app.py has no functions: "),
        (
            TWO,
            "0",
            "function second would not be asked for GET /api/a/{y}: the host goes by the names of functions, "
            "first comes first and takes GET /api/a/{x}",
        ),
        (TWO.replace("a/{x}", "{*all}"), "0", "function second would not be asked for GET /api/a/{y}: "),
        (TWO.replace("a/{x}", "Admin/x"), "0", "function first: Azure keeps routes that begin with admin"),
        (TWO.replace("str:", "str, more:"), "0", "SyntaxError: "),
        (
            TWO.replace("(req: func.HttpRequest)", "(request: func.HttpRequest)"),
            "0",
            "FunctionLoadError: cannot load the first",
        ),
    ],
)
def test_an_app_that_cannot_be_served_is_told_in_a_line(tmp_path: Path, source: str, port: str, line: str) -> None:
    (tmp_path / "broken.py").write_text("\nraise ValueError('two\\nlines')")
    ended = run(write(tmp_path, source), PORT=port)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert line in ended.stderr and ended.stderr.count("\n") == 1


def test_a_folder_without_an_app(tmp_path: Path) -> None:
    (tmp_path / "host.json").write_text("{}")
    assert run(tmp_path).stderr == f"{tmp_path}/function_app.py is missing: there is no function app here\n"


def test_the_traceback_of_an_import_is_logged_for_debugging(tmp_path: Path) -> None:
    arguments = command("--no-tables", "--debug", "--app", str(write(tmp_path, "import no_such_module")))
    ended = subprocess.run(
        arguments, env=environment(), cwd=tmp_path, text=True, capture_output=True, check=False, timeout=60
    )
    assert "Traceback" in ended.stderr


def test_two_of_them_do_not_share_their_tables(tmp_path: Path) -> None:
    with running(write(tmp_path, APP)):
        second = subprocess.run(
            command("--app", str(tmp_path)), env=environment(), cwd=tmp_path, text=True, capture_output=True, timeout=60
        )
    assert (second.returncode, second.stdout) == (1, "")
    assert second.stderr.startswith("another `make serve` runs in this folder") and second.stderr.count("\n") == 1
