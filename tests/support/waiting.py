"""Wait for what other threads do, without an event of theirs."""

import asyncio
from collections.abc import Callable

DEADLINE_SECONDS = 60  # what has not happened by then does not happen


async def until(condition: Callable[[], bool]) -> None:
    """Return when the condition holds. Raises TimeoutError if it never does."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not condition():  # noqa: ASYNC110 - nothing sets an event
            await asyncio.sleep(0)
