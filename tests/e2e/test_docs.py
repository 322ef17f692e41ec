"""/api/docs and all that it is made of, over HTTP."""

import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest

from functions.openapi import viewer
from functions.shared.http import Problem
from infra import package
from tests.support.app import App
from tests.support.paths import ROOT

PAGE = "/api/docs"
IMPORTED = """
import os, sys
os.environ |= {"RECEIPT_KEY": "k" * 32, "TABLES_CONNECTION_STRING": "AccountName=nobody"}
import function_app
print(sorted({f"functions.{name}" for name in ("assets", "document", "problems", "reference")} & set(sys.modules)))
"""


@pytest.fixture
def page(app: App) -> httpx.Response:
    return app.http.get(PAGE)


def references(page: httpx.Response) -> list[str]:
    """The paths of the files it loads."""
    return [urljoin(PAGE, found) for found in re.findall(r'<(?:link|script)[^>]* (?:href|src)="([^"]+)"', page.text)]


def test_the_page_may_do_what_it_must_and_no_more(page: httpx.Response) -> None:
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    policy = dict(part.split(" ", 1) for part in page.headers["content-security-policy"].split("; "))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    assert page.headers["x-content-type-options"] == "nosniff"
    assert "//" not in page.text and "style=" not in page.text and not re.search(r"<script[^>]*>[^<]", page.text)


def test_the_page_is_asked_for_again_and_not_sent_again(app: App, page: httpx.Response) -> None:
    assert page.headers["cache-control"] == "no-cache"
    again = app.http.get(PAGE, headers={"if-none-match": page.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    head = app.http.head(PAGE)
    assert (head.status_code, head.content) == (200, b"")


def test_its_files_are_sent_small_and_once(app: App, page: httpx.Response) -> None:
    media_types = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
    paths = references(page)
    assert {path.rpartition("/")[2] for path in paths} == {"favicon.svg", "docs.css", "docs.js", *viewer.VIEWER}
    transferred = 0
    for path in paths:
        small = app.http.get(path, headers={"accept-encoding": "gzip"})
        assert (small.status_code, small.headers["content-type"]) == (200, media_types[Path(path).suffix])
        assert small.headers["cache-control"] == "public, max-age=31536000, immutable"
        transferred += int(small.headers["content-length"])
        plain = app.http.get(path, headers={"accept-encoding": "identity"})
        assert "content-encoding" not in plain.headers and plain.content == small.content
    assert transferred < 550_000


def test_what_is_not_of_this_version_is_not_there(app: App, page: httpx.Response) -> None:
    version, name = references(page)[0].split("/")[-2:]
    for path in (f"{PAGE}/{'0' * len(version)}/{name}", f"{PAGE}/{version}/LICENSE", f"{PAGE}/{version}/..%2fdocs.py"):
        response = app.http.get(path)
        assert (response.status_code, response.json()["title"]) == (404, "Not found")
    assert app.http.post(PAGE).headers["allow"] == "GET, HEAD, OPTIONS"


def test_a_viewer_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(viewer, "PACKAGED", tmp_path / "a")
    monkeypatch.setattr(viewer, "INSTALLED", tmp_path / "b")
    with pytest.raises(Problem, match="The viewer is not installed: npm ci") as raised:
        viewer._folder.__wrapped__()
    assert raised.value.status == 404


def test_the_package_brings_the_viewer_and_its_licence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    packaged = tmp_path / viewer.PACKAGED.name
    package.copy_viewer(packaged)
    monkeypatch.setattr(viewer, "PACKAGED", packaged)
    monkeypatch.setattr(viewer, "INSTALLED", tmp_path / "nothing")
    assert set(viewer.VIEWER) < set(viewer._folder.__wrapped__().files)
    assert "Apache License" in (packaged / "LICENSE").read_text()


def test_nothing_of_the_reference_is_read_at_a_cold_start() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORTED], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
