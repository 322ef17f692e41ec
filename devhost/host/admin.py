"""The host's own paths below /admin: its status, and running a timer function now."""

import json
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from .invoker import Invoker
from .keys import Keys
from .local_requests import is_cross_site
from .problems import problem
from .request_bodies import BodyReader
from .runtime import Runtime

_NO_MASTER_KEY = "There is no master key: set DEVHOST_MASTER_KEY in local.settings.json."


class Admin:
    """Handle requests to /admin. As on Azure, they need the master key. Where there is none, nobody has access.

    (Core Tools need no key here. Then every page that is open in a browser on this machine could run a timer.)
    """

    def __init__(self, runtime: Runtime, invoker: Invoker, keys: Keys, bodies: BodyReader) -> None:
        self._functions = {name.lower(): function for name, function in runtime.functions.items()}
        self._invoker = invoker
        self._keys = keys
        self._bodies = bodies

    async def respond(self, request: Request, path: Sequence[str]) -> Response:
        """Return the response to a request. `path` is what follows /admin. Raises InvocationError or BodyRefused."""
        if is_cross_site(request):
            return problem(403)
        if not self._keys.is_authorized(request, "ADMIN"):
            return problem(401, detail=None if self._keys.master else _NO_MASTER_KEY)
        match request.method, [segment.lower() for segment in path]:
            case "GET" | "HEAD", ["host", "status"]:
                return JSONResponse({"state": "Running"})
            case "POST", ["functions", name]:
                return await self._run_timer(request, name)
            case _, ["host", "status"]:
                return problem(405, {"allow": "GET, HEAD"})
            case _, ["functions", _]:
                return problem(405, {"allow": "POST"})
        return problem(404)

    async def _run_timer(self, request: Request, name: str) -> Response:
        """Run a timer and respond with 202 when it has finished. (Azure responds before it runs.)"""
        function = self._functions.get(name)
        if function is None:
            return problem(404)
        if function.trigger_type != "timerTrigger":
            return problem(400, detail=f"{function.name} is not a timer.")
        async with self._bodies.read(request) as body:
            if not _is_json_object(body):  # required but not used: a timer has no input, as on Azure
                return problem(400, detail='The body must be JSON: {"input": ...}')
        await self._invoker.call_timer(function.name)
        return Response(status_code=202)


def _is_json_object(body: bytes) -> bool:
    try:
        return isinstance(json.loads(body), dict)
    except (ValueError, RecursionError):
        return False
