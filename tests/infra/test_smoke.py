"""infra/smoke.py decides whether a deployment stays: run it against apps that are right, wrong or down."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from socketserver import StreamRequestHandler, TCPServer
from typing import Any

import pytest

from infra import app_checks, smoke
from infra.release import read_release
from tests.infra.fakes import FakeApp, FakeTime, write_package
from tests.support.paths import ROOT

CHAMPION = {"name": "champion", "version": "1"}
LITE = {"name": "lite", "version": "1"}
RELEASE = {"build": "b1", "model": CHAMPION, "trusted": True}
POSITIVE, NEGATIVE = {"label": "positive"}, {"label": "negative"}
READY, PREDICT, INCIDENTS = "/api/health/ready", "/api/predict", "/api/incidents"

type Smoke = Callable[..., str]


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return write_package(tmp_path / "package.zip", "b1")


@pytest.fixture
def app() -> Iterator[FakeApp]:
    with FakeApp() as app:
        app.ready = RELEASE
        yield app


@pytest.fixture
def smoke_error(package: Path, fake_time: FakeTime, monkeypatch: pytest.MonkeyPatch) -> Smoke:
    """Return a function that runs the command for a URL and returns its error, or "" if the app passes."""

    def run(url: str, package: Path = package) -> str:
        monkeypatch.setattr(sys, "argv", ["smoke", url, str(package)])
        try:
            smoke.main()
        except SystemExit as end:
            return str(end)
        return ""

    return run


def test_passes_an_app_that_predicts(app: FakeApp, smoke_error: Smoke) -> None:
    assert smoke_error(app.url) == ""


@pytest.mark.parametrize(
    ("path", "response", "fault"),
    [
        (READY, (503, {"title": "Model unavailable"}), "is not ready with"),
        (READY, (200, RELEASE | {"model": CHAMPION | {"version": "0"}}), "is not ready with"),
        (READY, (200, RELEASE | {"build": "b0"}), "is not ready with {'build': 'b1'"),
        (READY, (200, RELEASE | {"trusted": False}), "is not ready with"),
        (READY, (200, {"build": "b1", "model": CHAMPION}), "is not ready with"),
        (READY, (200, {"model": CHAMPION}), "is not ready with"),
        (READY, (200, b"<html>Your app is up</html>"), "is not ready with"),
        (PREDICT, (500, b""), "does not predict as it should"),
        (PREDICT, (200, {"predictions": [NEGATIVE, NEGATIVE], "model": CHAMPION}), "does not predict as it should"),
        (PREDICT, (200, {"predictions": [POSITIVE], "model": CHAMPION}), "does not predict as it should"),
        (PREDICT, (200, {"predictions": [POSITIVE, NEGATIVE], "model": LITE}), "does not predict as it should"),
        (PREDICT, (200, []), "does not predict as it should"),
        (PREDICT, (401, {}), "does not predict as it should: 401"),
        (INCIDENTS, (200, {"status": "ignored"}), "accepts incidents without their key"),
    ],
)
def test_fails_an_app_with_a_wrong_response(
    app: FakeApp, smoke_error: Smoke, path: str, response: tuple[int, Any], fault: str
) -> None:
    app.responses[path] = response
    assert fault in smoke_error(app.url)


def test_fails_if_nothing_listens(smoke_error: Smoke, closed_port: int) -> None:
    assert "is not ready with" in smoke_error(f"http://127.0.0.1:{closed_port}")


def test_rejects_an_argument_that_is_not_a_url(smoke_error: Smoke) -> None:
    assert smoke_error("func-x.example") == "not a URL: func-x.example"


@pytest.mark.parametrize(
    ("response", "fault"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", "IncompleteRead"),
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 9\r\n\r\n{}", "IncompleteRead"),
        (b"SSH-2.0-OpenSSH\r\n", "BadStatusLine"),
        (b"", "RemoteDisconnected"),
    ],
)
def test_treats_an_incomplete_response_as_none(response: bytes, fault: str) -> None:
    """As from a host that is stopped while it answers."""

    class Responds(StreamRequestHandler):
        def handle(self) -> None:
            self.request.recv(65536)
            self.wfile.write(response)

    with TCPServer(("127.0.0.1", 0), Responds) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        status, body = app_checks.request(f"http://127.0.0.1:{server.server_address[1]}/")
        server.shutdown()
    assert status == 0 and body["fault"].startswith(fault)


def test_rejects_a_package_without_a_build_id(app: FakeApp, tmp_path: Path, smoke_error: Smoke) -> None:
    assert "has no build.json" in smoke_error(app.url, write_package(tmp_path / "old.zip", None))


def test_passes_an_older_package_that_does_not_list_its_models(
    app: FakeApp, tmp_path: Path, smoke_error: Smoke
) -> None:
    """It is what a rollback returns to."""
    app.ready = {"build": "b0", "model": CHAMPION}
    assert smoke_error(app.url, write_package(tmp_path / "old.zip", "b0", lists_models=False)) == ""


@pytest.mark.parametrize(
    ("name", "why"), [("none.zip", "No such file or directory"), ("text.zip", "File is not a zip file")]
)
def test_names_a_file_that_is_not_a_package(
    tmp_path: Path, smoke_error: Smoke, closed_port: int, name: str, why: str
) -> None:
    (tmp_path / "text.zip").write_text("no zip")
    path = tmp_path / name
    assert smoke_error(f"http://127.0.0.1:{closed_port}", path) == f"{path} is not a package: {why}"


def test_names_a_model_that_the_package_lacks(package: Path) -> None:
    with pytest.raises(SystemExit, match="is not a package: There is no item named 'models/unknown/manifest.json'"):
        read_release(str(package), "unknown")


def test_waits_for_an_app_that_starts(fake_time: FakeTime, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old package answers for a while, then nothing does."""
    responses = iter([(200, RELEASE | {"build": "b0"}), (0, {}), (200, RELEASE)])
    monkeypatch.setattr(app_checks, "request", lambda _: next(responses))
    app_checks.wait_until_ready("http://app", RELEASE)
    assert next(responses, None) is None


def test_needs_only_the_standard_library(app: FakeApp, package: Path) -> None:
    command = [sys.executable, "-S", "-m", "infra.smoke", app.url, str(package)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env={})
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(f"predicts with {RELEASE}\n")
