"""The page over HTTP: what a browser is sent, what it may keep, what it must not let the page do."""

import gzip
import json
import re
from typing import Any

import httpx
import pytest

from tests.support.app import App
from tests.support.paths import ROOT

WEB = ROOT / "web"
MODULES = {path.name: path.read_text() for path in sorted(WEB.glob("*.js"))}
INDEX = (WEB / "index.html").read_text()
ENGLISH, FRENCH = (json.loads((WEB / f"strings.{tag}.json").read_text()) for tag in ("en", "fr"))
BUDGET = 60_000  # bytes

TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json",
    "svg": "image/svg+xml",
}


def raw(app: App, method: str, path: str, accepted: str, **headers: str) -> httpx.Response:
    """The answer before it is decompressed: its bytes are in `extensions`' place, `content`."""
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
    """The address of one of its files."""
    (found,) = (reference for reference in references(index.text) if reference.endswith("/app.js"))
    return "/" + found


def test_the_page_may_do_nothing_but_ask_the_api(index: httpx.Response) -> None:
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


def test_every_file_is_served_as_what_it_is_and_kept_for_good(app: App, index: httpx.Response) -> None:
    found = references(index.text)
    (base,) = {reference.rpartition("/")[0] for reference in found}
    assert re.fullmatch("web/[0-9a-f]{16}", base)
    files = {path.name for path in WEB.iterdir()} - {"index.html"}
    assert {reference.rpartition("/")[2] for reference in found} == {name for name in files if name[-4:] != "json"}
    for name in files:
        answer = app.http.get(f"/{base}/{name}")
        assert (answer.status_code, answer.content) == (200, (WEB / name).read_bytes())
        assert answer.headers["content-type"] == TYPES[name.rpartition(".")[2]]
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("accepted", "zipped"),
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
def test_it_is_compressed_for_who_takes_it(app: App, script: str, accepted: str, zipped: bool) -> None:
    for path, content in (("/", None), (script, (WEB / "app.js").read_bytes())):
        answer = raw(app, "GET", path, accepted)
        assert "accept-encoding" in answer.headers["vary"].lower()
        assert answer.headers.get("content-encoding") == ("gzip" if zipped else None)
        sent = answer.extensions["raw"]
        assert content in (None, gzip.decompress(sent) if zipped else sent)


def test_what_a_browser_has_is_not_sent_again(app: App, script: str) -> None:
    for path, kept in (("/", "no-cache"), (script, "public, max-age=31536000, immutable")):
        tag = app.http.get(path).headers["etag"]
        for known in (tag, tag.removeprefix("W/"), f'"other", {tag}', "*"):
            again = app.http.get(path, headers={"if-none-match": known})
            assert (again.status_code, again.content) == (304, b"")
            assert (again.headers["etag"], again.headers["cache-control"]) == (tag, kept)
        assert app.http.get(path, headers={"if-none-match": '"other"'}).status_code == 200


def test_head_tells_what_get_would(app: App, script: str) -> None:
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
def test_what_is_not_there_is_a_problem(app: App, script: str, path: str) -> None:
    answer = app.http.get(path.format(base=script.rpartition("/")[0]))
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"


def test_other_methods_are_refused(app: App, script: str) -> None:
    for path in ("/", script):
        answer = app.http.post(path)
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS")


def test_the_whole_of_it_is_small(app: App, index: httpx.Response) -> None:
    """Headers included, both languages, and the thresholds."""
    paths = ["/", "/api/models", *(f"/{reference}" for reference in references(index.text))]
    base = next(reference for reference in references(index.text) if reference.endswith("app.js")).rpartition("/")[0]
    paths += [f"/{base}/strings.{tag}.json" for tag in ("en", "fr")]
    total = 0
    for path in paths:
        answer = raw(app, "GET", path, "gzip")
        total += len(answer.extensions["raw"]) + sum(len(name) + len(value) + 4 for name, value in answer.headers.raw)
    assert total < BUDGET


def test_it_loads_nothing_from_elsewhere() -> None:
    for path in WEB.iterdir():
        addresses = set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"'<>]*", path.read_text()))
        assert addresses <= {"http://www.w3.org/2000/svg"}, path


def test_nothing_in_it_turns_text_into_code() -> None:
    for name, source in MODULES.items():
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\(|new Function|createContextual"
            r"|srcdoc|setAttribute\(\"(style|on)|\.cssText",
            source,
        ), name
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\s(style|on\w+)=", INDEX)


def test_every_module_is_loaded_ahead() -> None:
    """In one round trip, not in as many as the imports are deep."""
    preloaded = re.findall(r'<link rel="modulepreload" href="([\w.]+)">', INDEX)
    assert [*preloaded] == sorted(MODULES.keys() - {"app.js"})
    imported = {name for source in MODULES.values() for name in re.findall(r'from "\./([\w.]+)"', source)}
    assert imported == MODULES.keys() - {"app.js"}


def placeholders(text: Any) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", json.dumps(text)))


def test_both_languages_say_the_same() -> None:
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


def every(strings: dict[str, Any]) -> list[str]:
    return [form for text in strings.values() for form in (text.values() if isinstance(text, dict) else [text])]


def test_french_has_its_spaces_and_both_have_their_quotes() -> None:
    for text in every(FRENCH):
        assert not re.search(r"(?<![\u202f])[;!?]|(?<![\u00a0])[:»]|«(?!\u00a0)", text), text
        assert not re.search(r"[\"']", text), text
    for text in every(ENGLISH):
        assert not re.search(r"[\"']", text), text


def test_every_string_is_used_and_every_string_used_is_there() -> None:
    sources = "\n".join([INDEX, *MODULES.values()])
    areas = {key.partition(".")[0] for key in ENGLISH}
    named = set(re.findall(r'data-(?:text|label|placeholder|title)="([^"]+)"', INDEX))
    named |= set(re.findall(r'\bt\(\s*"([^"]+)"', sources))
    named |= {key for key in re.findall(r'"([a-z]+(?:\.\w+)+)"', sources) if key.partition(".")[0] in areas}
    patterns = {
        re.sub(r"\\\$\\\{.*?\\\}", r"\\w+", re.escape(template))
        for template in re.findall(r"\b(?:t|known)\(`([^`]+)`", sources)
    }
    named = {key for key in named if not key.endswith((".js", ".json"))}
    assert named <= ENGLISH.keys()
    for pattern in patterns:
        assert any(re.fullmatch(pattern, key) for key in ENGLISH), pattern
    unused = {key for key in ENGLISH.keys() - named if not any(re.fullmatch(pattern, key) for pattern in patterns)}
    assert not unused
