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
from .local_requests import HostCheck, parse_hosts
from .problems import EXCEPTION_HANDLERS, problem
from .request_bodies import BodyLimits, BodyReader, BodyRefused
from .routes import split_path
from .runtime import Runtime
from .settings_files import NO_CORS, Cors, HostJson

log = logging.getLogger(__name__)

_MAX_BODY_SETTING = "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT"  # as on Azure, and the default too
_ALLOWED_HOSTS_SETTING = "DEVHOST_ALLOWED_HOSTS"
_DEFAULT_BODY_LIMITS = BodyLimits(max_bytes=104_857_600)


def create_app(
    app_dir: Path, cors: Cors = NO_CORS, observer: Observer | None = None, routes: Sequence[Route] = ()
) -> Starlette:
    """Load the function app in `app_dir` and return the ASGI app that serves `routes` and, after them, its functions.

    Keys, the maximum body size and the names of this machine come from the environment; the route prefix, the limits of
    requests and the function timeout from host.json. Must not be called inside a running event loop. Raises HostError
    if the app cannot be loaded.
    """
    host_json = HostJson.read(app_dir)
    body_limits, allowed_hosts = _body_limits(), _allowed_hosts()
    runtime = load_app(app_dir)
    host = FunctionsHost(runtime, host_json, Keys.from_environment(), body_limits, observer)
    app = asgi_app(host, cors, routes, allowed_hosts)
    app.state.runtime = runtime
    return app


def asgi_app(
    host: "FunctionsHost", cors: Cors, routes: Sequence[Route] = (), allowed_hosts: Sequence[str] = ()
) -> Starlette:
    """Return an app that serves `routes` and, after them, `host`, to requests that name this machine.

    Every response has CORS headers, also errors, which pages could not read otherwise.
    """
    cors_headers = Middleware(
        CORSMiddleware,
        allow_origins=cors.origins,
        allow_methods=["*"],
        allow_headers=["*"],
        expose_headers=["*"],
        allow_credentials=cors.credentials,
    )
    host_check = Middleware(HostCheck, allowed_hosts=allowed_hosts)
    app = Starlette(
        routes=routes,
        middleware=[host_check, *([cors_headers] if cors.origins else [])],
        exception_handlers=EXCEPTION_HANDLERS,
    )
    app.router.default = host  # a route of Starlette would not match a path that contains a newline
    return app


class FunctionsHost:
    """Respond to every request; never raise."""

    def __init__(
        self,
        runtime: Runtime,
        limits: HostJson,
        keys: Keys,
        body_limits: BodyLimits = _DEFAULT_BODY_LIMITS,
        observer: Observer | None = None,
    ) -> None:
        self._runtime = runtime
        self._keys = keys
        self._bodies = BodyReader(body_limits)
        self._invoker = Invoker(runtime, limits.function_timeout_seconds, observer)
        self._admin = Admin(runtime, self._invoker, keys, self._bodies)
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
        except BodyRefused as error:
            # Without the rest of the body there is no next request on this connection.
            retry = {"retry-after": "1"} if error.status == 503 else {}
            response = problem(error.status, {"connection": "close", **retry})
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
        if self._is_full:
            return _too_many()  # before the body is read; and again below, because reading takes time
        async with self._bodies.read(request) as body:
            if self._is_full:
                return _too_many()
            # From here on the request counts. Azure's host counts it before its body is there.
            async with self._outstanding_request(), self._concurrency:
                function_request = to_function_request(request, route_values, body)
                return to_asgi_response(await self._invoker.call_http(route.function, function_request))

    @property
    def _is_full(self) -> bool:
        return 0 < self._max_outstanding <= self._outstanding

    @asynccontextmanager
    async def _outstanding_request(self) -> AsyncIterator[None]:
        self._outstanding += 1
        try:
            yield
        finally:
            self._outstanding -= 1


def _too_many() -> Response:
    return problem(429, {"retry-after": "1"})


def _body_limits() -> BodyLimits:
    setting = os.environ.get(_MAX_BODY_SETTING)
    if setting is None:
        return _DEFAULT_BODY_LIMITS
    if not setting.isdecimal():
        raise HostError(f"{_MAX_BODY_SETTING} must be a number of bytes, not {setting!r}")
    return BodyLimits(max_bytes=int(setting))


def _allowed_hosts() -> tuple[str, ...]:
    try:
        return parse_hosts(os.environ.get(_ALLOWED_HOSTS_SETTING, ""))
    except ValueError as error:
        message = f"{_ALLOWED_HOSTS_SETTING} must be host names without ports, separated by commas, not {error}"
        raise HostError(message) from error
