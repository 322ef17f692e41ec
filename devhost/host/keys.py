"""The host's keys: which callers may call a function that is not anonymous."""

import hmac
import os
from dataclasses import dataclass, field
from typing import Self

from starlette.requests import Request


@dataclass(frozen=True, slots=True)
class Keys:
    """Who may call what is not anonymous. A key that is None opens nothing."""

    function: str | None = field(default=None, repr=False)
    master: str | None = field(default=None, repr=False)

    @classmethod
    def from_environment(cls) -> Self:
        return cls(os.environ.get("DEVHOST_FUNCTION_KEY") or None, os.environ.get("DEVHOST_MASTER_KEY") or None)

    def admit(self, level: str, request: Request) -> bool:
        """Whether the request may call a function of this auth level: ANONYMOUS, FUNCTION or ADMIN."""
        if level == "ANONYMOUS":
            return True
        offered = (request.headers.get("x-functions-key") or request.query_params.get("code") or "").encode()
        accepted = (self.function, self.master) if level == "FUNCTION" else (self.master,)
        return any(hmac.compare_digest(offered, key.encode()) for key in accepted if key)
