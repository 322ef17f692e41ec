"""Start Azurite again when it crashes, as Azure does with the machines behind a storage account."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from devhost.azurite import Azurite
from devhost.errors import HostError

log = logging.getLogger(__name__)

_DELAYS_SECONDS = (0.5, 1, 2, 4, 8, 16, 30)  # before each start; the last one again and again
_STABLE_SECONDS = 60  # who has run for so long begins with the first delay


@contextmanager
def keep_running(azurite: Azurite) -> Iterator[None]:
    """Start `azurite` again whenever it crashes in this context, and kill it at the end."""
    stopping = threading.Event()
    thread = threading.Thread(target=restart_after_crashes, args=(azurite, stopping), name="azurite", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        azurite.kill()
        thread.join()


def restart_after_crashes(
    azurite: Azurite, stopping: threading.Event, clock: Callable[[], float] = time.monotonic
) -> None:
    """Start `azurite` after each crash, until it is killed on purpose or `stopping` is set.

    If it cannot start, because its data are damaged for instance, say so and try again.
    """
    failures = 0
    while True:
        started = clock()
        if not azurite.wait_for_crash():
            return
        if clock() - started > _STABLE_SECONDS:
            failures = 0
        while azurite.pid is None:
            delay = _DELAYS_SECONDS[min(failures, len(_DELAYS_SECONDS) - 1)]
            failures += 1
            log.warning("Azurite has ended: starting it again in %g s", delay)
            if stopping.wait(delay):
                return
            try:
                azurite.start()
            except HostError as error:
                log.error("%s", error)
        if stopping.is_set():
            azurite.kill()
            return
        log.warning("Azurite runs again")
