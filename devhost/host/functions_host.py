"""The HTTP side of the Functions host: an ASGI app that routes requests, checks keys and limits, calls functions."""

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from devhost.errors import HostError, InvocationError

from .admin import Admin
from .http_conversion import raw_path, to_asgi_response, to_function_request
from .invoker import Invoker, Observer
from .keys import Keys
from .loader import load_app
from .problems import problem
from .routes import split_path
from .runtime import Runtime
from .settings_files import NO_CORS, Cors, HostJson

log = logging.getLogger(__name__)

_MAX_BODY_SETTING = "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT"  # as on Azure, and the default too
_DEFAULT_MAX_BODY_BYTES = 104_857_600


def create_app(
    app_dir: Path, cors: Cors = NO_CORS, observer: Observer | None = None, routes: Sequence[Route] = ()
) -> Starlette:
    """Load the function app in `app_dir` and return the ASGI app that serves `routes` and, after them, its functions.

    Keys and the maximum body size come from the environment, the route prefix and request limits from host.json. Must
    not be called inside a running event loop. Raises HostError if the app cannot be loaded.
    """
    host_json = HostJson.read(app_dir)
    runtime = load_app(app_dir)
    host = FunctionsHost(runtime, host_json, Keys.from_environment(), _max_body_bytes(), observer)
    app = with_cors(host, cors, routes)
    app.state.runtime = runtime
    return app


def with_cors(host: "FunctionsHost", cors: Cors, routes: Sequence[Route] = ()) -> Starlette:
    """Wrap `host` so that every response has CORS headers, also errors, which pages could not read otherwise."""
    middleware = Middleware(
        CORSMiddleware,
        allow_origins=cors.origins,
        allow_methods=["*"],
        allow_headers=["*"],
        expose_headers=["*"],
        allow_credentials=cors.credentials,
    )
    app = Starlette(routes=routes, middleware=[middleware] if cors.origins else [])
    app.router.default = host  # a route of Starlette would not match a path that contains a newline
    return app


class FunctionsHost:
    """Respond to every request; never raise."""

    def __init__(
        self,
        runtime: Runtime,
        limits: HostJson,
        keys: Keys,
        max_body_bytes: int = _DEFAULT_MAX_BODY_BYTES,
        observer: Observer | None = None,
    ) -> None:
        self._runtime = runtime
        self._keys = keys
        self._invoker = Invoker(runtime, observer)
        self._admin = Admin(runtime, self._invoker, keys)
        self._max_body_bytes = max_body_bytes
        self._max_outstanding = limits.max_outstanding_requests
        self._outstanding = 0
        concurrent = limits.max_concurrent_requests
        self._concurrency = asyncio.Semaphore(concurrent if concurrent > 0 else sys.maxsize)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            response = await self._respond(request)
        except ClientDisconnect:
            return
        except InvocationError:
            response = problem(500)
        except Exception:
            log.exception("the host failed at %s %s", request.method, request.url.path)
            response = problem(500)
        if request.method == "HEAD":
            response.body = b""  # the headers still have its length
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        path = split_path(raw_path(request))
        if path and path[0].lower() == "admin":
            return await self._admin.respond(request, path[1:])
        found = self._runtime.routes.find(request.method, path)
        if found is None:
            return problem(404)  # also for an unknown method: Azure's host has no 405
        route, route_values = found
        if not self._keys.is_authorized(request, self._runtime.functions[route.function].auth_level):
            return problem(401)
        if 0 < self._max_outstanding <= self._outstanding:
            return problem(429, {"retry-after": "1"})
        async with self._outstanding_request():
            body = await self._read_body(request)
            if body is None:
                return problem(413)
            async with self._concurrency:
                function_request = to_function_request(request, route_values, body)
                return to_asgi_response(await self._invoker.call_http(route.function, function_request))

    @asynccontextmanager
    async def _outstanding_request(self) -> AsyncIterator[None]:
        self._outstanding += 1
        try:
            yield
        finally:
            self._outstanding -= 1

    async def _read_body(self, request: Request) -> bytes | None:
        """Return the body, or None as soon as it is known to be too large."""
        content_length = request.headers.get("content-length", "")
        if content_length.isdecimal() and int(content_length) > self._max_body_bytes:
            return None
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > self._max_body_bytes:
                return None
        return bytes(body)


def _max_body_bytes() -> int:
    setting = os.environ.get(_MAX_BODY_SETTING, str(_DEFAULT_MAX_BODY_BYTES))
    if not setting.isdecimal():
        raise HostError(f"{_MAX_BODY_SETTING} must be a number of bytes, not {setting!r}")
    return int(setting)
