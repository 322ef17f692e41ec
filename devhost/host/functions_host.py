"""Azure Functions' HTTP front on a laptop: an ASGI app that routes, checks keys and calls the functions."""

import asyncio
import http
import logging
import os
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from json import JSONDecodeError
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from devhost.errors import HostError, InvocationError

from .http_translation import new_traceparent, raw_path, to_call, to_response
from .keys import Keys
from .loader import load_app
from .routes import split_path
from .runtime import HttpReply, Invocation, Runtime
from .settings_files import NO_CORS, Cors, HostJson

log = logging.getLogger(__name__)

type Observer = Callable[[Invocation], None]  # is told of every call of a function when it is over

_LARGEST_BODY = 104_857_600  # bytes; the platform's own, and its setting's name
_LARGEST_BODY_SETTING = "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT"


def create_app(
    app_dir: Path, cors: Cors = NO_CORS, observer: Observer | None = None, routes: Sequence[Route] = ()
) -> Starlette:
    """Loads the function app in `app_dir` and returns the ASGI app that answers for it, and for `routes` before it.
    Keys and the largest body come from the environment, routePrefix and limits from host.json. Not to be called from a
    running event loop. Raises HostError."""
    limits = HostJson.read(app_dir)
    runtime = load_app(app_dir)
    app = front(Host(runtime, limits, Keys.from_environment(), _largest_body(), observer), cors, routes)
    app.state.runtime = runtime
    return app


def front(host: "Host", cors: Cors, routes: Sequence[Route] = ()) -> Starlette:
    """`host` with CORS before it. A refused or failed request gets the headers too: else pages could not read why."""
    allowing = Middleware(
        CORSMiddleware,
        allow_origins=cors.origins,
        allow_methods=["*"],
        allow_headers=["*"],
        expose_headers=["*"],
        allow_credentials=cors.credentials,
    )
    app = Starlette(routes=routes, middleware=[allowing] if cors.origins else [])
    app.router.default = host  # a route of starlette's would not match a path with a newline in it
    return app


def problem(status: int, headers: Mapping[str, str] | None = None, detail: str | None = None) -> Response:
    """An RFC 9457 answer of the host itself."""
    content = {"type": "about:blank", "title": http.HTTPStatus(status).phrase, "status": status}
    if detail:
        content["detail"] = detail
    return JSONResponse(content, status, headers, media_type="application/problem+json")


class Host:
    """Answers every request; never raises."""

    def __init__(
        self,
        runtime: Runtime,
        limits: HostJson,
        keys: Keys,
        largest_body: int = _LARGEST_BODY,
        observer: Observer | None = None,
    ) -> None:
        """`largest_body` in bytes."""
        self._runtime = runtime
        self._observer = observer
        self._keys = keys
        self._largest_body = largest_body
        self._max_outstanding = limits.max_outstanding if limits.max_outstanding > 0 else sys.maxsize
        self._outstanding = 0
        self._running = asyncio.Semaphore(limits.max_concurrent if limits.max_concurrent > 0 else sys.maxsize)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except ClientDisconnect:
            return
        except InvocationError:
            response = problem(500)
        except Exception:
            log.exception("the host failed at %s %s", request.method, request.url.path)
            response = problem(500)
        if request.method == "HEAD":
            response.body = b""  # its length stays in the headers
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        path = split_path(raw_path(request))
        if path and path[0].lower() == "admin":
            return await self._admin(request, path[1:])
        found = self._runtime.routes.find(request.method, path)
        if found is None:
            return problem(404)  # a method that no function takes is no 405: the host knows of none
        route, parameters = found
        if not self._keys.admit(self._runtime.functions[route.function].auth_level, request):
            return problem(401)
        if self._outstanding >= self._max_outstanding:
            return problem(429, {"retry-after": "1"})
        self._outstanding += 1
        try:
            body = await self._body(request)
            if body is None:
                return problem(413)
            call = to_call(request, parameters, body)
            url = call.url.partition("?")[0]
            async with self._running:
                reply = self._runtime.http(route.function, call)
                return await self._invoked(route.function, url, call.traceparent, reply)
        finally:
            self._outstanding -= 1

    async def _invoked(
        self, function: str, url: str, traceparent: str, invocation: Awaitable[HttpReply | None]
    ) -> Response:
        """The answer that a call comes to. The observer is told of it, also of an InvocationError."""
        started, start = datetime.now(UTC), time.perf_counter()
        status, succeeded = 500 if url else 0, False
        try:
            reply = await invocation
            status, succeeded = reply.status if reply else 0, True
            return to_response(reply) if reply else Response(status_code=202)
        finally:
            if self._observer:
                seconds = time.perf_counter() - start
                self._observer(Invocation(function, url, traceparent, started, seconds, status, succeeded))

    async def _body(self, request: Request) -> bytes | None:
        """The whole body, or None as soon as it is known to be too large."""
        declared = request.headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > self._largest_body:
            return None
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > self._largest_body:
                return None
        return bytes(body)

    async def _admin(self, request: Request, path: Sequence[str]) -> Response:
        if self._keys.master and not self._keys.admit("ADMIN", request):
            return problem(401)
        match request.method, [part.lower() for part in path]:
            case "GET" | "HEAD", ["host", "status"]:
                return JSONResponse({"state": "Running"})
            case "POST", ["functions", name]:
                return await self._trigger(request, name)
            case _, ["host", "status"]:
                return problem(405, {"allow": "GET, HEAD"})
            case _, ["functions", _]:
                return problem(405, {"allow": "POST"})
        return problem(404)

    async def _trigger(self, request: Request, name: str) -> Response:
        """Runs a timer and answers when it has run: 202, or 500 if it failed. (Azure answers 202 before it runs.)"""
        function = next((known for known in self._runtime.functions.values() if known.name.lower() == name), None)
        if function is None:
            return problem(404)
        if function.trigger != "timerTrigger":
            return problem(400, detail=f"{function.name} is not a timer.")
        try:
            asked = await request.json()
        except (JSONDecodeError, UnicodeDecodeError):
            asked = None
        if not isinstance(asked, dict):
            return problem(400, detail='The body must be JSON: {"input": ...}')
        trace = new_traceparent()
        run = self._runtime.timer(function.name, trace)  # a timer takes no input, here as on Azure
        return await self._invoked(function.name, "", trace, run)


def _largest_body() -> int:
    setting = os.environ.get(_LARGEST_BODY_SETTING, str(_LARGEST_BODY))
    if not setting.isdecimal():
        raise HostError(f"{_LARGEST_BODY_SETTING} must be a number of bytes, not {setting!r}")
    return int(setting)
