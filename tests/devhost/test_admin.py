"""The host's own paths below /admin."""

from types import ModuleType

import pytest
from starlette.applications import Starlette

from devhost.host.keys import Keys
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


def test_needs_the_master_key_if_there_is_one(ask: Ask, host_app: Starlette, make_ask: MakeAsk) -> None:
    assert is_problem(ask("GET", "/Admin/host/status", headers={"x-functions-key": FUNCTION_KEY}), 401, "Unauthorized")
    keyless = make_ask(build_app(host_app.state.runtime, keys=Keys(function=FUNCTION_KEY)))
    assert keyless("GET", "/admin/host/status").status_code == 200
