"""Call functions through Azure's own Python runtime (azure-functions-runtime), in this process.

On Azure the host sends protobuf messages to this runtime. The runtime reads only their attributes, so plain objects
replace them here. The code that calls the functions is the code that runs on Azure.
"""

import json
import logging
import re
import uuid
from collections.abc import Mapping
from typing import Any

from azure_functions_runtime.bindings.datumdef import Datum
from azure_functions_runtime.native_invocation import invocation_request_native
from msgspec import Struct

from devhost.errors import InvocationError

from .routes import RouteTable

log = logging.getLogger(__name__)

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, token
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


class Function(Struct, frozen=True, kw_only=True):
    """One indexed function."""

    name: str
    id: str
    trigger_type: str  # "httpTrigger", "timerTrigger"
    trigger_parameter: str  # the name of the Python parameter that receives the trigger
    trigger_binding: Mapping[str, Any]

    @property
    def auth_level(self) -> str:
        """The level of an HTTP trigger: ANONYMOUS, FUNCTION or ADMIN."""
        return str(self.trigger_binding.get("authLevel", "FUNCTION")).upper()


class HttpRequest(Struct, frozen=True, kw_only=True):
    """An HTTP request as the host passes it to a function."""

    method: str
    url: str
    headers: Mapping[str, str] = {}
    query: Mapping[str, str] = {}
    route_values: Mapping[str, str] = {}
    body: bytes = b""
    traceparent: str
    tracestate: str = ""


class HttpResponse(Struct, frozen=True):
    """The response of a function. It can be sent: status 200 to 599, valid headers."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Runtime:
    """A loaded app. A process can have one, because Azure's runtime keeps its state in its modules."""

    def __init__(self, functions: Mapping[str, Function], routes: RouteTable) -> None:
        self.functions = functions
        self.routes = routes

    async def call_http(self, name: str, request: HttpRequest) -> HttpResponse:
        """Call an HTTP function. A synchronous one runs in the runtime's thread pool. Raises InvocationError."""
        fields = {
            "method": Datum(request.method, "string"),
            "url": Datum(request.url, "string"),
            "headers": _string_data(request.headers),
            "query": _string_data(request.query),
            "params": _string_data(request.route_values),
            "body": Datum(request.body, "bytes"),
        }
        metadata = _string_data(request.route_values)
        returned = await self._invoke(
            name, Datum(fields, "http"), metadata=metadata, trace=(request.traceparent, request.tracestate)
        )
        try:
            return _to_response(returned)
        except ValueError as error:
            log.error("%s returned an invalid HTTP response: %s", name, error)
            raise InvocationError(name) from error

    async def call_timer(self, name: str, traceparent: str) -> None:
        """Run a timer function now. Raises InvocationError."""
        state = {"Schedule": {"AdjustForDST": True}, "ScheduleStatus": None, "IsPastDue": False}
        await self._invoke(name, Datum(json.dumps(state), "json"), metadata={}, trace=(traceparent, ""))

    async def _invoke(self, name: str, trigger: Any, metadata: Mapping[str, Any], trace: tuple[str, str]) -> Any:
        """Return what the function returns, as the runtime encodes it. `trace`: traceparent and tracestate."""
        function = self.functions[name]
        inputs = [(function.trigger_parameter, trigger)]
        try:
            succeeded, returned, _, error, _ = await invocation_request_native(
                str(uuid.uuid4()), function.id, inputs, metadata, *trace
            )
        except SystemExit as exit_:  # a function that calls sys.exit must not end the host
            succeeded, returned, error = False, None, repr(exit_)
        if not succeeded:  # the runtime has logged the traceback, but not the name of the function
            log.error("%s failed: %s", name, error)
            raise InvocationError(name)
        return returned


def _string_data(values: Mapping[str, str]) -> dict[str, Any]:
    return {name: Datum(value, "string") for name, value in values.items()}


def _to_response(returned: Any) -> HttpResponse:
    """Convert the return value of a function: a str, or an encoded HttpResponse. Raises ValueError if it is invalid.

    The runtime itself refuses all other types (None, bytes, dict), here and on Azure.
    """
    if returned.type == "string":
        return HttpResponse(200, (("content-type", "text/plain; charset=utf-8"),), returned.value.encode())
    encoded = returned.value
    status = int(encoded["status_code"].value)
    if not 200 <= status <= 599:
        raise ValueError(f"status {status}")
    headers = [(name, value.value) for name, value in encoded["headers"].items()]
    cookies = [morsel.OutputString() for cookie in encoded["cookies"] or () for morsel in cookie.values()]
    headers += [("set-cookie", cookie) for cookie in cookies]
    for name, value in headers:
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise ValueError(f"header {name!r}: {value!r}")
    return HttpResponse(status, tuple(headers), encoded["body"].value)
