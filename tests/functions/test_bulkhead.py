"""Bulkheads: which calls run, wait and are refused, and when work stops."""

import asyncio
import os
import sys
import threading
from collections.abc import Iterator

import pytest

from functions.shared.bulkhead import NICENESS, Bulkhead, Load, create_bulkheads
from functions.shared.problems import DEADLINE_PASSED, OVERLOADED, Problem, ProblemType
from sentiment.model import Check
from tests.support.waiting import finish, until

SECOND = {"long_texts", "batches", "explanations"}  # others come first


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Yield what calls wait for: they block until the test, or its end, sets it."""
    gate = threading.Event()
    yield gate
    gate.set()


async def occupy(bulkhead: Bulkhead, gate: threading.Event, waiting: int = 0) -> list[asyncio.Task[bool]]:
    """Start a call that blocks, and others that wait for it. Return when they do."""
    begun = threading.Event()

    def block(_: Check) -> bool:
        begun.set()
        return gate.wait()

    tasks = [asyncio.create_task(bulkhead.run(block)) for _ in range(1 + waiting)]
    await asyncio.to_thread(begun.wait)
    return tasks


async def refusal(bulkhead: Bulkhead) -> ProblemType:
    """Return the problem with which a call is refused."""
    with pytest.raises(Problem) as refused:
        await bulkhead.run(lambda _: None)
    assert refused.value.headers["Retry-After"].isdigit()
    return refused.value.problem_type


def test_refuses_a_call_at_once_if_as_many_wait_as_may(gate: threading.Event) -> None:
    async def run() -> None:
        bulkhead, other = Bulkhead("full", slots=1, queue=2), Bulkhead("other", slots=1, queue=0)
        tasks = await occupy(bulkhead, gate, waiting=2)
        assert bulkhead.load == Load(running=1, waiting=2, slots=1, queue=2)
        assert await refusal(bulkhead) is OVERLOADED
        assert await other.run(lambda _: "done") == "done"
        gate.set()
        assert await asyncio.gather(*tasks) == [True] * 3
        assert bulkhead.load == Load(running=0, waiting=0, slots=1, queue=2)
        assert await bulkhead.run(lambda _: "done") == "done"

    finish(run())


def test_cancelled_call_stops_at_its_next_check_and_keeps_its_slot_until_then(gate: threading.Event) -> None:
    begun, pieces = threading.Event(), []

    def work(check: Check) -> None:
        for piece in range(3):
            check()
            pieces.append(piece)
            begun.set()
            gate.wait()

    async def run() -> None:
        bulkhead = Bulkhead("work", slots=1, queue=0)
        task = asyncio.create_task(bulkhead.run(work))
        await asyncio.to_thread(begun.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await refusal(bulkhead) is OVERLOADED
        gate.set()
        await until(lambda: not bulkhead.load.running)
        assert pieces == [0]

    finish(run())


def test_cancelled_call_that_waits_never_begins(gate: threading.Event) -> None:
    async def run() -> None:
        bulkhead = Bulkhead("work", slots=1, queue=1)
        (first,) = await occupy(bulkhead, gate)
        begun: list[bool] = []
        second = asyncio.create_task(bulkhead.run(lambda _: begun.append(True)))
        await until(lambda: bulkhead.load.waiting == 1)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        assert bulkhead.load.waiting == 0
        gate.set()
        await first
        assert await bulkhead.run(lambda _: begun) == []

    finish(run())


def test_call_is_refused_when_its_time_is_up_and_its_work_stops(gate: threading.Event) -> None:
    begun, ended = threading.Event(), []

    def work(check: Check) -> None:
        begun.set()
        gate.wait()
        check()
        ended.append(True)

    async def run() -> None:
        bulkhead = Bulkhead("work", slots=1, queue=1, time_limit_seconds=0.5)
        first = asyncio.create_task(bulkhead.run(work))
        await asyncio.to_thread(begun.wait)
        assert await refusal(bulkhead) is DEADLINE_PASSED  # it has waited all the time
        with pytest.raises(Problem, match=r"after 0.5 seconds"):
            await first
        gate.set()
        await until(lambda: bulkhead.load == Load(running=0, waiting=0, slots=1, queue=1))
        assert ended == []

    finish(run())


def test_timeout_that_the_call_itself_raises_is_not_the_deadline() -> None:
    def work(_: Check) -> None:
        raise TimeoutError("of a socket")

    with pytest.raises(TimeoutError, match="of a socket"):
        asyncio.run(Bulkhead("work", slots=1, queue=0).run(work))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has priorities for each thread")
@pytest.mark.skipif(
    sys.platform == "linux" and os.getpriority(os.PRIO_PROCESS, 0) >= NICENESS,
    reason=f"these tests themselves run with niceness {NICENESS} or more: no work can have a lower priority",
)
def test_work_that_takes_seconds_has_a_lower_priority() -> None:
    async def niceness(bulkhead: Bulkhead) -> int:
        return await bulkhead.run(lambda _: os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    base = os.getpriority(os.PRIO_PROCESS, 0)
    bulkheads = create_bulkheads()
    lowered = {name: asyncio.run(niceness(bulkhead)) > base for name, bulkhead in bulkheads._asdict().items()}
    assert lowered == {name: name in SECOND for name in lowered}
