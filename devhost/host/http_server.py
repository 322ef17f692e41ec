"""uvicorn with the limits of Kestrel, the server of Azure's host, and with problems instead of its own texts.

uvicorn has no limit for the head of a request or for the time that it takes.
"""

import asyncio
from http import HTTPStatus
from typing import Any, cast

import httptools
import uvicorn
from msgspec import Struct
from starlette.applications import Starlette
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from .problems import problem

_CHUNK_SLACK_BYTES = 1024  # the framing of a chunk, and the end of lines


class ServerLimits(Struct, frozen=True, kw_only=True):
    """What one caller may take. All but `max_connections` are Kestrel's defaults (KestrelServerLimits)."""

    max_request_line_bytes: int = 8192
    max_headers: int = 100
    max_headers_bytes: int = 32_768  # together
    head_seconds: float = 30.0  # for all of that
    drain_seconds: float = 5.0  # for a body that nobody reads any more
    max_connections: int = 500  # ours: Kestrel has no limit, and a process on a laptop may open about 1,000 files


class _Refused(Exception):
    """Ends the parsing of a request: httptools passes it on as an HttpParserError."""


class LimitedHttpProtocol(HttpToolsProtocol):
    """One connection. `limits` belong to the class: uvicorn makes the objects."""

    limits = ServerLimits()

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._unparsed_bytes = 0  # what the parser keeps: the part of a head, or of the lines between two chunks
        self._headers_bytes = 0  # of this request, and of the trailers after its body
        self._is_reading_head = True
        self._is_body_complete = True
        self._refusal = 400  # the status if the parser fails
        self._is_closing = False  # nothing that still arrives is parsed
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.limits.max_connections:
            self._refuse(503)
        else:
            self._start_timer(self.limits.head_seconds, self._on_slow_head)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_closing:
            return
        self._unparsed_bytes += len(data)
        super().data_received(data)
        limits = self.limits
        if self._unparsed_bytes > limits.max_request_line_bytes + limits.max_headers_bytes + _CHUNK_SLACK_BYTES:
            self._refuse(431)

    # What the parser calls. An exception ends in send_400_response.

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._headers_bytes = 0
        self._is_reading_head, self._is_body_complete = True, False
        if self._timer is None:
            self._start_timer(self.limits.head_seconds, self._on_slow_head)

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > self.limits.max_request_line_bytes:
            self._fail(414)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._is_reading_head:  # a trailer is no header of the request: it comes after the checks
            super().on_header(name, value)
        self._headers_bytes += len(name) + len(value) + len(": \r\n")
        if self._headers_bytes > self.limits.max_headers_bytes or len(self.headers) > self.limits.max_headers:
            self._fail(431)

    def on_headers_complete(self) -> None:
        if not self.url.startswith((b"/", b"*")) and not self._names_host(httptools.parse_url(self.url)):
            self._fail(400)
        self._unparsed_bytes = 0
        self._is_reading_head = False
        self._stop_timer()
        super().on_headers_complete()
        self.cycle.transport = cast(asyncio.Transport, _GentleTransport(self))

    def on_body(self, body: bytes) -> None:
        self._unparsed_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._unparsed_bytes = 0
        self._is_body_complete = True
        super().on_message_complete()
        if self._is_answered:
            self._stop_timer()  # nothing is left to drain

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._is_answered and not self._is_reading_head and not self._is_body_complete:
            self._start_timer(self.limits.drain_seconds, self.transport.close)

    def send_400_response(self, msg: str) -> None:
        self._refuse(self._refusal)

    # Closing

    def close_gently(self) -> None:
        """Close the connection so that the response arrives.

        A connection that is closed while something of the request is unread is reset, and the response may be lost. So
        this says that nothing more comes, throws away what still arrives, and closes when the client does.
        """
        if self._is_body_complete and not self._is_closing:
            self.transport.close()
            return
        self._is_closing = True
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._start_timer(self.limits.drain_seconds, self.transport.close)

    def _refuse(self, status: int) -> None:
        """Answer a request that is not passed on, and close the connection. An earlier answer on its way is cut off."""
        if self._is_closing or self.transport.is_closing():
            return
        self._is_closing = True
        if self.cycle is not None and not self.cycle.response_complete:
            if self._is_reading_head or self.pipeline or self.cycle.response_started:
                self.transport.close()
                return
            self.cycle.disconnected = True  # the app stops to wait for the body
            self.cycle.message_event.set()
        response = problem(status, {"connection": "close"})
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode()]
        lines += [name + b": " + value for name, value in response.raw_headers]
        self.transport.write(b"\r\n".join([*lines, b"", bytes(response.body)]))
        self.close_gently()

    def _fail(self, status: int) -> None:
        self._refusal = status
        raise _Refused

    def _names_host(self, target: Any) -> bool:
        """Return whether the URL in a request line (RFC 9112, absolute-form) names the same host as the header."""
        authority = (target.host or b"") + (b":%d" % target.port if target.port else b"")
        return all(name != b"host" or value.lower() == authority.lower() for name, value in self.headers)

    @property
    def _is_answered(self) -> bool:
        return self.cycle is not None and self.cycle.response_complete

    def _on_slow_head(self) -> None:
        self._timer = None
        if self.cycle is None and not self._unparsed_bytes:
            self.transport.close()  # a connection that was never used
        else:
            self._refuse(408)

    def _start_timer(self, seconds: float, action: Any) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(seconds, action)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _GentleTransport:
    """The transport as the code that writes a response sees it."""

    def __init__(self, protocol: LimitedHttpProtocol) -> None:
        self._protocol = protocol

    def write(self, data: bytes) -> None:
        self._protocol.transport.write(data)

    def is_closing(self) -> bool:
        return self._protocol.transport.is_closing()

    def close(self) -> None:
        self._protocol.close_gently()


def server_config(app: Starlette, limits: ServerLimits = LimitedHttpProtocol.limits, **options: Any) -> uvicorn.Config:
    """Return the configuration of a uvicorn server with these limits."""
    protocol = type("LimitedHttpProtocol", (LimitedHttpProtocol,), {"limits": limits})
    return uvicorn.Config(
        app,
        http=protocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        **options,
    )
