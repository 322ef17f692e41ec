"""Call functions, end those that take too long, and record every call in telemetry, as the Functions platform does."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from devhost.errors import InvocationError

from .http_conversion import new_traceparent
from .runtime import HttpRequest, HttpResponse, Runtime

log = logging.getLogger(__name__)

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
    """Call the functions of `runtime` and pass every finished call to `observer`, also a failed one.

    A call that takes longer than `timeout_seconds` (None: no limit) has failed. As on Azure (FunctionExecutor and
    WebScriptHostExceptionHandler), its caller is answered at once. Azure then ends the worker process, whatever runs in
    it, and starts another. Here the app is part of this process: an asynchronous function is cancelled, a thread
    cannot be ended.
    """

    def __init__(
        self, runtime: Runtime, timeout_seconds: float | None = None, observer: Observer | None = None
    ) -> None:
        self._runtime = runtime
        self._timeout_seconds = timeout_seconds
        self._observer = observer

    async def call_http(self, function: str, request: HttpRequest) -> HttpResponse:
        """Call an HTTP function. Raises InvocationError if it fails."""
        url = request.url.partition("?")[0]
        return await self._record(self._runtime.call_http(function, request), function, url, request.traceparent)

    async def call_timer(self, function: str) -> None:
        """Run a timer function. Raises InvocationError if it fails."""
        traceparent = new_traceparent()
        await self._record(self._runtime.call_timer(function, traceparent), function, "", traceparent)

    async def _record[T: HttpResponse | None](
        self, call: Coroutine[Any, Any, T], function: str, url: str, traceparent: str
    ) -> T:
        """Await a call and tell the observer about it, also if it fails. `url` is empty for a timer."""
        started, start = datetime.now(UTC), time.perf_counter()
        status, succeeded = 500 if url else 0, False
        try:
            response = await self._in_time(call, function)
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

    async def _in_time[T](self, call: Coroutine[Any, Any, T], function: str) -> T:
        """Await a call. Raises InvocationError as soon as it takes too long, whether or not it can be cancelled."""
        task = asyncio.create_task(call)
        try:
            await asyncio.wait({task}, timeout=self._timeout_seconds)
            if task.done():
                return task.result()
            log.error(
                "Timeout value of %g s exceeded by function %s. Azure would restart the worker process now",
                self._timeout_seconds,
                function,
            )
            raise InvocationError(function)
        finally:
            if task.cancel():
                task.add_done_callback(_ignore_result)


def _ignore_result(task: asyncio.Task[Any]) -> None:
    """Keep asyncio from logging the exception of a call that nobody waits for."""
    if not task.cancelled():
        task.exception()
