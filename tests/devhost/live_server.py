"""A server with the limits of devhost in a thread, and raw requests to it: no HTTP client would send most of them."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import uvicorn
from starlette.applications import Starlette

from devhost.host.http_server import ServerLimits, server_config

DEFAULT_LIMITS = ServerLimits()
_TIMEOUT_SECONDS = 20  # a server that never answers fails the test


class Answer(NamedTuple):
    """What came before the server closed the connection. Status 0: nothing."""

    status: int
    headers: str
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def is_problem(self) -> bool:
        return "content-type: application/problem+json" in self.headers and self.json["status"] == self.status


@contextmanager
def serving(app: Starlette, limits: ServerLimits = DEFAULT_LIMITS) -> Iterator[int]:
    """Serve `app` on a free port and yield the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        # uvicorn's own time limit must not close what `limits` should close.
        options = {"lifespan": "off", "timeout_keep_alive": 600, "timeout_graceful_shutdown": 0}
        server = uvicorn.Server(server_config(app, limits, **options))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join()


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT_SECONDS)


def request(line: str, *headers: str, host: str | None = "localhost", body: bytes = b"") -> bytes:
    """Return a request that asks to close the connection, so that `read` ends with its answer."""
    lines = [f"{line} HTTP/1.1", "connection: close", *([f"host: {host}"] if host is not None else []), *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def read(connection: socket.socket) -> Answer:
    """Read until the server closes the connection."""
    received = b"".join(iter(lambda: connection.recv(65_536), b""))
    while received.startswith(b"HTTP/1.1 100"):
        received = received.partition(b"\r\n\r\n")[2]
    head, _, body = received.partition(b"\r\n\r\n")
    return Answer(int(head[9:12] or 0), head.decode("latin-1").lower(), body)


def send(port: int, data: bytes) -> Answer:
    with connect(port) as connection:
        connection.sendall(data)
        return read(connection)
