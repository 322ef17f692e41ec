"""Static files and the page: compression, versions, content security policy."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import azure.functions as func
import pytest

from functions import page
from functions.shared import static_files
from functions.shared.problems import NOT_FOUND, Problem
from tests.support.paths import ROOT

type HeadersOf = Callable[[str], dict[str, str]]


@pytest.fixture
def headers_of(tmp_path: Path) -> HeadersOf:
    """Return a function from the address of the API that a page names to the headers of that page."""

    def headers_of(api: str) -> dict[str, str]:
        folder = tmp_path / "web"
        shutil.copytree(ROOT / "web", folder)
        index = folder / "index.html"
        meta = '<meta name="buzzguard-api" content="{}">'
        index.write_text(index.read_text().replace(meta.format(""), meta.format(api)))
        return page.Site(folder).index[1]

    return headers_of


@pytest.mark.parametrize(
    ("api", "origins"),
    [
        ("", "'self'"),
        ("https://api.example.org", "'self' https://api.example.org"),
        ("https://api.example.org/tweets/", "'self' https://api.example.org"),
        ("http://127.0.0.1:7071", "'self' http://127.0.0.1:7071"),
    ],
)
def test_page_may_call_the_api_that_it_names(headers_of: HeadersOf, api: str, origins: str) -> None:
    assert f"connect-src {origins};" in headers_of(api)["Content-Security-Policy"]


def test_version_changes_with_every_file_and_nothing_else(tmp_path: Path) -> None:
    def version(**contents: str) -> str:
        for name, content in contents.items():
            (tmp_path / f"{name}.js").write_text(content)
        return static_files.Folder(tmp_path.iterdir()).version

    first = version(a="1", b="2")
    assert version(a="1") == first
    (tmp_path / "notes.txt").write_text("not sent")
    assert version() == first
    assert len({first, version(a="12", b=""), version(a="1", b="3"), version(a="1", b="2", c="")}) == 4


@pytest.mark.parametrize("host", ["[", "[::1", "a]", "", "a/b", "é", "a" * 10_000])
def test_unknown_file_is_not_found_whatever_the_host_header_is(tmp_path: Path, host: str) -> None:
    (tmp_path / "a.js").write_text("1")
    folder = static_files.Folder(tmp_path.iterdir())
    parameters = {"version": "a", "name": "b.js"}
    request = func.HttpRequest("GET", f"http://{host}/web/a/b.js", route_params=parameters, body=b"")
    with pytest.raises(Problem) as raised:
        folder.find(request)
    assert raised.value.problem_type is NOT_FOUND


def test_compression_is_reproducible() -> None:
    assert static_files.file("a.js", b"1" * 1000) == static_files.file("a.js", b"1" * 1000)
    assert static_files.file("a.js", b"1" * 1000).compressed[4:8] == bytes(4)  # the time in the gzip header


def test_importing_the_page_does_not_import_static_files() -> None:
    """A cold start needs only the routes of the page."""
    names = ("functions.page", "functions.shared.static_files")
    code = f"import sys, functions.page; print(*[name in sys.modules for name in {names}])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]
