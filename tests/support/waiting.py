"""Wait for what other threads do."""

import asyncio
from collections.abc import Callable, Coroutine

DEADLINE_SECONDS = 20  # what has not happened by then does not happen


def finish[T](test: Coroutine[None, None, T]) -> T:
    """Return what an asynchronous test returns. Raises TimeoutError if it does not end."""
    return asyncio.run(asyncio.wait_for(test, DEADLINE_SECONDS))


async def until(condition: Callable[[], bool]) -> None:
    """Return when the condition holds."""
    while not condition():  # noqa: ASYNC110 - nothing sets an event
        await asyncio.sleep(0)
