"""How many reports a caller may send: so that one person floods neither the store nor the mail to the team.

Each instance counts for itself, in memory. A report counts once its receipt is read. So does one that is sent
again, and so does an erasure.
"""

import hashlib
import math
import time
from collections.abc import Callable
from typing import NamedTuple

import azure.functions as func

from .problems import TOO_MANY_REPORTS, Problem


class Rate(NamedTuple):
    per_second: float
    burst: int  # reports that may come at once after a pause


PER_CALLER = Rate(1.0, 30)  # a key is shared by a team; people who read what they judge are slower
# Of callers that cannot be told apart. If it were low, one of them could silence the others, and with them the alert.
PER_INSTANCE = Rate(50.0, 1000)
MAX_CALLERS = 10_000  # that are remembered, 130 bytes each; beyond that, who has been silent longest starts afresh


class ReportLimit:
    """A token bucket for each caller, or for all of them if nothing that a caller could forge tells them apart."""

    def __init__(
        self, *, has_function_keys: bool, has_sign_in: bool, now: Callable[[], float] = time.monotonic
    ) -> None:
        """`has_function_keys`: Azure's host refuses callers without one. `has_sign_in`: App Service says who calls."""
        self._has_function_keys = has_function_keys
        self._has_sign_in = has_sign_in
        self._now = now
        self._full_at: dict[bytes, float] = {}  # caller -> when all its tokens are back; the latest caller is last

    def take(self, request: func.HttpRequest) -> None:
        """Count a report or an erasure. Raises Problem, with the seconds to wait, if the caller has sent too many.

        It needs no lock: functions are async, so they run in one thread.
        """
        caller = self._identify(request)
        per_second, burst = PER_CALLER if caller else PER_INSTANCE
        now = self._now()
        full_at = max(self._full_at.pop(caller, now), now)
        wait = full_at + (1 - burst) / per_second - now
        self._full_at[caller] = full_at + (0 if wait > 0 else 1 / per_second)
        if len(self._full_at) > MAX_CALLERS:
            del self._full_at[next(iter(self._full_at))]
        if wait > 0:
            seconds = math.ceil(wait)
            who = "A caller" if caller else "All callers together"
            rate = f"{per_second * 60:,.0f} reports a minute, erasures included"
            detail = f"{who} may send {rate}. Wait {seconds} s, then send it again."
            raise Problem(TOO_MANY_REPORTS, detail, headers={"Retry-After": str(seconds)})

    def _identify(self, request: func.HttpRequest) -> bytes:
        """Return a digest of who calls, or b"" if that cannot be known.

        App Service sets the id of a person, and removes one that the caller sent, but only where people sign in. The
        host takes the first key of the header if there is one, else the first of `?code=`, in any case. It joins
        several by commas, under the first spelling:
        https://github.com/Azure/azure-functions-host (AuthenticationLevelHandler, ToRpcHttp).
        """
        name = ""
        if self._has_sign_in:
            name = request.headers.get("x-ms-client-principal-id", "")
        elif self._has_function_keys:
            name = request.headers.get("x-functions-key") or next(
                (value for parameter, value in request.params.items() if parameter.lower() == "code"), ""
            )
        return hashlib.sha256(name.partition(",")[0].encode()).digest() if name else b""
