"""infra/smoke.py, which decides whether a deployment stays: held against servers that are right, wrong or not there."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from infra import smoke
from tests.conftest import ROOT
from tests.infra import played

CHAMPION = {"name": "champion", "version": "1"}
LITE = {"name": "lite", "version": "1"}
RELEASE = {"build": "b1", "model": CHAMPION}
POSITIVE, NEGATIVE = {"label": "positive"}, {"label": "negative"}

type Answer = tuple[int, Any]
type Serve = Callable[..., str]


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return played.package(tmp_path / "package.zip", "b1")


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a server that answers as told; gives its address. `key` is asked for where there is one."""
    servers = []

    def start(
        ready: Answer = (200, RELEASE | {"status": "ready"}),
        predict: Answer = (200, {"predictions": [POSITIVE, NEGATIVE], "model": CHAMPION}),
        incidents: Answer = (401, {}),
        key: str = "",
    ) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.tell(*ready)

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                mine = self.headers.get("x-functions-key", "") == key
                self.tell(*(incidents if self.path == "/api/incidents" else predict if mine else (401, {})))

            def tell(self, status: int, answer: Any) -> None:
                self.send_response(status)
                self.end_headers()
                self.wfile.write(answer if isinstance(answer, bytes) else json.dumps(answer).encode())

            def log_message(self, *_: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smoke, "PATIENCE", 0.0)
    monkeypatch.setattr(smoke, "PAUSE", 0.0)
    monkeypatch.delenv("MODEL", raising=False)
    monkeypatch.delenv("FUNCTION_KEY", raising=False)


def asked(url: str, package: Path, monkeypatch: pytest.MonkeyPatch, **environment: str) -> str:
    """What it says in the end: nothing if all is well."""
    monkeypatch.setattr(sys, "argv", ["smoke.py", url, str(package)])
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    try:
        smoke.main()
    except SystemExit as end:
        return str(end)
    return ""


def test_an_app_that_predicts_passes(serve: Serve, package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked(serve(), package, monkeypatch) == ""
    assert asked(serve(key="k"), package, monkeypatch, FUNCTION_KEY="k") == ""


def test_the_model_that_a_setting_names_is_expected(
    serve: Serve, package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = serve(
        ready=(200, RELEASE | {"model": LITE}), predict=(200, {"predictions": [POSITIVE, NEGATIVE], "model": LITE})
    )
    assert "is not ready with" in asked(url, package, monkeypatch)
    assert asked(url, package, monkeypatch, MODEL="lite") == ""


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        ({"ready": (503, {"title": "Model unavailable"})}, "is not ready with"),
        ({"ready": (200, RELEASE | {"model": CHAMPION | {"version": "0"}})}, "is not ready with"),
        ({"ready": (200, RELEASE | {"build": "b0"})}, "is not ready with {'build': 'b1'"),
        ({"ready": (200, {"model": CHAMPION})}, "is not ready with"),
        ({"ready": (200, b"<html>Your app is up</html>")}, "is not ready with"),
        ({"predict": (500, b"")}, "does not predict as it should"),
        ({"predict": (200, {"predictions": [NEGATIVE, NEGATIVE], "model": CHAMPION})}, "does not predict as it should"),
        ({"predict": (200, {"predictions": [POSITIVE], "model": CHAMPION})}, "does not predict as it should"),
        ({"predict": (200, {"predictions": [POSITIVE, NEGATIVE], "model": LITE})}, "does not predict as it should"),
        ({"predict": (200, [])}, "does not predict as it should"),
        ({"key": "another"}, "does not predict as it should: 401"),
        ({"incidents": (200, {"status": "ignored"})}, "takes incidents from anyone"),
    ],
)
def test_an_app_that_is_wrong_does_not(
    serve: Serve, package: Path, monkeypatch: pytest.MonkeyPatch, wrong: dict[str, Any], fault: str
) -> None:
    url = serve(**{"key": "k"} | wrong)
    assert fault in asked(url, package, monkeypatch, FUNCTION_KEY="k")


def test_an_app_that_is_not_there_does_not(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "is not ready with" in asked("http://127.0.0.1:1", package, monkeypatch)
    assert "not a URL" in asked("func-x.example", package, monkeypatch)


def test_a_package_without_a_build_id_cannot_be_told_apart(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "has no build.json" in asked(serve(), played.package(tmp_path / "old.zip", None), monkeypatch)


def test_it_waits_for_an_app_that_starts(serve: Serve, package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old package answers for a while, and then nobody."""
    answers = iter([(200, RELEASE | {"build": "b0"}), (0, {}), (200, RELEASE)])
    monkeypatch.setattr(smoke, "ask", lambda _: next(answers))
    monkeypatch.setattr(smoke, "PATIENCE", 60.0)
    smoke.wait("http://app", RELEASE)
    assert next(answers, None) is None


def test_it_needs_nothing_but_python(serve: Serve, package: Path) -> None:
    command = [sys.executable, "-S", "-I", str(ROOT / "infra/smoke.py"), serve(), str(package)]
    done = subprocess.run(command, capture_output=True, text=True, env={})
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(f"predicts with {RELEASE}\n")
