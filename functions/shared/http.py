"""HTTP in, HTTP out: the one place that decodes requests, encodes answers and turns errors into problem+json."""

import hmac
import json
import logging
import re
import uuid
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import azure.functions as func
import msgspec

from cloud import telemetry
from feedback import errors
from sentiment.errors import ModelError

MAX_BODY = 128 * 1024  # bytes

log = logging.getLogger("buzzguard.http")


class Problem(Exception):
    """An answer that is an error, as RFC 9457 has it. `detail` is shown to the caller."""

    def __init__(
        self, status: int, title: str, detail: str, pointer: str | None = None, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.title = title
        self.errors = [FieldError(detail, pointer)] if pointer is not None else msgspec.UNSET
        self.headers = headers or {}


class FieldError(msgspec.Struct, frozen=True):
    detail: str
    pointer: str  # JSON pointer (RFC 6901) into the body; "" is the whole


class ProblemDetails(msgspec.Struct, frozen=True):
    type: str
    title: str
    status: int
    detail: str
    instance: str
    errors: list[FieldError] | msgspec.UnsetType = msgspec.UNSET


class Answer(NamedTuple):
    status: int
    payload: object = None  # encoded as JSON; bytes are JSON already; None is no body
    headers: Mapping[str, str] = MappingProxyType({})


class Secret(NamedTuple):
    """What the app itself asks for as `?key=`, since an action group sends no headers. A key of the host would not do:
    it opens every function, and callers of predict may have one."""

    name: str  # its security scheme in the OpenAPI document
    keys: tuple[str, ...]  # all of them open; none: nobody is let in

    def check(self, request: func.HttpRequest) -> None:
        """Raises Problem where none of the keys is given."""
        given = request.params.get("key", "").encode()
        if not any(hmac.compare_digest(given, key.encode()) for key in self.keys):
            raise Problem(401, "Key missing or wrong", "This takes a key of its own, as ?key= in the URL.")


class Operation(NamedTuple):
    """An endpoint as the OpenAPI document and the catch-all need to know it."""

    method: str
    path: str  # /api/feedback/{prediction_id}
    summary: str
    security: str | None  # the security scheme
    body: Any  # the type that decodes the request, or None
    answers: dict[int, Any]  # status -> the type of the payload, or None
    problems: tuple[str, ...]  # their titles, but for those that a body may have
    documented: bool  # whether it is part of the contract: pages are not

    @property
    def methods(self) -> list[str]:
        return ["GET", "HEAD"] if self.method == "GET" else [self.method]

    def matches(self, path: str) -> bool:
        """Whether the host would bring a path here; a slash at its end changes nothing."""
        return re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", self.path) + "/?", path, re.IGNORECASE) is not None


OPERATIONS: list[Operation] = []

_ROOT = "{ignored:maxlength(0)?}"  # the route of "/": on Azure a function with an empty one answers at its name

type Handler = Callable[[func.HttpRequest, Any], Awaitable[Answer]]
type Trigger = Callable[[func.HttpRequest, func.Context], Awaitable[func.HttpResponse]]


def endpoint(
    blueprint: func.Blueprint,
    method: str,
    path: str,
    *,
    summary: str,
    auth_level: str,
    answers: dict[int, Any],
    secret: Secret | None = None,
    body: Any = None,
    problems: tuple[str, ...] = (),
    documented: bool = True,
) -> Callable[[Handler], Handler]:
    """Register `handler(request, decoded body)` as the function that answers `method path`.

    `auth_level` is what the host asks of callers, `secret` what the app does.
    """
    security = "functionKey" if auth_level != "anonymous" else secret.name if secret is not None else None
    operation = Operation(method, path, summary, security, body, answers, problems, documented)
    OPERATIONS.append(operation)
    route = blueprint.route(path.lstrip("/") or _ROOT, methods=operation.methods, auth_level=func.AuthLevel(auth_level))

    def register(handler: Handler) -> Handler:
        route(trigger(handler, body, secret))
        return handler

    return register


def for_browsers(blueprint: func.Blueprint, path: str) -> Callable[[Handler], Handler]:
    """Register a handler as the function that answers `GET path` with a page or a file of one: anybody may have it, and
    it is no part of the contract."""
    return endpoint(blueprint, "GET", path, summary="", auth_level="anonymous", answers={}, documented=False)


def trigger(handler: Handler, body: Any = None, secret: Secret | None = None) -> Trigger:
    """`handler(request, decoded body)` as a function of Azure, whatever it raises turned into problem+json."""
    decoder = msgspec.json.Decoder(body) if body is not None else None

    async def answer_to(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
        traceparent = context.trace_context.trace_parent
        request_id = _request_id(req.headers, traceparent)
        with telemetry.invocation(traceparent):
            try:
                if secret is not None:
                    secret.check(req)
                answer = await handler(req, _decode(req, decoder) if decoder else None)
            except Exception as error:
                answer = _problem(_told(error, request_id), request_id)
            return _encode(answer, request_id)

    answer_to.__name__ = handler.__name__  # the name of the function in Azure
    return answer_to


def _decode(request: func.HttpRequest, decoder: msgspec.json.Decoder[Any]) -> Any:
    """The body as the decoder's type, or a Problem that says where it is not."""
    body = request.get_body()
    if len(body) > MAX_BODY:
        raise Problem(413, "Body too large", f"A body may have {MAX_BODY} bytes; this one has {len(body)}.")
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise Problem(415, "Unsupported media type", "The content-type must be application/json.")
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        expectation, _, path = str(error).partition(" - at `$")
        raise Problem(400, "Invalid input", _plain(expectation), _pointer(path.rstrip("`"))) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(400, "Not JSON", f"The body must be JSON in UTF-8: {_fault(body, error)}.") from error


def _fault(body: bytes, error: Exception) -> str:
    """What msgspec found; where Python's own parser finds nothing, it can only be half of a surrogate pair."""
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return str(error)
    return "a lone surrogate is not a character"


def _plain(expectation: str) -> str:
    """A fault as msgspec words it, for people: a regular expression says nothing to them."""
    if "matching regex" in expectation:
        return "Must hold at least one visible character, and no NUL."
    return expectation.replace("`", "")[:200] + "."  # it may name a field of any length


def _pointer(path: str) -> str:
    """msgspec's path (.texts[3]) as a JSON pointer (/texts/3)."""
    return re.sub(r"\.|\[", "/", path).replace("]", "")


def _told(error: Exception, request_id: str) -> Problem:
    """What the caller is told of an error; what is ours to mend is logged, and its text is not shown."""
    match error:
        case Problem():
            return error
        case errors.FeedbackConflict():
            return Problem(409, "Feedback conflict", str(error))
        case errors.ExpiredReceipt():
            return Problem(410, "Receipt expired", str(error))
        case errors.InvalidReceipt():
            return Problem(422, "Receipt not ours", str(error))
        case errors.StoreUnavailable():
            log.error("request %s: %s", request_id, error, exc_info=_wordless(error.__cause__))
            again = {"Retry-After": str(error.retry_after)}
            detail = "The feedback store does not answer; please try again."
            return Problem(503, "Feedback store unavailable", detail, headers=again)
        case errors.MailUnavailable():
            log.error("request %s: %s", request_id, error, exc_info=_wordless(error.__cause__))
            return Problem(503, "Mail unavailable", str(error), headers={"Retry-After": str(error.retry_after)})
        case errors.IncidentInProgress():
            return Problem(503, "Incident in progress", str(error), headers={"Retry-After": str(error.retry_after)})
        case ModelError():
            log.error("request %s: %s", request_id, error)
            return Problem(503, "Model unavailable", "A model is missing or broken; the fault is logged.")
    log.error("request %s failed", request_id, exc_info=_wordless(error))
    return Problem(500, "Internal error", "The service failed; the fault is logged.")


def _wordless(error: BaseException | None) -> BaseException | None:
    """The same kind of error, raised at the same place for the same reason, that says nothing: an error may quote
    what a person wrote, and a log is no place for that."""
    if error is None:
        return None
    kind: type[Exception] = type(type(error).__name__, (Exception,), {"__module__": type(error).__module__})
    wordless = kind().with_traceback(error.__traceback__)
    wordless.__cause__ = _wordless(error.__cause__ or error.__context__)
    return wordless


def problem_type(title: str) -> str:
    return "urn:buzzguard:problem:" + title.lower().replace(" ", "-")


def _problem(problem: Problem, request_id: str) -> Answer:
    details = ProblemDetails(
        type=problem_type(problem.title),
        title=problem.title,
        status=problem.status,
        detail=str(problem),
        instance=f"urn:buzzguard:request:{request_id}",
        errors=problem.errors,
    )
    return Answer(problem.status, details, {"Content-Type": "application/problem+json"} | problem.headers)


def _encode(answer: Answer, request_id: str) -> func.HttpResponse:
    headers = {"x-request-id": request_id, "Cache-Control": "no-store", **answer.headers}
    body = b""
    if answer.payload is not None:
        body = answer.payload if isinstance(answer.payload, bytes) else msgspec.json.encode(answer.payload)
        headers.setdefault("Content-Type", "application/json")
    return func.HttpResponse(body, status_code=answer.status, headers=headers)


def _request_id(headers: Any, traceparent: str) -> str:
    """The caller's own id, else the trace it belongs to (telemetry calls that its operation), else a new one."""
    if re.fullmatch(r"[\w.:-]{1,128}", given := headers.get("x-request-id", ""), re.ASCII):
        return str(given)
    if trace := re.fullmatch(r"[0-9a-f]{2}-([0-9a-f]{32})-.*", traceparent):
        return trace[1]
    return uuid.uuid4().hex
