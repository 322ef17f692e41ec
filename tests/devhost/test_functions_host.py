"""The host with a real, indexed app: what functions receive and what callers receive."""

import asyncio
import logging
from collections.abc import AsyncIterator
from types import ModuleType
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from devhost.host.invoker import Invocation
from devhost.host.keys import Keys
from devhost.host.runtime import Runtime
from devhost.host.settings_files import Cors, HostJson
from tests.devhost.conftest import FUNCTION_KEY, MASTER_KEY, Ask, MakeAsk, build_app, is_problem

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def send_raw(app: Starlette, method: str, path: str, headers: list[tuple[bytes, bytes]]) -> list[Any]:
    """Return the ASGI messages that answer a request. Fail if the app reads a POST body.

    An HTTP client would change the request and the response.
    """
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        if method == "POST":
            raise AssertionError("the body was read")
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"host", b"localhost"), *headers]
    scope = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": headers}
    asyncio.run(app(scope, receive, send))
    return sent


# The request that a function receives


def test_function_receives_whole_request(ask: Ask) -> None:
    response = ask(
        "POST", "/echo?a=%C3%BC&b=2", content=b"\x00\xff", headers={"X-Odd.Name~": "va lue", "traceparent": TRACE}
    )
    got = response.json()
    assert (got["method"], got["body"], got["route_values"]) == ("POST", "00ff", {})
    assert got["url"] == "http://localhost:7071/echo?a=%C3%BC&b=2"
    assert got["query"] == {"a": "ü", "b": "2"}
    assert got["headers"]["x-odd.name~"] == "va lue"


def test_joins_repeated_names_and_drops_empty_parameters(ask: Ask) -> None:
    got = ask("GET", "/echo?a=1&A=2&b=&c&d=1&d=", headers=[("x-two", "1"), ("X-Two", "2"), ("x-empty", "")]).json()
    assert got["query"] == {"a": "1,2", "d": "1,"}
    assert got["headers"]["x-two"] == "1,2"
    assert got["headers"]["x-empty"] == ""


def test_passes_trace_on_with_its_state(ask: Ask) -> None:
    got = ask("GET", "/echo", headers={"traceparent": TRACE, "tracestate": "a=b"}).json()
    assert (got["trace"], got["state"]) == (TRACE, "a=b")


@pytest.mark.parametrize("sent", [{}, {"traceparent": "nonsense", "tracestate": "a=b"}])
def test_starts_trace_if_there_is_no_valid_one(ask: Ask, sent: dict[str, str]) -> None:
    first, second = (ask("GET", "/echo", headers=sent).json() for _ in range(2))
    assert len(first["trace"]) == 55 and first["trace"] != second["trace"]
    assert first["state"] == ""


def test_synchronous_function_runs_outside_the_event_loop(ask: Ask) -> None:
    assert ask("GET", "/echo").json()["main_thread"] is False


# The response that a caller receives


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
def test_function_can_return(ask: Ask, kind: str, status: int, content_type: str, body: bytes) -> None:
    response = ask("GET", f"/returns/{kind}")
    assert (response.status_code, response.headers["content-type"], response.content) == (status, content_type, body)
    assert status == 204 or response.headers.get_list("content-length") == [str(len(body))]


def test_function_annotated_with_str_returns_text(ask: Ask) -> None:
    assert ask("GET", "/annotated").text == "plain"


def test_sends_headers_and_cookies_of_function(ask: Ask) -> None:
    assert ask("GET", "/returns/response").headers["x-kind"] == "response"
    assert ask("GET", "/returns/cookies").headers["set-cookie"] == "a=1; HttpOnly; Path=/"


@pytest.mark.parametrize(
    "kind", ["bytes", "dict", "none", "status-99", "odd-header", "control-header", "unsendable-header"]
)
def test_invalid_return_value_is_logged_and_answered_with_500(
    ask: Ask, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    assert is_problem(ask("GET", f"/returns/{kind}"), 500, "Internal Server Error")
    assert any(record.levelno == logging.ERROR and "returns" in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize("path", ["/boom/raise", "/boom-sync"])
def test_exception_is_logged_but_not_sent(ask: Ask, caplog: pytest.LogCaptureFixture, path: str) -> None:
    response = ask("GET", path)
    assert is_problem(response, 500, "Internal Server Error")
    assert "secret-4711" not in response.text + str(response.headers)
    assert "secret-4711" in caplog.text and "Traceback" in caplog.text


def test_sys_exit_in_function_does_not_end_the_host(ask: Ask) -> None:
    assert is_problem(ask("GET", "/boom/exit"), 500, "Internal Server Error")


def test_error_of_the_host_is_logged_but_not_sent(
    host_app: Starlette, caplog: pytest.LogCaptureFixture, make_ask: MakeAsk
) -> None:
    class FailingRuntime(Runtime):
        async def call_http(self, *arguments: Any) -> Any:
            raise RuntimeError("secret-4711")

    runtime = host_app.state.runtime
    response = make_ask(build_app(FailingRuntime(runtime.functions, runtime.routes)))("GET", "/echo")
    assert is_problem(response, 500, "Internal Server Error")
    assert "secret-4711" in caplog.text


# Routes and methods


@pytest.mark.parametrize(
    ("path", "status"), [("/heading", 200), ("/getting", 404), ("/nowhere", 404), ("/boom-sync", 500)]
)
def test_head_has_headers_of_get_but_no_body(host_app: Starlette, path: str, status: int) -> None:
    start, *bodies = send_raw(host_app, "HEAD", path, [])
    assert (start["status"], [message["body"] for message in bodies]) == (status, [b""])
    assert int(dict(start["headers"])[b"content-length"]) > 0


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/nowhere"), ("GET", "//getting"), ("GET", "/split"), ("OPTIONS", "/getting")]
)
def test_unrouted_request_is_404(ask: Ask, method: str, path: str) -> None:
    assert is_problem(ask(method, path), 404, "Not Found")


def test_functions_share_a_path_by_method(ask: Ask) -> None:
    assert (ask("POST", "/split").text, ask("DELETE", "/split").text) == ("post", "delete")


def test_catch_all_handles_what_earlier_functions_do_not(ask: Ask) -> None:
    assert ask("GET", "/wild/thing").json()["by"] == "thing"
    assert ask("POST", "/wild/thing").json()["by"] == "wild"
    assert ask("OPTIONS", "/wild/thing").json()["method"] == "OPTIONS"
    assert ask("GET", "/wild/a/b%20c/").json()["route_values"] == {"path": "a/b c/"}
    assert ask("GET", "/wild").json()["route_values"] == {}


def test_routes_ignore_case_and_check_constraints(ask: Ask) -> None:
    assert ask("GET", "/iTEMS/12/").json()["route_values"] == {"id": "12"}
    assert ask("GET", "/items/twelve").status_code == 404


def test_function_with_empty_route_has_its_name_as_path(ask: Ask) -> None:
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
        ("/master-only", FUNCTION_KEY, 401),
        ("/master-only", MASTER_KEY, 200),
        ("/annotated", "wrong", 200),
    ],
)
def test_keys_authorize_by_header_and_query(ask: Ask, path: str, key: str | None, status: int) -> None:
    by_header = ask("GET", path, headers={"x-functions-key": key} if key is not None else {})
    by_query = [ask("GET", path, params={name: key} if key is not None else {}) for name in ("code", "Code")]
    assert [answer.status_code for answer in (by_header, *by_query)] == [status] * 3
    assert status == 200 or is_problem(by_header, 401, "Unauthorized")


def test_rejects_every_key_if_none_is_configured(host_app: Starlette, make_ask: MakeAsk) -> None:
    ask = make_ask(build_app(host_app.state.runtime))
    assert ask("GET", "/keyed").status_code == 401
    assert ask("GET", "/keyed", headers={"x-functions-key": "None"}).status_code == 401
    assert "-key" not in repr(Keys(function=FUNCTION_KEY, master=MASTER_KEY))


# CORS

PREFLIGHT = {"Origin": "http://localhost:3000", "Access-Control-Request-Method": "POST"}


@pytest.fixture
def ask_with_cors(host_app: Starlette, make_ask: MakeAsk) -> Ask:
    return make_ask(build_app(host_app.state.runtime, cors=Cors(("http://localhost:3000",), credentials=True)))


def test_preflight_allows_all_methods_and_headers(ask_with_cors: Ask) -> None:
    response = ask_with_cors("OPTIONS", "/split", headers={**PREFLIGHT, "Access-Control-Request-Headers": "x-any"})
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == "http://localhost:3000"
    assert response.headers["access-control-allow-headers"] == "x-any"
    assert response.headers["access-control-allow-credentials"] == "true"
    assert "POST" in response.headers["access-control-allow-methods"]


@pytest.mark.parametrize(
    ("path", "status"), [("/annotated", 200), ("/nowhere", 404), ("/boom-sync", 500), ("/keyed", 401)]
)
def test_every_response_has_cors_headers(ask_with_cors: Ask, path: str, status: int) -> None:
    response = ask_with_cors("GET", path, headers={"Origin": "http://localhost:3000"})
    assert response.status_code == status
    assert response.headers["access-control-allow-origin"] == "http://localhost:3000"
    assert response.headers["access-control-expose-headers"] == "*"


def test_rejects_other_origins(ask_with_cors: Ask) -> None:
    for method, headers in (("OPTIONS", PREFLIGHT), ("GET", {})):
        response = ask_with_cors(method, "/annotated", headers={**headers, "Origin": "http://evil.example"})
        assert "access-control-allow-origin" not in response.headers


def test_asterisk_allows_all_origins(host_app: Starlette, make_ask: MakeAsk) -> None:
    ask = make_ask(build_app(host_app.state.runtime, cors=Cors(("*",))))
    assert ask("GET", "/annotated", headers={"Origin": "http://any"}).headers["access-control-allow-origin"] == "*"


# Limits


async def chunks(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield bytes(100)


def test_rejects_body_over_the_limit(ask: Ask) -> None:
    assert len(ask("POST", "/echo", content=bytes(1000)).json()["body"]) == 2000
    assert is_problem(ask("POST", "/echo", content=bytes(1001)), 413, "Content Too Large")


def test_counts_body_without_content_length(ask: Ask) -> None:
    assert len(ask("POST", "/echo", content=chunks(10)).json()["body"]) == 2000
    assert is_problem(ask("POST", "/echo", content=chunks(11)), 413, "Content Too Large")


def test_does_not_read_body_whose_content_length_is_over_the_limit(host_app: Starlette) -> None:
    start, *_ = send_raw(host_app, "POST", "/echo", [(b"content-length", b"1001")])
    assert start["status"] == 413


async def send_concurrently(app: Starlette, path: str, count: int) -> list[httpx.Response]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        return await asyncio.gather(*(client.get(path) for _ in range(count)))


@pytest.mark.parametrize(("limit", "peak"), [(2, 2), (-1, 5)])
def test_requests_over_the_concurrency_limit_wait(
    host_app: Starlette, functions: ModuleType, limit: int, peak: int
) -> None:
    functions.peak = 0
    app = build_app(host_app.state.runtime, limits=HostJson(max_concurrent_requests=limit))
    responses = asyncio.run(send_concurrently(app, "/slow", 5))
    assert [response.text for response in responses] == ["done"] * 5
    assert functions.peak == peak


def test_rejects_requests_over_the_outstanding_limit(host_app: Starlette, functions: ModuleType) -> None:
    limits = HostJson(max_concurrent_requests=1, max_outstanding_requests=2)  # one runs, one waits
    app = build_app(host_app.state.runtime, limits=limits)

    async def send_three() -> list[httpx.Response]:
        functions.release, functions.entered = asyncio.Event(), 0
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
            requests = [asyncio.ensure_future(client.get("/held")) for _ in range(3)]
            done, _ = await asyncio.wait(requests, timeout=30, return_when=asyncio.FIRST_COMPLETED)
            functions.release.set()
            assert functions.entered <= 1 and len(done) == 1
            responses = await asyncio.gather(*requests)
            return [*responses, await client.get("/held")]

    *first, later = asyncio.run(send_three())
    rejected = [response for response in first if response.status_code != 200]
    assert len(rejected) == 1
    assert is_problem(rejected[0], 429, "Too Many Requests")
    assert rejected[0].headers["retry-after"] == "1"
    assert later.text == "released"  # accepted again


# The function timeout


@pytest.mark.parametrize("kind", ["cancellable", "stubborn"])
def test_function_that_takes_too_long_is_cancelled_and_answered_with_500(
    host_app: Starlette, functions: ModuleType, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    observed: list[Invocation] = []
    limits = HostJson(function_timeout_seconds=0.05, max_concurrent_requests=1)
    app = build_app(host_app.state.runtime, limits=limits, observer=observed.append)
    functions.cancelled.clear()

    async def send_two() -> list[httpx.Response]:
        functions.release = asyncio.Event()
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
            responses = [await client.get(f"/endless/{kind}"), await client.get("/slow")]
        functions.release.set()
        return responses

    late, next_ = asyncio.run(send_two())
    assert is_problem(late, 500, "Internal Server Error")
    assert functions.cancelled == [kind]
    assert next_.text == "done"  # its slot is free again
    assert "Timeout value of 0.05 s exceeded by function endless" in caplog.text
    assert [(call.function, call.status, call.succeeded) for call in observed] == [
        ("endless", 500, False),
        ("slow", 200, True),
    ]


def test_caller_of_a_blocked_thread_is_answered(host_app: Starlette, functions: ModuleType, make_ask: MakeAsk) -> None:
    functions.unblock.clear()
    ask = make_ask(build_app(host_app.state.runtime, limits=HostJson(function_timeout_seconds=0.05)))
    try:
        assert is_problem(ask("GET", "/blocking"), 500, "Internal Server Error")
    finally:
        functions.unblock.set()


def test_timer_that_takes_too_long_has_failed(host_app: Starlette, make_ask: MakeAsk) -> None:
    observed: list[Invocation] = []
    limits = HostJson(function_timeout_seconds=0.05)
    keys = Keys(master=MASTER_KEY)
    ask = make_ask(build_app(host_app.state.runtime, limits=limits, keys=keys, observer=observed.append))
    response = ask("POST", "/admin/functions/endless_nightly", json={}, headers={"x-functions-key": MASTER_KEY})
    assert is_problem(response, 500, "Internal Server Error")
    assert [call.succeeded for call in observed] == [False]
