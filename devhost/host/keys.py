"""Function keys: who may call a function that is not anonymous."""

import hmac
import os
from dataclasses import dataclass, field
from typing import Self

from starlette.requests import Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """The host's keys. A key that is None grants nothing."""

    function: str | None = field(default=None, repr=False)
    master: str | None = field(default=None, repr=False)

    @classmethod
    def from_environment(cls) -> Self:
        return cls(
            function=os.environ.get("DEVHOST_FUNCTION_KEY") or None,
            master=os.environ.get("DEVHOST_MASTER_KEY") or None,
        )

    def is_authorized(self, request: Request, auth_level: str) -> bool:
        """Return whether the request may call a function of this level: ANONYMOUS, FUNCTION or ADMIN."""
        if auth_level == "ANONYMOUS":
            return True
        # As ASP.NET reads a query: the name in any case, and of several values the first.
        codes = (value for name, value in request.query_params.multi_items() if name.lower() == "code")
        sent = (request.headers.get("x-functions-key") or next(codes, "")).encode()
        accepted = (self.function, self.master) if auth_level == "FUNCTION" else (self.master,)
        return any(hmac.compare_digest(sent, key.encode()) for key in accepted if key)
