"""Reading bodies: how large, how slow and how many of them at a time."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from types import ModuleType
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request

from devhost.host.request_bodies import BodyLimits, BodyReader, BodyRefused
from devhost.host.settings_files import HostJson
from tests.devhost.conftest import build_app
from tests.devhost.live_server import connect, read, request, send, serving

LARGE = 1_000_000


def upload(size: int, *, declared: bool = True) -> Request:
    """Return a request with a body of `size` bytes, in pieces."""
    pieces = iter([*[bytes(10_000)] * (size // 10_000), bytes(size % 10_000)])

    async def receive() -> dict[str, Any]:
        piece = next(pieces, None)
        return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}

    headers = [(b"content-length", b"%d" % size)] if declared else []
    return Request({"type": "http", "method": "POST", "path": "/", "headers": headers}, receive)


async def status(reader: BodyReader, body: Request) -> int:
    try:
        async with reader.read(body):
            return 200
    except BodyRefused as error:
        return error.status


def start_upload(port: int) -> socket.socket:
    """Return a connection whose body the server waits for."""
    connection = connect(port)
    connection.sendall(request("POST /echo", "content-length: 4", "expect: 100-continue"))
    assert connection.recv(1000).startswith(b"HTTP/1.1 100")
    return connection


@pytest.mark.parametrize("declared", [True, False])
def test_large_bodies_have_a_share_of_memory_that_small_ones_do_not_need(declared: bool) -> None:
    reader = BodyReader(BodyLimits(max_bytes=LARGE))

    async def read_many() -> list[int]:
        async with reader.read(upload(LARGE, declared=declared)):
            second, small = upload(LARGE, declared=declared), upload(65_536, declared=declared)
            while_held = [await status(reader, second), await status(reader, small)]
        return [*while_held, await status(reader, upload(LARGE, declared=declared))]

    assert asyncio.run(read_many()) == [503, 200, 200]


def test_refused_bodies_take_no_memory_with_them() -> None:
    reader = BodyReader(BodyLimits(max_bytes=LARGE))

    async def read_many() -> list[int]:
        refused = [await status(reader, upload(LARGE + 1, declared=False)) for _ in range(5)]
        return [*refused, await status(reader, upload(LARGE))]

    assert asyncio.run(read_many()) == [413] * 5 + [200]


@pytest.fixture
def impatient_port(host_app: Starlette) -> Iterator[int]:
    limits = BodyLimits(max_bytes=LARGE, grace_seconds=0.05)
    with serving(build_app(host_app.state.runtime, bodies=limits)) as port:
        yield port


@pytest.mark.parametrize("sent", [b"", b"abc"])
def test_refuses_slow_body(impatient_port: int, sent: bytes) -> None:
    answer = send(impatient_port, request("POST /echo", "content-length: 4", body=sent))
    assert (answer.status, answer.is_problem) == (408, True)


def test_refuses_body_that_takes_too_long_at_any_rate(host_app: Starlette) -> None:
    limits = BodyLimits(max_bytes=LARGE, bytes_per_second=1e-3, max_seconds=0.05)
    with serving(build_app(host_app.state.runtime, bodies=limits)) as port:
        assert send(port, request("POST /echo", "content-length: 4", body=b"abc")).status == 408


def test_bytes_that_arrive_extend_the_time() -> None:
    """The rate is an average: who has sent much at once may wait longer for the rest."""
    reader = BodyReader(BodyLimits(max_bytes=LARGE, grace_seconds=0, bytes_per_second=10))
    arrived: list[float] = []

    async def read_slowly() -> None:
        async def body() -> AsyncIterator[bytes]:
            yield bytes(1_000)  # 100 seconds
            await asyncio.sleep(0)
            yield b"the rest"

        pieces = body()

        async def receive() -> dict[str, Any]:
            piece = await anext(pieces, None)
            return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}

        scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
        async with reader.read(Request(scope, receive)) as content:
            arrived.append(len(content))

    asyncio.run(read_slowly())
    assert arrived == [1_008]


def test_slow_bodies_hold_no_slots(host_app: Starlette, functions: ModuleType) -> None:
    limits = HostJson(max_concurrent_requests=1, max_outstanding_requests=1)
    with serving(build_app(host_app.state.runtime, limits=limits)) as port:
        slow = [start_upload(port) for _ in range(3)]
        assert send(port, request("GET /annotated")).body == b"plain"
        for connection in slow:
            connection.sendall(b"body")
            assert read(connection).json["body"] == b"body".hex()
            connection.close()
