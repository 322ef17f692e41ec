"""Repeat a check until it passes or the time is up. Standard library only."""

import time
from collections.abc import Iterator

TIMEOUT_SECONDS = 300.0  # instances change one by one after a deployment, and the first one starts cold
PAUSE_SECONDS = 5.0


def attempts() -> Iterator[None]:
    """Yield at once, then after each pause, until TIMEOUT_SECONDS have passed."""
    end = time.monotonic() + TIMEOUT_SECONDS
    yield
    while time.monotonic() < end:
        time.sleep(PAUSE_SECONDS)
        yield
