"""The page over HTTP: files, headers, caching, size, and its strings."""

import gzip
import json
import re
from typing import Any, get_args

import httpx
import pytest

from sentiment.verdict import WarningCode
from tests.support.app import App
from tests.support.paths import ROOT

WEB = ROOT / "web"
ENGLISH, FRENCH = (json.loads((WEB / f"strings.{tag}.json").read_text()) for tag in ("en", "fr"))
MAX_PAGE_BYTES = 60_000

TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json",
    "svg": "image/svg+xml",
}


def raw(app: App, method: str, path: str, accepted: str, **headers: str) -> httpx.Response:
    """Return the response with the bytes that were sent, still compressed, in `extensions["raw"]`."""
    request = app.http.build_request(method, path, headers={"accept-encoding": accepted, **headers})
    response = app.http.send(request, stream=True)
    response.extensions["raw"] = b"".join(response.iter_raw())
    return response


def references(html: str) -> set[str]:
    return set(re.findall(r'(?:href|src)="(?!#)([^"]+)"', html))


@pytest.fixture(scope="module")
def index(app: App) -> httpx.Response:
    return app.http.get("/")


@pytest.fixture(scope="module")
def script(index: httpx.Response) -> str:
    """Return the address of one of the page's files."""
    (found,) = (reference for reference in references(index.text) if reference.endswith("/app.js"))
    return "/" + found


def test_page_has_a_strict_content_security_policy(index: httpx.Response) -> None:
    assert index.status_code == 200
    assert index.headers["content-type"] == "text/html; charset=utf-8"
    policy = dict(part.split(" ", 1) for part in index.headers["content-security-policy"].split("; "))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self'",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
    assert index.headers["x-content-type-options"] == "nosniff"
    assert index.headers["referrer-policy"] == "same-origin"
    assert index.headers["cross-origin-opener-policy"] == "same-origin"
    assert index.headers["permissions-policy"].startswith("camera=()")


def test_every_file_has_its_media_type_and_is_cached_for_good(app: App, index: httpx.Response) -> None:
    found = references(index.text)
    (base,) = {reference.rpartition("/")[0] for reference in found}
    assert re.fullmatch("web/[0-9a-f]{16}", base)
    files = {path.name for path in WEB.iterdir()} - {"index.html"}
    assert {reference.rpartition("/")[2] for reference in found} == {name for name in files if name[-4:] != "json"}
    for name in files:
        response = app.http.get(f"/{base}/{name}")
        assert (response.status_code, response.content) == (200, (WEB / name).read_bytes())
        assert response.headers["content-type"] == TYPES[name.rpartition(".")[2]]
        assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert response.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("accepted", "compressed"),
    [
        ("gzip, deflate, br", True),
        ("GZIP", True),
        ("*", True),
        ("br;q=1.0, gzip;q=0.8, *;q=0.1", True),
        ("identity", False),
        ("", False),
        ("br", False),
        ("gzip;q=0, *", False),
        ("gzip;q=0.5, identity", False),
        ("gzip;q=nonsense", False),
    ],
)
def test_files_are_compressed_only_if_the_browser_accepts_gzip(
    app: App, script: str, accepted: str, compressed: bool
) -> None:
    for path, content in (("/", None), (script, (WEB / "app.js").read_bytes())):
        response = raw(app, "GET", path, accepted)
        assert "accept-encoding" in response.headers["vary"].lower()
        assert response.headers.get("content-encoding") == ("gzip" if compressed else None)
        sent = response.extensions["raw"]
        assert content in (None, gzip.decompress(sent) if compressed else sent)


def test_cached_files_are_not_sent_again(app: App, script: str) -> None:
    for path, kept in (("/", "no-cache"), (script, "public, max-age=31536000, immutable")):
        tag = app.http.get(path).headers["etag"]
        for known in (tag, tag.removeprefix("W/"), f'"other", {tag}', "*"):
            again = app.http.get(path, headers={"if-none-match": known})
            assert (again.status_code, again.content) == (304, b"")
            assert (again.headers["etag"], again.headers["cache-control"]) == (tag, kept)
        assert app.http.get(path, headers={"if-none-match": '"other"'}).status_code == 200


def test_head_has_the_headers_of_get(app: App, script: str) -> None:
    for path in ("/", script):
        get, head = (raw(app, method, path, "gzip") for method in ("GET", "HEAD"))
        assert head.extensions["raw"] == b""
        own = {"date", "x-request-id"}
        assert {name: value for name, value in head.headers.items() if name not in own} == {
            name: value for name, value in get.headers.items() if name not in own
        }


@pytest.mark.parametrize(
    "path",
    [
        "/web/0123456789abcdef/app.js",
        "{base}/none.js",
        "{base}/index.html",
        "{base}/..%2Fhost.json",
        "{base}/%2e%2e%2fhost.json",
        "/index.html",
        "/web",
    ],
)
def test_unknown_file_is_not_found(app: App, script: str, path: str) -> None:
    response = app.http.get(path.format(base=script.rpartition("/")[0]))
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["cache-control"] == "no-store"


def test_rejects_other_methods(app: App, script: str) -> None:
    for path in ("/", script):
        response = app.http.post(path)
        assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD, OPTIONS")


def test_page_with_all_files_is_small(app: App, index: httpx.Response) -> None:
    """It counts headers, both languages and the thresholds."""
    paths = ["/", "/api/models", *(f"/{reference}" for reference in references(index.text))]
    base = next(reference for reference in references(index.text) if reference.endswith("app.js")).rpartition("/")[0]
    paths += [f"/{base}/strings.{tag}.json" for tag in ("en", "fr")]
    total = 0
    for path in paths:
        response = raw(app, "GET", path, "gzip")
        total += len(response.extensions["raw"]) + sum(
            len(name) + len(value) + 4 for name, value in response.headers.raw
        )
    assert total < MAX_PAGE_BYTES


def placeholders(text: Any) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", json.dumps(text)))


def test_languages_have_the_same_strings_and_placeholders() -> None:
    assert list(ENGLISH) == list(FRENCH)
    for key, text in ENGLISH.items():
        other = FRENCH[key]
        assert type(other) is type(text), key
        assert placeholders(other) == placeholders(text), key
        for language in (text, other):
            if isinstance(language, dict):
                assert set(language) == {"one", "other"} and "{n}" in language["one"] + language["other"], key
        if key not in {"many.count", "many.tweet", "verdict.announced"}:
            assert other != text, key


@pytest.mark.parametrize("code", get_args(WarningCode.__value__))
def test_every_warning_has_its_words_in_each_language(code: str) -> None:
    assert f"warning.{code}" in ENGLISH.keys() & FRENCH.keys()


def all_forms(strings: dict[str, Any]) -> list[str]:
    return [form for text in strings.values() for form in (text.values() if isinstance(text, dict) else [text])]


def test_strings_have_typographic_quotes_and_french_has_its_spaces() -> None:
    for text in all_forms(FRENCH):
        assert not re.search(r"(?<![\u202f])[;!?]|(?<![\u00a0])[:»]|«(?!\u00a0)", text), text
        assert not re.search(r"[\"']", text), text
    for text in all_forms(ENGLISH):
        assert not re.search(r"[\"']", text), text
