"""The platform's own Python runtime (azure-functions-runtime), driven in process.

On Azure a host speaks to this runtime in protobuf messages. It reads nothing of them but their attributes, so plain
objects stand in for them here, and what indexes and calls the functions is the very code that does it on Azure.
"""

import asyncio
import json
import logging
import os
import re
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import azure_functions_runtime as platform
from azure_functions_runtime.bindings.datumdef import Datum
from azure_functions_runtime.native_invocation import invocation_request_native
from msgspec import Struct

from devhost.errors import HostError, InvocationError

from .routes import Route, RouteTable, RouteTemplate
from .settings_files import HostJson

log = logging.getLogger(__name__)

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, token
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


class _StatusResult(SimpleNamespace):
    Failure, Success, Cancelled = 0, 1, 2


class _BindingInfo(SimpleNamespace):
    out, inout = 1, 2  # directions
    undefined = 0  # a data type


class _Protos:
    """Stands in for the module of protobuf messages. Only two have constants that the runtime reads."""

    StatusResult = _StatusResult
    BindingInfo = _BindingInfo

    def __getattr__(self, name: str) -> type[SimpleNamespace]:
        return SimpleNamespace


class Function(Struct, frozen=True):
    """One indexed function."""

    name: str
    id: str
    trigger: str  # the type of its trigger's binding: httpTrigger, timerTrigger
    parameter: str  # the parameter that takes the trigger
    binding: Mapping[str, Any]  # the trigger's binding as indexed

    @property
    def auth_level(self) -> str:
        """Of an HTTP trigger: ANONYMOUS, FUNCTION or ADMIN."""
        return str(self.binding.get("authLevel", "FUNCTION")).upper()


class HttpCall(Struct, frozen=True):
    """An HTTP request as the host hands it to a function."""

    method: str
    url: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    parameters: Mapping[str, str]  # of the route
    body: bytes
    traceparent: str
    tracestate: str = ""


class Invocation(Struct, frozen=True):
    """A call of a function that is over, as the platform's own telemetry tells it."""

    function: str
    url: str  # without its query, which may hold a key; empty for a timer
    traceparent: str
    started: datetime  # UTC
    seconds: float
    status: int  # that the caller got; 0: there was no caller, it was a timer
    succeeded: bool  # the function came to its end, which may have been to answer 500


class HttpReply(Struct, frozen=True):
    """What a function answered. Fit to be sent: status 200 to 599, headers that HTTP allows."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Runtime:
    """A loaded app. There can be one in a process: the platform's runtime keeps its state in its modules."""

    def __init__(self, functions: Mapping[str, Function], routes: RouteTable) -> None:
        self.functions = functions
        self.routes = routes

    async def http(self, name: str, call: HttpCall) -> HttpReply:
        """Calls an HTTP function; a synchronous one runs on the runtime's thread pool. Raises InvocationError."""
        request = {
            "method": Datum(call.method, "string"),
            "url": Datum(call.url, "string"),
            "headers": _strings(call.headers),
            "query": _strings(call.query),
            "params": _strings(call.parameters),
            "body": Datum(call.body, "bytes"),
        }
        returned = await self._invoke(
            name, Datum(request, "http"), _strings(call.parameters), call.traceparent, call.tracestate
        )
        try:
            return _reply(returned)
        except ValueError as error:
            log.error("%s answered what HTTP does not allow: %s", name, error)
            raise InvocationError(name) from error

    async def timer(self, name: str, traceparent: str) -> None:
        """Runs a timer function as if its time had come. Raises InvocationError."""
        state = {"Schedule": {"AdjustForDST": True}, "ScheduleStatus": None, "IsPastDue": False}
        await self._invoke(name, Datum(json.dumps(state), "json"), {}, traceparent)

    async def _invoke(
        self, name: str, trigger: Any, metadata: Mapping[str, Any], traceparent: str, tracestate: str = ""
    ) -> Any:
        function = self.functions[name]
        try:
            succeeded, returned, _, error, _ = await invocation_request_native(
                str(uuid.uuid4()),
                function.id,
                [(function.parameter, trigger)],
                metadata,
                traceparent,
                tracestate,
            )
        except SystemExit as end:  # a function that calls sys.exit must not end the host
            succeeded, returned, error = False, None, repr(end)
        if not succeeded:  # the runtime has logged the traceback, without the function's name
            log.error("%s failed: %s", name, error)
            raise InvocationError(name)
        return returned


def _strings(texts: Mapping[str, str]) -> dict[str, Any]:
    return {name: Datum(text, "string") for name, text in texts.items()}


def _reply(returned: Any) -> HttpReply:
    """A function's return value as the runtime encodes it: a str, or an HttpResponse taken apart.

    Anything else (None, bytes, a dict) the runtime itself refuses, here and on Azure. Raises ValueError.
    """
    if returned.type == "string":
        return HttpReply(200, (("content-type", "text/plain; charset=utf-8"),), returned.value.encode())
    answer = returned.value
    status = int(answer["status_code"].value)
    if not 200 <= status <= 599:
        raise ValueError(f"status {status}")
    headers = [(name, value.value) for name, value in answer["headers"].items()]
    cookies = [morsel.OutputString() for cookie in answer["cookies"] or () for morsel in cookie.values()]
    headers += [("set-cookie", cookie) for cookie in cookies]
    for name, value in headers:
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise ValueError(f"header {name!r}: {value!r}")
    return HttpReply(status, tuple(headers), answer["body"].value)


def load(app_dir: Path) -> Runtime:
    """Indexes the app in `app_dir`; a second call returns what the first did. Not for a running event loop.

    Raises HostError if it cannot be imported, has no functions, or has one that no request would come to.
    """
    script = app_dir.resolve() / os.environ.get("PYTHON_SCRIPT_FILE_NAME", "function_app.py")
    if not script.is_file():
        raise HostError(f"{script} is missing: there is no function app here")
    return _load(script)


@cache  # a module is imported once, and the platform's runtime indexes it but once
def _load(script: Path) -> Runtime:
    app_dir = script.parent
    present = sys.modules.get(script.stem)
    if present is not None and getattr(present, "__file__", None) != str(script):
        raise HostError(f"{script}: this process holds another module {script.stem} already")
    prefix = HostJson.read(app_dir).route_prefix
    if str(app_dir) not in sys.path:
        sys.path.insert(0, str(app_dir))
    platform.start_threadpool_executor()
    functions = [_function(metadata) for metadata in asyncio.run(_index(app_dir))]
    if not functions:
        raise HostError(f"{script.name} has no functions: register them on its FunctionApp")
    routes = RouteTable([_route(function, prefix) for function in functions if function.trigger == "httpTrigger"])
    routes.refuse_shadowed()
    return Runtime({function.name: function for function in functions}, routes)


async def _index(app_dir: Path) -> list[SimpleNamespace]:
    """The runtime's own metadata of every function."""
    protos = _Protos()

    def message(**fields: Any) -> SimpleNamespace:
        return SimpleNamespace(request=SimpleNamespace(**fields), properties={"protos": protos, "host": "127.0.0.1"})

    start = SimpleNamespace(capabilities={}, function_app_directory=str(app_dir))
    with _quiet():
        try:
            answer = await platform.worker_init_request(message(worker_init_request=start))
        except SystemExit as end:
            raise HostError(f"the app ended the process while it was imported: {end!r}") from end
    if answer.result.status != _StatusResult.Success:
        log.debug("%s", answer.result.exception.stack_trace)
        raise HostError(_fault(app_dir, answer.result.exception))
    return list((await platform.functions_metadata_request(message())).function_metadata_results or ())


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps the platform from logging what is wrong with an app, which `load` tells in a line."""

    def by_the_app(record: logging.LogRecord) -> bool:
        return record.name != "azure.functions" and "/azure/functions/" not in record.pathname

    loggers = (logging.getLogger("azure.functions"), logging.getLogger())
    for logger in loggers:
        logger.addFilter(by_the_app)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(by_the_app)


def _fault(app_dir: Path, exception: SimpleNamespace) -> str:
    """`functions/predict.py:12: NameError: …`, from the last line of the app itself in the traceback."""
    message = exception.message.split(". Cannot find module.")[0]  # the runtime adds the whole of sys.path to it
    frames = [
        (Path(file), line)
        for file, line in re.findall(r'^ *File "(.+?)", line (\d+)', exception.stack_trace, re.MULTILINE)
        if Path(file).is_relative_to(app_dir) and "site-packages" not in file
    ]
    where = f"{frames[-1][0].relative_to(app_dir)}:{frames[-1][1]}: " if frames else ""
    return where + " ".join(message.split())


def _function(metadata: SimpleNamespace) -> Function:
    bindings = [json.loads(binding) for binding in metadata.raw_bindings]
    trigger = next(binding for binding in bindings if binding["type"].endswith("Trigger"))
    return Function(metadata.name, metadata.function_id, trigger["type"], trigger["name"], trigger)


def _route(function: Function, prefix: str) -> Route:
    # On Azure an empty route is no route: the function then answers at its name. For / take {ignored:maxlength(0)?}.
    route = str(function.binding.get("route") or "").strip("/") or function.name
    if re.match("admin|runtime", route, re.IGNORECASE):
        raise HostError(f"function {function.name}: Azure keeps routes that begin with admin or runtime for itself")
    methods = frozenset(str(method).upper() for method in function.binding.get("methods") or ())
    return Route(RouteTemplate.parse(f"{prefix}/{route}"), methods, function.name)
