"""infra/smoke.py, which decides whether a deployment stays: held against servers that are right, wrong or not there."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from socketserver import StreamRequestHandler, TCPServer
from typing import Any

import pytest

from infra import smoke
from tests.infra import fakes
from tests.infra.fakes import FakeApp
from tests.support.paths import ROOT

CHAMPION = {"name": "champion", "version": "1"}
LITE = {"name": "lite", "version": "1"}
RELEASE = {"build": "b1", "model": CHAMPION}
POSITIVE, NEGATIVE = {"label": "positive"}, {"label": "negative"}
READY, PREDICT, INCIDENTS = "/api/health/ready", "/api/predict", "/api/incidents"


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return fakes.package(tmp_path / "package.zip", "b1")


@pytest.fixture
def app() -> Iterator[FakeApp]:
    with FakeApp() as app:
        app.ready = RELEASE
        yield app


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smoke, "PATIENCE", 0.0)
    monkeypatch.setattr(smoke, "PAUSE", 0.0)


def asked(url: str, package: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What it says in the end: nothing if all is well."""
    monkeypatch.setattr(sys, "argv", ["smoke.py", url, str(package)])
    try:
        smoke.main()
    except SystemExit as end:
        return str(end)
    return ""


def test_an_app_that_predicts_passes(app: FakeApp, package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked(app.url, package, monkeypatch) == ""


@pytest.mark.parametrize(
    ("path", "answer", "fault"),
    [
        (READY, (503, {"title": "Model unavailable"}), "is not ready with"),
        (READY, (200, RELEASE | {"model": CHAMPION | {"version": "0"}}), "is not ready with"),
        (READY, (200, RELEASE | {"build": "b0"}), "is not ready with {'build': 'b1'"),
        (READY, (200, {"model": CHAMPION}), "is not ready with"),
        (READY, (200, b"<html>Your app is up</html>"), "is not ready with"),
        (PREDICT, (500, b""), "does not predict as it should"),
        (PREDICT, (200, {"predictions": [NEGATIVE, NEGATIVE], "model": CHAMPION}), "does not predict as it should"),
        (PREDICT, (200, {"predictions": [POSITIVE], "model": CHAMPION}), "does not predict as it should"),
        (PREDICT, (200, {"predictions": [POSITIVE, NEGATIVE], "model": LITE}), "does not predict as it should"),
        (PREDICT, (200, []), "does not predict as it should"),
        (PREDICT, (401, {}), "does not predict as it should: 401"),
        (INCIDENTS, (200, {"status": "ignored"}), "takes incidents from anyone"),
    ],
)
def test_an_app_that_is_wrong_does_not(
    app: FakeApp, package: Path, monkeypatch: pytest.MonkeyPatch, path: str, answer: tuple[int, Any], fault: str
) -> None:
    app.answers[path] = answer
    assert fault in asked(app.url, package, monkeypatch)


def test_an_app_that_is_not_there_does_not(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "is not ready with" in asked("http://127.0.0.1:1", package, monkeypatch)
    assert "not a URL" in asked("func-x.example", package, monkeypatch)


@pytest.mark.parametrize(
    ("reply", "fault"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", "IncompleteRead"),
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 9\r\n\r\n{}", "IncompleteRead"),
        (b"SSH-2.0-OpenSSH\r\n", "BadStatusLine"),
        (b"", "RemoteDisconnected"),
    ],
)
def test_an_answer_that_breaks_off_is_none(reply: bytes, fault: str) -> None:
    """As a host gives that is stopped while it answers."""

    class Replies(StreamRequestHandler):
        def handle(self) -> None:
            self.request.recv(65536)
            self.wfile.write(reply)

    with TCPServer(("127.0.0.1", 0), Replies) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        status, answer = smoke.ask(f"http://127.0.0.1:{server.server_address[1]}/")
        server.shutdown()
    assert status == 0 and answer["fault"].startswith(fault)


def test_a_package_without_a_build_id_cannot_be_told_apart(
    app: FakeApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "has no build.json" in asked(app.url, fakes.package(tmp_path / "old.zip", None), monkeypatch)


def test_a_file_that_is_no_package_is_named(package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "text.zip").write_text("no zip")
    for name, why in (("none.zip", "No such file or directory"), ("text.zip", "File is not a zip file")):
        path = tmp_path / name
        assert asked("http://127.0.0.1:1", path, monkeypatch) == f"{path} is no package: {why}"
    with pytest.raises(SystemExit, match="is no package: There is no item named 'models/unknown/manifest.json'"):
        smoke.shipped(str(package), "unknown")


def test_it_waits_for_an_app_that_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The old package answers for a while, and then nobody."""
    answers = iter([(200, RELEASE | {"build": "b0"}), (0, {}), (200, RELEASE)])
    monkeypatch.setattr(smoke, "ask", lambda _: next(answers))
    monkeypatch.setattr(smoke, "PATIENCE", 60.0)
    smoke.wait("http://app", RELEASE)
    assert next(answers, None) is None


def test_it_needs_nothing_but_python(app: FakeApp, package: Path) -> None:
    command = [sys.executable, "-S", "-I", str(ROOT / "infra/smoke.py"), app.url, str(package)]
    done = subprocess.run(command, capture_output=True, text=True, env={})
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(f"predicts with {RELEASE}\n")
