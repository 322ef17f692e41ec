"""`python -m devhost` in a process of its own."""

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

from devhost.azurite import DEVELOPMENT_PORT
from tests.support.paths import ROOT

APP = """
import asyncio
import os
import azure.functions as func
app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)

@app.route(route="tables")
def tables(req: func.HttpRequest) -> str:
    return os.environ.get("TABLES_CONNECTION_STRING", "none")

@app.route(route="endless")
async def endless(req: func.HttpRequest) -> str:
    await asyncio.Event().wait()
    return "never"

@app.route(route="setting/{name}")
def setting(req: func.HttpRequest) -> str:
    return os.environ.get(req.route_params["name"], "none")
"""
TWO_FUNCTIONS = """
import azure.functions as func
app = func.FunctionApp()

@app.route(route="a/{x}", methods=["GET"])
def first(req: func.HttpRequest) -> str: ...

@app.route(route="a/{y}", methods=["GET"])
def second(req: func.HttpRequest) -> str: ...
"""


def write_app(folder: Path, source: str) -> Path:
    """Write a function app and return its folder."""
    (folder / "function_app.py").write_text(source)
    (folder / "host.json").write_text('{"version": "2.0"}')
    return folder


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "devhost", *arguments]


def environment(**extra: str) -> dict[str, str]:
    """Return this environment without settings of the app or devhost, on a free port."""
    prefixes = ("DEVHOST_", "TABLES_", "PYTHON_SCRIPT", "PORT", "APPLICATIONINSIGHTS_", "SMTP_", "MAIL_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}
    return kept | {"PYTHONPATH": str(ROOT), "PORT": "0"} | extra


@contextmanager
def running(folder: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the command. Yield its process and the address that it prints."""
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


@pytest.fixture
def used_development_port() -> Iterator[None]:
    """Make sure that Azurite's usual port is in use, so that it must take a free one."""
    with ExitStack() as stack:
        with suppress(OSError):  # another program uses it already
            stack.enter_context(socket.create_server(("127.0.0.1", DEVELOPMENT_PORT)))
        yield


def run(folder: Path, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run the command for an app that does not start."""
    return subprocess.run(
        command("--no-tables", "--app", str(folder)),
        env=environment(**extra), cwd=folder, text=True, capture_output=True, check=False, timeout=60,
    )  # fmt: skip


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.usefixtures("used_development_port")
def test_serves_with_azurite_until_a_signal(tmp_path: Path, end: signal.Signals) -> None:
    with running(write_app(tmp_path, APP)) as (process, address):
        tables = httpx.get(f"{address}/api/tables").text
        assert "devstoreaccount1" in tables and f":{DEVELOPMENT_PORT}/" not in tables
        assert httpx.get(re.search(r"TableEndpoint=(\S+);", tables)[1]).status_code in (400, 403)  # type: ignore[index]
        children = psutil.Process(process.pid).children(recursive=True)
        assert any("table_service.cjs" in " ".join(child.cmdline()) for child in children)
        process.send_signal(end)
        assert process.wait(timeout=30) == 0
        assert process.stdout
        assert [line.split()[0] for line in process.stdout.read().splitlines() if line] == [
            "any",
            "any",
            "any",
            "mail",
            "alerts",
        ]
        assert process.stderr and process.stderr.read() == ""
    assert not [child for child in children if child.is_running()]
    assert (tmp_path / ".local" / "azurite").is_dir()


def test_starts_no_azurite_if_settings_name_another_store(tmp_path: Path) -> None:
    settings = {"Values": {"TABLES_CONNECTION_STRING": "AccountName=mine"}}
    (tmp_path / "local.settings.json").write_text(json.dumps(settings))
    with running(write_app(tmp_path, APP)) as (process, address):
        assert httpx.get(f"{address}/api/tables").text == "AccountName=mine"
        assert not psutil.Process(process.pid).children()


def test_serves_http(tmp_path: Path) -> None:
    with running(write_app(tmp_path, APP), "--no-tables") as (_, address):
        assert httpx.head(f"{address}/api/tables").content == b""
        assert httpx.get(f"{address}/tables").json()["status"] == 404
        status = httpx.get(f"{address}/admin/host/status")
        assert status.status_code == 401  # the new local.settings.json has a master key
        assert "server" not in status.headers


def test_answers_only_names_of_this_machine(tmp_path: Path) -> None:
    values = {"Values": {"DEVHOST_ALLOWED_HOSTS": "buzz.example, proxy.example"}}
    (tmp_path / "local.settings.json").write_text(json.dumps(values))
    with running(write_app(tmp_path, APP), "--no-tables") as (_, address):
        for path in ("/api/tables", "/mailbox.json", "/mailbox", "/nowhere"):
            refused = httpx.get(address + path, headers={"host": "rebind.example"})
            assert (refused.status_code, refused.headers["content-type"]) == (421, "application/problem+json")
        assert httpx.get(f"{address}/api/tables", headers={"host": "Proxy.example:8443"}).status_code == 200


def test_function_timeout_of_host_json_is_enforced(tmp_path: Path) -> None:
    write_app(tmp_path, APP)
    (tmp_path / "host.json").write_text('{"version": "2.0", "functionTimeout": "00:00:01"}')
    with running(tmp_path, "--no-tables", "--no-monitoring") as (process, address):
        response = httpx.get(f"{address}/api/endless", timeout=30)
        assert (response.status_code, response.json()["title"]) == (500, "Internal Server Error")
        process.terminate()
        assert process.stderr and "Timeout value of 1 s exceeded by function endless" in process.stderr.read()


def test_monitors_the_app_unless_disabled(tmp_path: Path) -> None:
    names = ("APPLICATIONINSIGHTS_CONNECTION_STRING", "SMTP_HOST", "SMTP_PORT")
    with running(write_app(tmp_path, APP), "--no-tables") as (_, address):
        endpoint, host, port = (httpx.get(f"{address}/api/setting/{name}").text for name in names)
        ingestion = re.search(r"IngestionEndpoint=(\S+?);", endpoint)
        assert ingestion and httpx.post(f"{ingestion[1]}v2.1/track", content=b"[]").status_code == 200
        socket.create_connection((host, int(port))).close()
        assert httpx.get(f"{address}/mailbox.json").json() == []
    with running(tmp_path, "--no-tables", "--no-monitoring") as (_, address):
        assert [httpx.get(f"{address}/api/setting/{name}").text for name in names] == ["none"] * 3
        assert httpx.get(f"{address}/mailbox").status_code == 404


@pytest.mark.parametrize("speed", ["0", "nan", "fast"])
def test_rejects_invalid_speed(speed: str) -> None:
    ended = subprocess.run(command("--speed", speed), env=environment(), text=True, capture_output=True, timeout=60)
    assert (ended.returncode, "--speed: invalid" in ended.stderr) == (2, True)


def test_reports_port_in_use_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        ended = run(write_app(tmp_path, APP), PORT=str(port))
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith(f"port {port} is in use: ") and ended.stderr.count("\n") == 1


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
            TWO_FUNCTIONS,
            "0",
            "function second would get no requests for GET /api/a/{y}: the host tries functions by name, "
            "first comes first and handles GET /api/a/{x}",
        ),
        (TWO_FUNCTIONS.replace("a/{x}", "{*all}"), "0", "function second would get no requests for GET /api/a/{y}: "),
        (TWO_FUNCTIONS.replace("a/{x}", "Admin/x"), "0", "function first: Azure reserves routes that begin with admin"),
        (TWO_FUNCTIONS.replace("str:", "str, more:"), "0", "SyntaxError: "),
        (
            TWO_FUNCTIONS.replace("(req: func.HttpRequest)", "(request: func.HttpRequest)"),
            "0",
            "FunctionLoadError: cannot load the first",
        ),
    ],
)
def test_reports_app_that_cannot_run_in_one_line(tmp_path: Path, source: str, port: str, line: str) -> None:
    (tmp_path / "broken.py").write_text("\nraise ValueError('two\\nlines')")
    ended = run(write_app(tmp_path, source), PORT=port)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert line in ended.stderr and ended.stderr.count("\n") == 1


def test_reports_invalid_allowed_hosts_in_one_line(tmp_path: Path) -> None:
    ended = run(write_app(tmp_path, APP), DEVHOST_ALLOWED_HOSTS="a.example,https://b.example")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == (
        "DEVHOST_ALLOWED_HOSTS must be host names without ports, separated by commas, not https://b.example\n"
    )


def test_reports_folder_without_an_app(tmp_path: Path) -> None:
    (tmp_path / "host.json").write_text("{}")
    assert run(tmp_path).stderr == f"{tmp_path}/function_app.py is missing: this folder is not a function app\n"


def test_debug_logs_traceback_of_import(tmp_path: Path) -> None:
    arguments = command("--no-tables", "--debug", "--app", str(write_app(tmp_path, "import no_such_module")))
    ended = subprocess.run(
        arguments, env=environment(), cwd=tmp_path, text=True, capture_output=True, check=False, timeout=60
    )
    assert "Traceback" in ended.stderr


@pytest.mark.usefixtures("used_development_port")
def test_second_process_cannot_use_the_same_tables(tmp_path: Path) -> None:
    with running(write_app(tmp_path, APP)):
        second = subprocess.run(
            command("--app", str(tmp_path)), env=environment(), cwd=tmp_path, text=True, capture_output=True, timeout=60
        )
    assert (second.returncode, second.stdout) == (1, "")
    assert second.stderr.startswith("another `make serve` is running in this folder") and second.stderr.count("\n") == 1
