"""Call functions and record every call, as the Functions platform does in its own telemetry."""

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from msgspec import Struct

from .http_conversion import new_traceparent
from .runtime import HttpRequest, HttpResponse, Runtime

type Observer = Callable[[Invocation], None]


class Invocation(Struct, frozen=True, kw_only=True):
    """A finished call of a function."""

    function: str
    url: str  # without the query, which may contain a key; empty for a timer
    traceparent: str
    started: datetime  # UTC
    seconds: float
    status: int  # the status that the caller received; 0 for a timer
    succeeded: bool  # the function returned, possibly a response with status 500


class Invoker:
    """Call the functions of `runtime` and pass every finished call to `observer`, also a failed one."""

    def __init__(self, runtime: Runtime, observer: Observer | None = None) -> None:
        self._runtime = runtime
        self._observer = observer

    async def call_http(self, function: str, request: HttpRequest) -> HttpResponse:
        """Call an HTTP function. Raises InvocationError if it fails."""
        url = request.url.partition("?")[0]
        return await self._record(self._runtime.call_http(function, request), function, url, request.traceparent)

    async def call_timer(self, function: str) -> None:
        """Run a timer function. Raises InvocationError if it fails."""
        traceparent = new_traceparent()
        await self._record(self._runtime.call_timer(function, traceparent), function, "", traceparent)

    async def _record[T: HttpResponse | None](self, call: Awaitable[T], function: str, url: str, traceparent: str) -> T:
        """Await a call and tell the observer about it, also if it fails. `url` is empty for a timer."""
        started, start = datetime.now(UTC), time.perf_counter()
        status, succeeded = 500 if url else 0, False
        try:
            response = await call
            succeeded = True
            if isinstance(response, HttpResponse):
                status = response.status
            return response
        finally:
            if self._observer:
                self._observer(
                    Invocation(
                        function=function,
                        url=url,
                        traceparent=traceparent,
                        started=started,
                        seconds=time.perf_counter() - start,
                        status=status,
                        succeeded=succeeded,
                    )
                )
