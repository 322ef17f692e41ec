"""The host's own paths below /admin."""

from types import ModuleType

import pytest
from starlette.applications import Starlette

from devhost.host.keys import Keys
from devhost.host.request_bodies import BodyLimits
from tests.devhost.conftest import FUNCTION_KEY, MASTER_KEY, Ask, MakeAsk, build_app, is_problem

MASTER = {"x-functions-key": MASTER_KEY}


def test_host_status(ask: Ask) -> None:
    assert ask("GET", "/admin/host/status", headers=MASTER).json() == {"state": "Running"}
    assert is_problem(ask("POST", "/admin/host/status", headers=MASTER), 405, "Method Not Allowed")


def test_runs_a_timer(ask: Ask, functions: ModuleType) -> None:
    functions.ticks.clear()
    response = ask("POST", "/admin/functions/nightly", json={"input": None}, headers=MASTER)
    assert (response.status_code, response.content, functions.ticks) == (202, b"", [False])


@pytest.mark.parametrize(
    ("method", "path", "content", "status"),
    [
        ("POST", "functions/unknown", b"{}", 404),
        ("POST", "functions/echo", b"{}", 400),
        ("POST", "functions/nightly", b"{", 400),
        ("POST", "functions/nightly", b"\xff", 400),
        ("POST", "functions/nightly", b"[]", 400),
        ("GET", "functions/nightly", b"", 405),
        ("POST", "functions/broken_nightly", b"{}", 500),
        ("GET", "other", b"", 404),
    ],
)
def test_rejects_invalid_request(ask: Ask, method: str, path: str, content: bytes, status: int) -> None:
    response = ask(method, f"/admin/{path}", content=content, headers=MASTER)
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
    assert "secret-4711" not in response.text


def test_needs_the_master_key(ask: Ask) -> None:
    assert is_problem(ask("GET", "/Admin/host/status"), 401, "Unauthorized")
    assert is_problem(ask("GET", "/Admin/host/status", headers={"x-functions-key": FUNCTION_KEY}), 401, "Unauthorized")


def test_is_closed_without_a_master_key(host_app: Starlette, make_ask: MakeAsk, functions: ModuleType) -> None:
    keyless = make_ask(build_app(host_app.state.runtime, keys=Keys(function=FUNCTION_KEY)))
    functions.ticks.clear()
    for key in ("", FUNCTION_KEY, "None"):
        response = keyless("POST", "/admin/functions/nightly", json={}, headers={"x-functions-key": key})
        assert response.status_code == 401
        assert "set DEVHOST_MASTER_KEY" in response.json()["detail"]
    assert functions.ticks == []


def test_refuses_pages_of_other_sites(ask: Ask, functions: ModuleType) -> None:
    functions.ticks.clear()
    for headers in ({"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}):
        response = ask("POST", "/admin/functions/nightly", content=b"{}", headers=MASTER | headers)
        assert is_problem(response, 403, "Forbidden")
    assert functions.ticks == []


def test_rejects_deeply_nested_json(host_app: Starlette, make_ask: MakeAsk) -> None:
    ask = make_ask(build_app(host_app.state.runtime, keys=Keys(master=MASTER_KEY)))
    assert ask("POST", "/admin/functions/nightly", content=b"[" * 100_000, headers=MASTER).status_code == 400


def test_bounds_the_body(host_app: Starlette, make_ask: MakeAsk) -> None:
    ask = make_ask(build_app(host_app.state.runtime, keys=Keys(master=MASTER_KEY), bodies=BodyLimits(max_bytes=100)))
    response = ask("POST", "/admin/functions/nightly", content=b"{" + b" " * 100, headers=MASTER)
    assert is_problem(response, 413, "Content Too Large")
