"""What the page's functions decide for themselves: compression, versions, whom the page may ask."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from functions import page
from functions.shared import static_files
from tests.support.paths import ROOT

type Index = Callable[[str], dict[str, str]]


@pytest.fixture
def headers_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    """The headers of a page that names an address of the API."""

    def headers_of(api: str) -> dict[str, str]:
        folder = tmp_path / "web"
        shutil.copytree(ROOT / "web", folder)
        index = folder / "index.html"
        meta = '<meta name="buzzguard-api" content="{}">'
        index.write_text(index.read_text().replace(meta.format(""), meta.format(api)))
        monkeypatch.setattr(page, "WEB", folder)
        return page._index()[1]

    caches = (page._web, page._index)
    for cache in caches:
        cache.cache_clear()
    yield headers_of
    for cache in caches:
        cache.cache_clear()


@pytest.mark.parametrize(
    ("api", "origins"),
    [
        ("", "'self'"),
        ("https://api.example.org", "'self' https://api.example.org"),
        ("https://api.example.org/tweets/", "'self' https://api.example.org"),
        ("http://127.0.0.1:7071", "'self' http://127.0.0.1:7071"),
    ],
)
def test_the_page_may_ask_the_api_it_names(headers_of: Index, api: str, origins: str) -> None:
    assert f"connect-src {origins};" in headers_of(api)["Content-Security-Policy"]


def test_a_version_changes_with_every_file_and_nothing_else(tmp_path: Path) -> None:
    def version(**contents: str) -> str:
        for name, content in contents.items():
            (tmp_path / f"{name}.js").write_text(content)
        return static_files.Folder(tmp_path.iterdir()).version

    first = version(a="1", b="2")
    assert version(a="1") == first
    (tmp_path / "notes.txt").write_text("not sent")
    assert version() == first
    assert len({first, version(a="12", b=""), version(a="1", b="3"), version(a="1", b="2", c="")}) == 4


def test_the_same_bytes_are_sent_by_every_instance() -> None:
    assert static_files.file("a.js", b"1" * 1000) == static_files.file("a.js", b"1" * 1000)
    assert static_files.file("a.js", b"1" * 1000).compressed[4:8] == bytes(4)  # no time


def test_who_asks_for_a_verdict_does_not_wait_for_the_page() -> None:
    """Nothing of it is imported when the app starts cold, but its routes."""
    names = ("functions.page", "functions.shared.static_files")
    code = f"import sys, functions.page; print(*[name in sys.modules for name in {names}])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]
