"""From an HTTP request of Azure to a handler and back: decode the body, encode the response, answer errors."""

import hmac
import json
import re
import uuid
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import azure.functions as func
import msgspec

from cloud import telemetry

from . import problems
from .exceptions import to_problem
from .problems import Problem

MAX_BODY_BYTES = 128 * 1024


class ApiResponse(NamedTuple):
    status: int
    payload: object = None  # encoded as JSON; bytes are sent as they are; None is an empty body
    headers: Mapping[str, str] = MappingProxyType({})


class Secret(NamedTuple):
    """A key that the app itself requires as `?key=`, because an action group cannot send headers.

    A function key would not do: it opens every function, and callers of /api/predict have one.
    """

    keys: tuple[str, ...]  # each is accepted; without any, every request is rejected

    def check(self, request: func.HttpRequest) -> None:
        """Raise Problem unless the request has one of the keys."""
        given = request.params.get("key", "").encode()
        if not any(hmac.compare_digest(given, key.encode()) for key in self.keys):
            raise Problem(problems.WRONG_KEY, "This takes a key of its own, as ?key= in the URL.")


type Handler = Callable[[func.HttpRequest, Any], Awaitable[ApiResponse]]  # takes the request and its decoded body
type AzureFunction = Callable[[func.HttpRequest, func.Context], Awaitable[func.HttpResponse]]


def as_azure_function(name: str, handler: Handler, body: Any = None, secret: Secret | None = None) -> AzureFunction:
    """Wrap a handler as the function `name` of Azure. Whatever it raises is answered as problem+json.

    `body` is the type that the request's body must have; None if the operation takes no body.
    """
    decoder = msgspec.json.Decoder(body) if body is not None else None

    async def azure_handler(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
        traceparent = context.trace_context.trace_parent
        request_id = _request_id(req.headers, traceparent)
        with telemetry.trace_context(traceparent):
            try:
                if secret is not None:
                    secret.check(req)
                response = await handler(req, _decode(req, decoder) if decoder else None)
            except Exception as error:
                response = _problem_response(to_problem(error, request_id), request_id)
            return _encode(response, request_id)

    azure_handler.__name__ = name
    return azure_handler


def _decode(request: func.HttpRequest, decoder: msgspec.json.Decoder[Any]) -> Any:
    """Return the body as the decoder's type. Raises Problem, with a pointer to the invalid field."""
    body = request.get_body()
    if len(body) > MAX_BODY_BYTES:
        detail = f"A body may have {MAX_BODY_BYTES} bytes; this one has {len(body)}."
        raise Problem(problems.BODY_TOO_LARGE, detail)
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise Problem(problems.UNSUPPORTED_MEDIA_TYPE, "The content-type must be application/json.")
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        expectation, _, path = str(error).partition(" - at `$")
        detail = _plain_expectation(expectation)
        raise Problem(problems.INVALID_INPUT, detail, pointer=_json_pointer(path.rstrip("`"))) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        detail = f"The body must be JSON in UTF-8: {_json_error(body, error)}."
        raise Problem(problems.NOT_JSON, detail) from error


def _json_error(body: bytes, error: Exception) -> str:
    """Say what is wrong with the body: msgspec takes half of a surrogate pair for the end, and counts from a string."""
    try:
        text = body.decode()
    except UnicodeDecodeError as not_utf8:
        return f"byte {not_utf8.start} is not UTF-8"
    if "\0" in text:
        return "it holds NUL, as UTF-16 does"
    try:
        strings = json.dumps(json.loads(text), ensure_ascii=False)
    except (ValueError, RecursionError):
        return str(error)
    return "a lone surrogate is not a character" if re.search("[\ud800-\udfff]", strings) else str(error)


def _plain_expectation(expectation: str) -> str:
    """Reword msgspec's message for people: a regular expression says nothing to them."""
    if "matching regex" in expectation:
        return "Must hold at least one visible character, and no NUL."
    return expectation.replace("`", "")[:200] + "."  # it may quote a field name of any length


def _json_pointer(path: str) -> str:
    """Turn msgspec's path (.texts[3]) into a JSON pointer (/texts/3)."""
    return re.sub(r"\.|\[", "/", path).replace("]", "")


def _problem_response(problem: Problem, request_id: str) -> ApiResponse:
    headers = {"Content-Type": "application/problem+json"} | problem.headers
    return ApiResponse(problem.problem_type.status, problem.details(request_id), headers)


def _encode(response: ApiResponse, request_id: str) -> func.HttpResponse:
    headers = {"x-request-id": request_id, "Cache-Control": "no-store", **response.headers}
    body = b""
    if response.payload is not None:
        body = response.payload if isinstance(response.payload, bytes) else msgspec.json.encode(response.payload)
        headers.setdefault("Content-Type", "application/json")
    return func.HttpResponse(body, status_code=response.status, headers=headers)


def _request_id(headers: Any, traceparent: str) -> str:
    """Return the caller's own id, else the trace id (the operation id in telemetry), else a new one."""
    if re.fullmatch(r"[\w.:-]{1,128}", given := headers.get("x-request-id", ""), re.ASCII):
        return str(given)
    if trace := re.fullmatch(r"[0-9a-f]{2}-([0-9a-f]{32})-.*", traceparent):
        return trace[1]
    return uuid.uuid4().hex
