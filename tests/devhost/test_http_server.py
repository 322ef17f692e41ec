"""The server with real connections: which hosts it answers, and how much one caller may take."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from types import ModuleType

import pytest
from starlette.applications import Starlette

from devhost.host.http_server import ServerLimits
from devhost.host.keys import Keys
from devhost.monitoring.local_monitoring import LocalMonitoring
from tests.devhost.conftest import MASTER_KEY, build_app
from tests.devhost.live_server import connect, read, request, send, serving


@pytest.fixture(scope="module")
def app(host_app: Starlette) -> Starlette:
    return build_app(host_app.state.runtime, keys=Keys(master=MASTER_KEY))


@pytest.fixture(scope="module")
def port(app: Starlette) -> Iterator[int]:
    with serving(app) as port:
        yield port


# Host


@pytest.mark.parametrize(
    "host", ["localhost", "LocalHost:7071", "127.0.0.1:8080", "127.9.8.7", "[::1]:7071", "buzzguard.localhost:1"]
)
def test_answers_every_name_of_this_machine_with_any_port(port: int, host: str) -> None:
    assert send(port, request("GET /annotated", host=host)).body == b"plain"


@pytest.mark.parametrize(
    "host",
    ["rebind.example", "rebind.example:7071", "localhost.evil.example", "evil-localhost", "127.0.0.1.nip.example",
     "192.168.1.1", "0.0.0.0", "[::2]", "2130706433", "localhost."],
)  # fmt: skip
def test_refuses_other_hosts(port: int, host: str) -> None:
    answer = send(port, request("GET /annotated", host=host))
    assert (answer.status, answer.is_problem) == (421, True)


@pytest.mark.parametrize(
    "host", [None, "", "[", "]", "[::1", "a b", "a@b", "localhost:99999", "localhost:", "localhost:1:2", "local/host"]
)
def test_refuses_missing_and_malformed_host(port: int, host: str | None) -> None:
    answer = send(port, request("GET /annotated", host=host))
    assert (answer.status, answer.is_problem) == (400, True)


def test_refuses_two_hosts(port: int) -> None:
    for second in ("localhost", "rebind.example"):
        answer = send(port, request("GET /annotated", f"Host: {second}"))
        assert (answer.status, answer.is_problem) == (400, True)


@pytest.mark.parametrize("url", ["http://rebind.example", "http://localhost@rebind.example", "http://localhost:8080"])
def test_refuses_url_of_another_host_than_its_header(port: int, url: str) -> None:
    answer = send(port, request(f"GET {url}/annotated"))
    assert (answer.status, answer.is_problem) == (400, True)
    assert send(port, request("GET http://localhost/annotated")).body == b"plain"


def test_rebound_name_reaches_no_function_timer_or_mail(
    host_app: Starlette, functions: ModuleType, monitoring: LocalMonitoring
) -> None:
    functions.ticks.clear()
    calls = [
        ("GET /mailbox.json", []),
        ("POST /split", []),
        ("DELETE /split", []),
        ("POST /admin/functions/nightly", [f"x-functions-key: {MASTER_KEY}", "content-length: 2"]),
    ]
    app = build_app(host_app.state.runtime, keys=Keys(master=MASTER_KEY), routes=monitoring.mailbox_routes)
    with serving(app) as port:
        for line, headers in calls:
            assert send(port, request(line, *headers, host="rebind.example", body=b"{}")).status == 421
        assert functions.ticks == []
        assert [send(port, request(line, *headers, body=b"{}")).status for line, headers in calls] == [200] * 3 + [202]


def test_trailer_is_no_header(port: int) -> None:
    body = b"2\r\nhi\r\n0\r\nHost: rebind.example\r\nX-Late: yes\r\n\r\n"
    got = send(port, request("POST /echo", "transfer-encoding: chunked", body=body)).json
    assert (got["body"], got["headers"]["host"]) == ("6869", "localhost")
    assert "x-late" not in got["headers"]


# The head of a request


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (request("GET /annotated?" + "a" * 8_000), 200),
        (request("GET /annotated?" + "a" * 8_200), 414),
        (b"GET /" + b"a" * 8_200, 414),
        (request("GET /annotated", *["a: b"] * 98), 200),
        (request("GET /annotated", *["a: b"] * 99), 431),
        (request("GET /annotated", "a: " + "b" * 32_000), 200),
        (request("GET /annotated", "a: " + "b" * 33_000), 431),
        (b"GET /annotated HTTP/1.1\r\na: " + b"b" * 50_000, 431),
        (b"GET /annotated HTTP/1.1\r\n" + b"b" * 50_000, 431),
        (request("POST /echo", "transfer-encoding: chunked", body=b"1;" + b"x" * 400_000), 431),
        (request("POST /echo", "transfer-encoding: chunked", body=b"0\r\na: " + b"b" * 400_000), 431),
        (request("POST /echo", "transfer-encoding: chunked", body=b"0\r\n" + b"a: b\r\n" * 10_000), 431),
        (b"\x16\x03\x01 this is TLS\r\n\r\n", 400),
        (b"GET\r\n\r\n", 400),
        (request("POST /echo", "transfer-encoding: chunked", body=b"what\r\n"), 400),
        (request("POST /echo", "content-length: 1", "content-length: 2"), 400),
    ],
    ids=["longest line", "line", "endless line", "most headers", "headers", "longest headers", "header", "endless",
         "endless name", "endless extension", "endless trailer", "trailers", "TLS", "no target", "chunk", "lengths"],
)  # fmt: skip
def test_bounds_the_head_and_answers_with_a_problem(port: int, data: bytes, status: int) -> None:
    answer = send(port, data)
    assert answer.status == status
    assert status == 200 or answer.is_problem


def test_refusal_arrives_while_the_head_is_still_sent(port: int) -> None:
    answer = send(port, b"GET /annotated HTTP/1.1\r\n" + b"a: b\r\n" * 2_000_000)
    assert (answer.status, answer.is_problem) == (431, True)


def test_does_not_wait_long_for_a_head(app: Starlette) -> None:
    with serving(app, ServerLimits(head_seconds=0.05)) as port:
        assert send(port, b"GET /annotated HTTP/1.1\r\n").status == 408
        assert send(port, b"").status == 0  # unused: closed without an answer
        with connect(port) as connection:
            connection.sendall(b"GET /annotated HTTP/1.1\r\nhost: localhost\r\n\r\nGET /annotated HTTP/1.1\r\n")
            assert read(connection).status == 200  # and then 408 for the second: otherwise this would not end


# Bodies that nobody reads, and connections


@pytest.mark.parametrize(("path", "status"), [("/nowhere", 404), ("/keyed", 401), ("/master-only", 401)])
def test_answer_arrives_before_a_body_that_nobody_reads(port: int, path: str, status: int) -> None:
    body = bytes(2_000_000)
    answer = send(port, request(f"POST {path}", f"content-length: {len(body)}", body=body))
    assert (answer.status, answer.is_problem) == (status, True)


def test_does_not_wait_long_for_a_body_that_nobody_reads(app: Starlette) -> None:
    with serving(app, ServerLimits(drain_seconds=0.05)) as port:
        for headers in ([], ["connection: keep-alive"]):
            head = "\r\n".join(["POST /nowhere HTTP/1.1", "host: localhost", "content-length: 9", *headers, "", ""])
            assert send(port, head.encode()).status == 404


def test_refuses_connections_over_the_limit(app: Starlette) -> None:
    with serving(app, ServerLimits(max_connections=2)) as port, ExitStack() as stack:
        used = [stack.enter_context(connect(port)) for _ in range(2)]
        for connection in used:
            connection.sendall(b"GET /annotated HTTP/1.1\r\nhost: localhost\r\n\r\n")
            assert connection.recv(12) == b"HTTP/1.1 200"
        answer = send(port, request("GET /annotated"))
        assert (answer.status, answer.is_problem) == (503, True)
        used[0].shutdown(socket.SHUT_WR)
        while used[0].recv(65_536):
            pass  # until the server has closed it, too
        assert send(port, request("GET /annotated")).status == 200
