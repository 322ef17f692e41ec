"""Read the bodies of requests: not larger, not slower and not more of them at a time than the server can take."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO

from msgspec import Struct
from starlette.requests import Request

_SMALL_BODY_BYTES = 65_536  # what every connection may send, whatever the others do


class BodyLimits(Struct, frozen=True, kw_only=True):
    """How large and how slow a body may be.

    Grace and rate are Kestrel's defaults (KestrelServerLimits.MinRequestBodyDataRate). The last limit is ours.
    """

    max_bytes: int
    grace_seconds: float = 5.0  # before the rate counts
    bytes_per_second: float = 240.0  # on average, since the beginning
    max_seconds: float = 60.0


class BodyRefused(Exception):
    """The body is not accepted. `status` is what the caller gets."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class BodyReader:
    """Read bodies. Those that are held at one time have no more bytes together than the largest one may have.

    The first _SMALL_BODY_BYTES of each are not counted, so that nobody who holds large bodies keeps small ones out.
    """

    def __init__(self, limits: BodyLimits) -> None:
        self._limits = limits
        self._free_bytes = limits.max_bytes

    @asynccontextmanager
    async def read(self, request: Request) -> AsyncIterator[bytes]:
        """Yield the body of `request`, which is held until the context ends.

        Raises BodyRefused: 413 if it is too large, as soon as that is known; 408 if it is too slow; 503 if the others
        that are held leave no room for it. Raises ClientDisconnect.
        """
        if (length := _content_length(request)) > self._limits.max_bytes:
            raise BodyRefused(413)
        if self._counted(length) > self._free_bytes:
            raise BodyRefused(503)
        held = 0
        try:
            body = BytesIO()
            async for chunk in self._chunks(request):
                before, held = held, held + len(chunk)
                self._free_bytes -= self._counted(held) - self._counted(before)
                if held > self._limits.max_bytes:
                    raise BodyRefused(413)
                if self._free_bytes < 0:
                    raise BodyRefused(503)
                body.write(chunk)
            yield body.getvalue()  # not a copy: BytesIO shares its memory until it is written to again
        finally:
            self._free_bytes += self._counted(held)

    async def _chunks(self, request: Request) -> AsyncIterator[bytes]:
        """Yield the body in pieces. Raises BodyRefused(408) if it comes too slowly."""
        limits = self._limits
        loop = asyncio.get_running_loop()
        stream, start, received = request.stream(), loop.time(), 0
        while True:
            allowed = limits.grace_seconds + received / limits.bytes_per_second
            try:
                async with asyncio.timeout_at(start + min(allowed, limits.max_seconds)):
                    chunk = await anext(stream)  # the last one is empty
            except TimeoutError:
                raise BodyRefused(408) from None
            if not chunk:
                return
            received += len(chunk)
            yield chunk

    @staticmethod
    def _counted(size: int) -> int:
        return max(0, size - _SMALL_BODY_BYTES)


def _content_length(request: Request) -> int:
    text = request.headers.get("content-length", "")
    return int(text) if text.isdecimal() and len(text) < 20 else 0
