"""Bulkheads: each kind of work has threads of its own, so that none can take those of another.

So many calls of a kind run at a time, so many wait, and the next is refused at once. A call that is not done in time is
refused as well, and stops.
"""

import asyncio
import contextvars
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Annotated, Any, NamedTuple

from msgspec import Meta, Struct

from sentiment.model import Check

from .problems import DEADLINE_PASSED, OVERLOADED, Problem

TIME_LIMIT_SECONDS = 25  # from arrival to answer, waiting included: below the 30 s of the clients in docs/api.md
RETRY_AFTER_SECONDS = 5  # what a refused caller is asked to wait
NICENESS = 10  # of threads that compute for seconds; it halves what `make bench` measures beside hostile callers

_RETRY_AFTER = {"Retry-After": str(RETRY_AFTER_SECONDS)}


class Load(Struct, frozen=True):
    running: Annotated[int, Meta(ge=0, description="Calls that run.")]
    waiting: Annotated[int, Meta(ge=0, description="Calls that wait for one of them to end.")]
    slots: Annotated[int, Meta(description="How many may run.")]
    queue: Annotated[int, Meta(description="How many may wait. The next one is answered with 503.")]


class Abandoned(Exception):
    """Ends the work of a call that nobody waits for. No caller sees it."""


class Bulkhead:
    """Threads for one kind of work."""

    def __init__(
        self,
        name: str,
        slots: int,
        queue: int,
        *,
        time_limit_seconds: float = TIME_LIMIT_SECONDS,
        is_background: bool = False,
    ) -> None:
        """`slots`: how many calls run at a time; `queue`: how many wait; `is_background`: others come first."""
        self._slots = slots
        self._queue = queue
        self._time_limit_seconds = time_limit_seconds
        # Starts a thread when it is needed.
        self._threads = ThreadPoolExecutor(slots, name, _lower_priority if is_background else None)
        self._lock = threading.Lock()  # guards the two counts
        self._taken = 0  # calls that run or wait
        self._running = 0

    @property
    def capacity(self) -> int:
        """How many calls may run or wait."""
        return self._slots + self._queue

    @property
    def load(self) -> Load:
        with self._lock:
            return Load(self._running, self._taken - self._running, self._slots, self._queue)

    async def run[T](self, call: Callable[[Check], T]) -> T:
        """Return the result of a call that blocks. What it logs belongs to this request's trace.

        `call` takes a check: a function to call between two pieces of work, which ends the work if nobody waits for it
        any more, because the time is up or the request was cancelled. Raises Problem if as many calls as may wait do
        so, or if the time is up. Then a call that has not begun is dropped, and one that runs keeps its slot until it
        ends.
        """
        is_over = threading.Event()

        def check() -> None:
            if is_over.is_set():
                raise Abandoned

        self._take()
        future = self._threads.submit(contextvars.copy_context().run, self._call, call, check)
        future.add_done_callback(self._give_back)
        limit = asyncio.timeout(self._time_limit_seconds)
        try:
            async with limit:
                return await asyncio.wrap_future(future)
        except TimeoutError:
            if not limit.expired():  # the call's own
                raise
            detail = (
                f"The answer was not ready after {self._time_limit_seconds:g} seconds. Work that had not begun is "
                "dropped; what had begun may still be done. It does no harm to send the same again."
            )
            raise Problem(DEADLINE_PASSED, detail, headers=_RETRY_AFTER) from None
        finally:
            is_over.set()

    def _take(self) -> None:
        with self._lock:
            if self._taken >= self.capacity:
                detail = f"{self._slots} calls of this kind run and {self._queue} wait, which is all there is room for."
                raise Problem(OVERLOADED, detail, headers=_RETRY_AFTER)
            self._taken += 1

    def _call[T](self, call: Callable[[Check], T], check: Check) -> T:
        with self._lock:
            self._running += 1
        try:
            return call(check)
        finally:
            with self._lock:
                self._running -= 1

    def _give_back(self, _: Future[Any]) -> None:
        with self._lock:
            self._taken -= 1


def _lower_priority() -> None:
    """Make this thread wait while others need the processor. Only Linux has priorities for each thread."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


class Bulkheads(NamedTuple):
    """A bulkhead for each kind of work. The names are those of the field `load` of /api/health/ready."""

    texts: Bulkhead  # a single text that the model reads in little time, without explanation
    long_texts: Bulkhead  # any other single text, without explanation
    batches: Bulkhead  # several texts, with or without
    explanations: Bulkhead  # a single text with explanation
    feedback: Bulkhead  # the store of feedback
    incidents: Bulkhead  # the store and the mail server


def create_bulkheads() -> Bulkheads:
    """Return the bulkheads of an instance. They start no thread yet.

    Together they hold fewer calls than host.json's maxConcurrentRequests, so that a request for another function never
    waits for one of them. All but `texts` hold fewer than the instance gets in Azure before another one is started
    (httpConcurrency in infra/types.bicep), and `texts` holds as many: nobody is refused where an instance would help.
    """
    return Bulkheads(
        texts=Bulkhead("texts", slots=2, queue=62),
        long_texts=Bulkhead("long_texts", slots=1, queue=8, is_background=True),
        batches=Bulkhead("batches", slots=1, queue=4, is_background=True),
        explanations=Bulkhead("explanations", slots=1, queue=8, is_background=True),
        feedback=Bulkhead("feedback", slots=12, queue=20),  # three times 2.8 s if the table hangs
        incidents=Bulkhead("incidents", slots=4, queue=4, time_limit_seconds=50),  # no person waits for the answer
    )
