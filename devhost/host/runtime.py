"""The platform's own Python runtime (azure-functions-runtime), driven in process.

On Azure a host speaks to this runtime in protobuf messages. It reads nothing of them but their attributes, so plain
objects stand in for them here, and what indexes and calls the functions is the very code that does it on Azure.
"""

import json
import logging
import re
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from azure_functions_runtime.bindings.datumdef import Datum
from azure_functions_runtime.native_invocation import invocation_request_native
from msgspec import Struct

from devhost.errors import InvocationError

from .routes import RouteTable

log = logging.getLogger(__name__)

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, token
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


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
