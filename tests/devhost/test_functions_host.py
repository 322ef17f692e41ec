"""The host in front of a real, indexed app: what a caller sees."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from devhost.errors import HostError
from devhost.host.functions_host import Host, front
from devhost.host.keys import Keys
from devhost.host.loader import load_app
from devhost.host.runtime import Runtime
from devhost.host.settings_files import NO_CORS, Cors, HostJson

type Ask = Callable[..., httpx.Response]
type Asker = Callable[[Starlette], Ask]

FUNCTION_KEY, MASTER_KEY = "function-key", "master-key"  # as in conftest.py
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def is_problem(answer: httpx.Response, status: int, title: str) -> bool:
    bare = {"type": "about:blank", "title": title, "status": status}
    return answer.headers["content-type"] == "application/problem+json" and answer.json() == bare


def raw(app: Starlette, method: str, path: str, headers: list[tuple[bytes, bytes]]) -> list[Any]:
    """What the app sends for a request whose body must not be read; an HTTP client would tidy it up."""
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        if method == "POST":
            raise AssertionError("the body was read")
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": headers}
    asyncio.run(app(scope, receive, send))
    return sent


# What a function gets


def test_a_function_gets_the_whole_request(ask: Ask) -> None:
    answer = ask(
        "POST", "/echo?a=%C3%BC&b=2", content=b"\x00\xff", headers={"X-Odd.Name~": "va lue", "traceparent": TRACE}
    )
    got = answer.json()
    assert (got["method"], got["body"], got["route"]) == ("POST", "00ff", {})
    assert got["url"] == "http://localhost:7071/echo?a=%C3%BC&b=2"
    assert got["query"] == {"a": "ü", "b": "2"}
    assert got["headers"]["x-odd.name~"] == "va lue"


def test_repeated_names_are_joined_and_empty_parameters_dropped(ask: Ask) -> None:
    got = ask("GET", "/echo?a=1&A=2&b=&c&d=1&d=", headers=[("x-two", "1"), ("X-Two", "2"), ("x-empty", "")]).json()
    assert got["query"] == {"a": "1,2", "d": "1,"}
    assert got["headers"]["x-two"] == "1,2"
    assert got["headers"]["x-empty"] == ""


def test_a_trace_is_passed_on_with_its_state(ask: Ask) -> None:
    got = ask("GET", "/echo", headers={"traceparent": TRACE, "tracestate": "a=b"}).json()
    assert (got["trace"], got["state"]) == (TRACE, "a=b")


@pytest.mark.parametrize("sent", [{}, {"traceparent": "nonsense", "tracestate": "a=b"}])
def test_a_trace_is_begun_where_there_is_none(ask: Ask, sent: dict[str, str]) -> None:
    first, second = (ask("GET", "/echo", headers=sent).json() for _ in range(2))
    assert len(first["trace"]) == 55 and first["trace"] != second["trace"]
    assert first["state"] == ""


def test_synchronous_functions_run_off_the_event_loop(ask: Ask) -> None:
    assert ask("GET", "/echo").json()["main_thread"] is False


# What a caller gets


@pytest.mark.parametrize(
    ("kind", "status", "content_type", "body"),
    [
        ("response", 201, "text/plain; charset=utf-8", "gründe".encode()),
        ("bytes-body", 200, "application/octet-stream", b"\x00\xff"),
        ("str", 200, "text/plain; charset=utf-8", "grün".encode()),
        ("own-length", 200, "text/plain; charset=utf-8", b"four"),
        ("no-content", 204, "text/plain; charset=utf-8", b""),
    ],
)
def test_what_a_function_can_return(ask: Ask, kind: str, status: int, content_type: str, body: bytes) -> None:
    answer = ask("GET", f"/returns/{kind}")
    assert (answer.status_code, answer.headers["content-type"], answer.content) == (status, content_type, body)
    assert status == 204 or answer.headers.get_list("content-length") == [str(len(body))]


def test_a_function_annotated_with_str(ask: Ask) -> None:
    assert ask("GET", "/annotated").text == "plain"


def test_headers_and_cookies_of_a_function(ask: Ask) -> None:
    assert ask("GET", "/returns/response").headers["x-kind"] == "response"
    assert ask("GET", "/returns/cookies").headers["set-cookie"] == "a=1; HttpOnly; Path=/"


@pytest.mark.parametrize(
    "kind", ["bytes", "dict", "none", "status-99", "odd-header", "control-header", "unsendable-header"]
)
def test_what_a_function_cannot_return(ask: Ask, caplog: pytest.LogCaptureFixture, kind: str) -> None:
    assert is_problem(ask("GET", f"/returns/{kind}"), 500, "Internal Server Error")
    assert any(record.levelno == logging.ERROR and "returns" in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize("path", ["/boom/raise", "/boom-sync"])
def test_an_exception_is_logged_and_not_told(ask: Ask, caplog: pytest.LogCaptureFixture, path: str) -> None:
    answer = ask("GET", path)
    assert is_problem(answer, 500, "Internal Server Error")
    assert "secret-4711" not in answer.text + str(answer.headers)
    assert "secret-4711" in caplog.text and "Traceback" in caplog.text


def test_a_function_cannot_end_the_host(ask: Ask) -> None:
    assert is_problem(ask("GET", "/boom/exit"), 500, "Internal Server Error")


def test_the_hosts_own_fault_is_not_told(host_app: Starlette, caplog: pytest.LogCaptureFixture, asker: Asker) -> None:
    class Faulty(Runtime):
        async def http(self, *arguments: Any) -> Any:
            raise RuntimeError("secret-4711")

    runtime = host_app.state.runtime
    answer = asker(front(Host(Faulty(runtime.functions, runtime.routes), HostJson(), Keys()), NO_CORS))("GET", "/echo")
    assert is_problem(answer, 500, "Internal Server Error")
    assert "secret-4711" in caplog.text


# Routes and methods


@pytest.mark.parametrize(
    ("path", "status"), [("/heading", 200), ("/getting", 404), ("/nowhere", 404), ("/boom-sync", 500)]
)
def test_head_is_get_without_a_body(host_app: Starlette, path: str, status: int) -> None:
    start, *bodies = raw(host_app, "HEAD", path, [])
    assert (start["status"], [message["body"] for message in bodies]) == (status, [b""])
    assert int(dict(start["headers"])[b"content-length"]) > 0


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/nowhere"), ("GET", "//getting"), ("GET", "/split"), ("OPTIONS", "/getting")]
)
def test_what_no_function_takes_is_404(ask: Ask, method: str, path: str) -> None:
    assert is_problem(ask(method, path), 404, "Not Found")


def test_two_functions_share_a_path(ask: Ask) -> None:
    assert (ask("POST", "/split").text, ask("DELETE", "/split").text) == ("post", "delete")


def test_a_catch_all_gets_what_the_functions_before_it_leave(ask: Ask) -> None:
    assert ask("GET", "/wild/thing").json()["by"] == "thing"
    assert ask("POST", "/wild/thing").json()["by"] == "wild"
    assert ask("OPTIONS", "/wild/thing").json()["method"] == "OPTIONS"
    assert ask("GET", "/wild/a/b%20c/").json()["route"] == {"path": "a/b c/"}
    assert ask("GET", "/wild").json()["route"] == {}


def test_route_parameters_and_case(ask: Ask) -> None:
    assert ask("GET", "/iTEMS/12/").json()["route"] == {"id": "12"}
    assert ask("GET", "/items/twelve").status_code == 404


def test_an_empty_route_is_the_functions_name_as_on_azure(ask: Ask) -> None:
    assert ask("GET", "/unrouted").text == "unrouted"
    assert ask("GET", "/").status_code == 404


# Keys


@pytest.mark.parametrize(
    ("path", "key", "status"),
    [
        ("/keyed", None, 401),
        ("/keyed", "", 401),
        ("/keyed", "wrong", 401),
        ("/keyed", FUNCTION_KEY, 200),
        ("/keyed", MASTER_KEY, 200),
        ("/chief", FUNCTION_KEY, 401),
        ("/chief", MASTER_KEY, 200),
        ("/annotated", "wrong", 200),
    ],
)
def test_keys_open_what_they_should(ask: Ask, path: str, key: str | None, status: int) -> None:
    by_header = ask("GET", path, headers={"x-functions-key": key} if key is not None else {})
    by_query = ask("GET", path, params={"code": key} if key is not None else {})
    assert (by_header.status_code, by_query.status_code) == (status, status)
    assert status == 200 or is_problem(by_header, 401, "Unauthorized")


def test_without_keys_in_the_settings_nothing_opens(host_app: Starlette, asker: Asker) -> None:
    ask = asker(front(Host(host_app.state.runtime, HostJson(), Keys()), NO_CORS))
    assert ask("GET", "/keyed").status_code == 401
    assert ask("GET", "/keyed", headers={"x-functions-key": "None"}).status_code == 401
    assert "-key" not in repr(Keys(FUNCTION_KEY, MASTER_KEY))


# CORS

PREFLIGHT = {"Origin": "http://localhost:3000", "Access-Control-Request-Method": "POST"}


@pytest.fixture
def ask_with_cors(host_app: Starlette, asker: Asker) -> Ask:
    host = Host(host_app.state.runtime, HostJson(), Keys())
    return asker(front(host, Cors(("http://localhost:3000",), credentials=True)))


def test_a_preflight_allows_all_methods_and_headers(ask_with_cors: Ask) -> None:
    answer = ask_with_cors("OPTIONS", "/split", headers={**PREFLIGHT, "Access-Control-Request-Headers": "x-any"})
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "http://localhost:3000"
    assert answer.headers["access-control-allow-headers"] == "x-any"
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert "POST" in answer.headers["access-control-allow-methods"]


@pytest.mark.parametrize(
    ("path", "status"), [("/annotated", 200), ("/nowhere", 404), ("/boom-sync", 500), ("/keyed", 401)]
)
def test_every_answer_can_be_read_across_origins(ask_with_cors: Ask, path: str, status: int) -> None:
    answer = ask_with_cors("GET", path, headers={"Origin": "http://localhost:3000"})
    assert answer.status_code == status
    assert answer.headers["access-control-allow-origin"] == "http://localhost:3000"
    assert answer.headers["access-control-expose-headers"] == "*"


def test_other_origins_are_not_allowed(ask_with_cors: Ask) -> None:
    for method, headers in (("OPTIONS", PREFLIGHT), ("GET", {})):
        answer = ask_with_cors(method, "/annotated", headers={**headers, "Origin": "http://evil.example"})
        assert "access-control-allow-origin" not in answer.headers


def test_all_origins(host_app: Starlette, asker: Asker) -> None:
    ask = asker(front(Host(host_app.state.runtime, HostJson(), Keys()), Cors(("*",))))
    assert ask("GET", "/annotated", headers={"Origin": "http://any"}).headers["access-control-allow-origin"] == "*"


# Limits


async def chunks(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield bytes(100)


def test_the_largest_body(ask: Ask) -> None:
    assert len(ask("POST", "/echo", content=bytes(1000)).json()["body"]) == 2000
    assert is_problem(ask("POST", "/echo", content=bytes(1001)), 413, "Content Too Large")


def test_the_largest_body_is_counted_where_no_length_is_given(ask: Ask) -> None:
    assert len(ask("POST", "/echo", content=chunks(10)).json()["body"]) == 2000
    assert is_problem(ask("POST", "/echo", content=chunks(11)), 413, "Content Too Large")


def test_a_body_too_large_is_not_even_read(host_app: Starlette) -> None:
    start, *_ = raw(host_app, "POST", "/echo", [(b"content-length", b"1001")])
    assert start["status"] == 413


async def at_once(app: Starlette, path: str, count: int) -> list[httpx.Response]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        return await asyncio.gather(*(client.get(path) for _ in range(count)))


@pytest.mark.parametrize(("limit", "peak"), [(2, 2), (-1, 5)])
def test_requests_beyond_the_concurrent_wait(host_app: Starlette, functions: ModuleType, limit: int, peak: int) -> None:
    functions.peak = 0
    app = front(Host(host_app.state.runtime, HostJson(max_concurrent=limit), Keys()), NO_CORS)
    answers = asyncio.run(at_once(app, "/slow", 5))
    assert [answer.text for answer in answers] == ["done"] * 5
    assert functions.peak == peak


def test_requests_beyond_the_outstanding_are_turned_away(host_app: Starlette, functions: ModuleType) -> None:
    limits = HostJson(max_concurrent=1, max_outstanding=2)  # one runs, one waits
    app = front(Host(host_app.state.runtime, limits, Keys()), NO_CORS)

    async def scene() -> list[httpx.Response]:
        functions.release, functions.entered = asyncio.Event(), 0
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
            requests = [asyncio.ensure_future(client.get("/held")) for _ in range(3)]
            done, _ = await asyncio.wait(requests, timeout=30, return_when=asyncio.FIRST_COMPLETED)
            functions.release.set()
            assert functions.entered <= 1 and len(done) == 1
            answers = await asyncio.gather(*requests)
            return [*answers, await client.get("/held")]

    *first, later = asyncio.run(scene())
    turned_away = [answer for answer in first if answer.status_code != 200]
    assert len(turned_away) == 1
    assert is_problem(turned_away[0], 429, "Too Many Requests")
    assert turned_away[0].headers["retry-after"] == "1"
    assert later.text == "released"  # the places are free again


# The host's own paths

MASTER = {"x-functions-key": MASTER_KEY}


def test_status(ask: Ask) -> None:
    assert ask("GET", "/admin/host/status", headers=MASTER).json() == {"state": "Running"}
    assert is_problem(ask("POST", "/admin/host/status", headers=MASTER), 405, "Method Not Allowed")


def test_a_timer_runs_when_asked(ask: Ask, functions: ModuleType) -> None:
    functions.ticks.clear()
    answer = ask("POST", "/admin/functions/nightly", json={"input": None}, headers=MASTER)
    assert (answer.status_code, answer.content, functions.ticks) == (202, b"", [False])


@pytest.mark.parametrize(
    ("method", "path", "content", "status"),
    [
        ("POST", "functions/nobody", b"{}", 404),
        ("POST", "functions/echo", b"{}", 400),
        ("POST", "functions/nightly", b"{", 400),
        ("POST", "functions/nightly", b"\xff", 400),
        ("POST", "functions/nightly", b"[]", 400),
        ("GET", "functions/nightly", b"", 405),
        ("POST", "functions/broken_nightly", b"{}", 500),
        ("GET", "else", b"", 404),
    ],
)
def test_what_the_hosts_own_paths_refuse(ask: Ask, method: str, path: str, content: bytes, status: int) -> None:
    answer = ask(method, f"/admin/{path}", content=content, headers=MASTER)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert "secret-4711" not in answer.text


def test_the_hosts_own_paths_need_the_master_key_if_there_is_one(ask: Ask, host_app: Starlette, asker: Asker) -> None:
    assert is_problem(ask("GET", "/Admin/host/status", headers={"x-functions-key": FUNCTION_KEY}), 401, "Unauthorized")
    keyless = asker(front(Host(host_app.state.runtime, HostJson(), Keys(function=FUNCTION_KEY)), NO_CORS))
    assert keyless("GET", "/admin/host/status").status_code == 200


# Loading


def test_loading_an_app_again_gives_the_same_runtime(
    host_app: Starlette, functions: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHON_SCRIPT_FILE_NAME", "devhost_test_app.py")
    assert load_app(Path(str(functions.__file__)).parent) is host_app.state.runtime


def test_a_process_holds_one_app(host_app: Starlette, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHON_SCRIPT_FILE_NAME", "devhost_test_app.py")
    (tmp_path / "devhost_test_app.py").touch()
    with pytest.raises(HostError, match="this process holds another module devhost_test_app already"):
        load_app(tmp_path)
