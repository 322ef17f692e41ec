"""/api/docs and the files that it loads, over HTTP."""

import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest

from functions.openapi import viewer
from functions.shared.problems import Problem
from infra import package
from tests.support.app import App
from tests.support.paths import ROOT

PAGE = "/api/docs"
IMPORTED = """
import os, sys
os.environ |= {"RECEIPT_KEY": "k" * 32, "TABLES_CONNECTION_STRING": "AccountName=nobody"}
import function_app
lazy = ("openapi.document", "openapi.examples", "shared.static_files")
print(sorted({f"functions.{name}" for name in lazy} & set(sys.modules)))
"""


@pytest.fixture
def page(app: App) -> httpx.Response:
    return app.http.get(PAGE)


def references(page: httpx.Response) -> list[str]:
    """Return the paths of the files that the page loads."""
    return [urljoin(PAGE, found) for found in re.findall(r'<(?:link|script)[^>]* (?:href|src)="([^"]+)"', page.text)]


def test_page_has_a_strict_content_security_policy(page: httpx.Response) -> None:
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


def test_page_is_revalidated_and_not_sent_twice(app: App, page: httpx.Response) -> None:
    assert page.headers["cache-control"] == "no-cache"
    again = app.http.get(PAGE, headers={"if-none-match": page.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    head = app.http.head(PAGE)
    assert (head.status_code, head.content) == (200, b"")


def test_files_are_compressed_and_cached_for_good(app: App, page: httpx.Response) -> None:
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


def test_other_versions_and_files_are_not_found(app: App, page: httpx.Response) -> None:
    version, name = references(page)[0].split("/")[-2:]
    for path in (f"{PAGE}/{'0' * len(version)}/{name}", f"{PAGE}/{version}/LICENSE", f"{PAGE}/{version}/..%2fdocs.py"):
        response = app.http.get(path)
        assert (response.status_code, response.json()["title"]) == (404, "Not found")
    assert app.http.post(PAGE).headers["allow"] == "GET, HEAD, OPTIONS"


def test_missing_viewer_is_a_problem_that_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(viewer, "PACKAGED", tmp_path / "a")
    monkeypatch.setattr(viewer, "INSTALLED", tmp_path / "b")
    with pytest.raises(Problem, match="The viewer is not installed: npm ci") as raised:
        viewer._folder.__wrapped__()
    assert raised.value.problem_type.status == 404


def test_package_includes_the_viewer_and_its_licence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    packaged = tmp_path / viewer.PACKAGED.name
    package.copy_viewer(packaged)
    monkeypatch.setattr(viewer, "PACKAGED", packaged)
    monkeypatch.setattr(viewer, "INSTALLED", tmp_path / "nothing")
    assert set(viewer.VIEWER) < set(viewer._folder.__wrapped__().files)
    assert "Apache License" in (packaged / "LICENSE").read_text()


def test_cold_start_imports_neither_document_nor_viewer_files() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORTED], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
