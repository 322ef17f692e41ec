"""Call functions and record every call, as the Functions platform does in its own telemetry."""

import time
from collections.abc import Callable
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
        started, start = datetime.now(UTC), time.perf_counter()
        response: HttpResponse | None = None
        try:
            response = await self._runtime.call_http(function, request)
            return response
        finally:
            self._observe(
                Invocation(
                    function=function,
                    url=request.url.partition("?")[0],
                    traceparent=request.traceparent,
                    started=started,
                    seconds=time.perf_counter() - start,
                    status=response.status if response else 500,
                    succeeded=response is not None,
                )
            )

    async def call_timer(self, function: str) -> None:
        """Run a timer function. Raises InvocationError if it fails."""
        started, start = datetime.now(UTC), time.perf_counter()
        traceparent = new_traceparent()
        succeeded = False
        try:
            await self._runtime.call_timer(function, traceparent)
            succeeded = True
        finally:
            self._observe(
                Invocation(
                    function=function,
                    url="",
                    traceparent=traceparent,
                    started=started,
                    seconds=time.perf_counter() - start,
                    status=0,
                    succeeded=succeeded,
                )
            )

    def _observe(self, invocation: Invocation) -> None:
        if self._observer:
            self._observer(invocation)
