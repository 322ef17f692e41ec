"""The host's own paths below /admin: its status, and running a timer function now."""

from collections.abc import Sequence
from json import JSONDecodeError

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from .invoker import Invoker
from .keys import Keys
from .problems import problem
from .runtime import Runtime


class Admin:
    """Handle requests to /admin. They need the master key, if there is one."""

    def __init__(self, runtime: Runtime, invoker: Invoker, keys: Keys) -> None:
        self._functions = {name.lower(): function for name, function in runtime.functions.items()}
        self._invoker = invoker
        self._keys = keys

    async def respond(self, request: Request, path: Sequence[str]) -> Response:
        """Return the response to a request. `path` is what follows /admin. Raises InvocationError."""
        if self._keys.master and not self._keys.is_authorized(request, "ADMIN"):
            return problem(401)
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
        try:
            body = await request.json()
        except (JSONDecodeError, UnicodeDecodeError):
            body = None
        if not isinstance(body, dict):  # required but not used: a timer has no input, as on Azure
            return problem(400, detail='The body must be JSON: {"input": ...}')
        await self._invoker.call_timer(function.name)
        return Response(status_code=202)
