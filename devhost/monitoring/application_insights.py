"""Application Insights' ingestion endpoint on a laptop: telemetry as the exporters send it, as rows of a workspace.

Each kind of telemetry is a class that says in which table it ends and as which columns; Microsoft's reference of the
tables (infra/workspace.json) and the protocol's own (ApplicationInsights-Home, EndpointSpecs) say which is which.
"""

import gzip
import logging
import re
import uuid
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw, Struct
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from devhost.host.runtime import Invocation

from .log_analytics import OLDEST, Row

log = logging.getLogger(__name__)

type Sink = Callable[[str, Row, datetime], None]  # table, row, when it arrived: Workspace.add
type Clock = Callable[[], datetime]  # now, in UTC

INSTRUMENTATION_KEY = "b0220a2d-0000-4000-8000-000000000000"  # of the only resource there is
_INSTANCE = uuid.uuid4().hex  # this process
_TAGS = {
    "AppRoleInstance": "ai.cloud.roleInstance",
    "AppRoleName": "ai.cloud.role",
    "AppVersion": "ai.application.ver",
    "ClientType": "ai.device.type",
    "OperationId": "ai.operation.id",
    "OperationName": "ai.operation.name",
    "ParentId": "ai.operation.parentId",
    "SDKVersion": "ai.internal.sdkVersion",
    "SyntheticSource": "ai.operation.syntheticSource",
    "UserId": "ai.user.id",
}
_DURATION = re.compile(r"(?:(\d+)\.)?(\d\d):(\d\d):(\d\d(?:\.\d+)?)")  # days.hours:minutes:seconds


class Telemetry(Struct, rename="camel"):
    """What all kinds have."""

    properties: dict[str, str] = {}
    measurements: dict[str, float] = {}

    def rows(self) -> Iterator[tuple[str, Row]]:
        """Table and columns of each row it makes; `properties` and the like are added to them."""
        raise NotImplementedError


class MessageData(Telemetry, kw_only=True):
    message: str
    severity_level: int | None = None

    def rows(self) -> Iterator[tuple[str, Row]]:
        yield "AppTraces", {"Message": self.message, "SeverityLevel": self.severity_level}


class EventData(Telemetry, kw_only=True):
    name: str

    def rows(self) -> Iterator[tuple[str, Row]]:
        yield "AppEvents", {"Name": self.name}


class ExceptionDetails(Struct, rename="camel"):
    message: str
    type_name: str = ""
    stack: str = ""


class ExceptionData(Telemetry, kw_only=True):
    exceptions: Annotated[list[ExceptionDetails], Meta(min_length=1)]
    severity_level: int | None = None

    def rows(self) -> Iterator[tuple[str, Row]]:
        outer, innermost = self.exceptions[0], self.exceptions[-1]
        yield (
            "AppExceptions",
            {
                "Details": [
                    {"type": part.type_name, "message": part.message, "rawStack": part.stack}
                    for part in self.exceptions
                ],
                "ExceptionType": outer.type_name,
                "InnermostMessage": innermost.message,
                "InnermostType": innermost.type_name,
                "OuterMessage": outer.message,
                "OuterType": outer.type_name,
                "ProblemId": outer.type_name,
                "SeverityLevel": self.severity_level,
            },
        )


class RequestData(Telemetry, kw_only=True):
    id: str
    duration: str
    response_code: str
    success: bool
    name: str = ""
    source: str = ""
    url: str = ""

    def rows(self) -> Iterator[tuple[str, Row]]:
        yield (
            "AppRequests",
            {
                "DurationMs": _milliseconds(self.duration),
                "Id": self.id,
                "Name": self.name,
                "ResultCode": self.response_code,
                "Source": self.source,
                "Success": self.success,
                "Url": self.url,
            },
        )


class RemoteDependencyData(Telemetry, kw_only=True):
    name: str
    duration: str
    data: str = ""
    id: str = ""
    result_code: str = ""
    success: bool = True
    target: str = ""
    type: str = ""

    def rows(self) -> Iterator[tuple[str, Row]]:
        yield (
            "AppDependencies",
            {
                "Data": self.data,
                "DependencyType": self.type,
                "DurationMs": _milliseconds(self.duration),
                "Id": self.id,
                "Name": self.name,
                "ResultCode": self.result_code,
                "Success": self.success,
                "Target": self.target,
            },
        )


class DataPoint(Struct, rename="camel"):
    name: str
    value: float  # a sum where count is more than 1
    count: int | None = None
    max: float | None = None
    min: float | None = None


class MetricData(Telemetry, kw_only=True):
    metrics: list[DataPoint]

    def rows(self) -> Iterator[tuple[str, Row]]:
        for point in self.metrics:
            yield (
                "AppMetrics",
                {
                    "ItemCount": point.count or 1,
                    "Max": point.value if point.max is None else point.max,
                    "Min": point.value if point.min is None else point.min,
                    "Name": point.name,
                    "Sum": point.value,
                },
            )


_KINDS: dict[str, type[Telemetry]] = {
    kind.__name__: kind
    for kind in (MessageData, EventData, ExceptionData, RequestData, RemoteDependencyData, MetricData)
}


class Data(Struct, rename="camel"):
    base_type: str
    base_data: Raw


class Envelope(Struct, rename="camel"):
    time: Annotated[datetime, Meta(tz=True)]
    i_key: str
    data: Data
    tags: dict[str, str] = {}
    sample_rate: Annotated[float, Meta(gt=0, le=100)] = 100.0  # percent: 50 stands for two items like this one


class Insights:
    """The endpoint. What it accepts goes to `sink`; `clock` says when."""

    def __init__(self, sink: Sink, clock: Clock) -> None:
        self._sink = sink
        self._clock = clock

    @property
    def routes(self) -> list[Route]:
        # An IngestionEndpoint ends in a slash, and the exporter adds a path that begins with one.
        paths = ("/v2.1/track", "//v2.1/track", "/v2/track", "//v2/track")
        return [Route(path, self._track, methods=["POST"]) for path in paths]

    async def _track(self, request: Request) -> Response:
        body = await request.body()
        try:
            items = _items(gzip.decompress(body) if request.headers.get("content-encoding") == "gzip" else body)
        except (OSError, EOFError, zlib.error, msgspec.DecodeError) as error:
            return _answer(0, [{"index": 0, "statusCode": 400, "message": f"The body cannot be read: {error}"}])
        now = self._clock()
        errors = []
        for index, item in enumerate(items):
            try:
                for table, row in _rows(item, now):
                    self._sink(table, row, now)
            except ValueError as error:
                log.warning("telemetry refused: %s", error)
                errors.append({"index": index, "statusCode": 400, "message": str(error)})
        return _answer(len(items), errors)


def _answer(received: int, errors: list[dict[str, Any]]) -> Response:
    accepted = received - len(errors) if received else 0
    status = 200 if not errors else 206 if accepted else 400
    return JSONResponse({"itemsReceived": received, "itemsAccepted": accepted, "errors": errors}, status)


def _items(body: bytes) -> list[Raw | bytes]:
    """The envelopes in a body: a JSON array, or one a line. Raises DecodeError where an array is broken."""
    body = body.strip()
    return list(msgspec.json.decode(body, type=list[Raw])) if body.startswith(b"[") else list(body.splitlines())


def _rows(item: Raw | bytes, now: datetime) -> Iterator[tuple[str, Row]]:
    """Table and row of everything in an envelope. Raises ValueError, which says what is wrong with it."""
    envelope = msgspec.json.decode(item, type=Envelope)
    if envelope.i_key.lower() != INSTRUMENTATION_KEY:
        raise ValueError("Invalid instrumentation key")
    if (age := now - envelope.time) > OLDEST:
        raise ValueError(f"103: Field 'time' on type 'Envelope' is older than the allowed min date: {age} ago")
    kind = _KINDS.get(envelope.data.base_type)
    if kind is None:
        raise ValueError(f"There is no table for {envelope.data.base_type!r}")
    telemetry = msgspec.json.decode(envelope.data.base_data, type=kind)
    shared: Row = {
        **{column: envelope.tags[tag] for column, tag in _TAGS.items() if tag in envelope.tags},
        "IKey": envelope.i_key,
        "ItemCount": round(100 / envelope.sample_rate),
        "Measurements": telemetry.measurements,
        "Properties": telemetry.properties,
        "TimeGenerated": envelope.time.astimezone(UTC),
    }
    for table, columns in telemetry.rows():
        yield table, {**shared, **columns, "Type": table}


def _milliseconds(duration: str) -> float:
    """Raises ValueError."""
    parts = _DURATION.fullmatch(duration)
    if parts is None:
        raise ValueError(f"Field 'duration' is not a valid time span: {duration!r}")
    days, hours, minutes, seconds = (float(part or 0) for part in parts.groups())
    return (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000


def request_row(invocation: Invocation) -> Row:
    """What the platform itself writes into AppRequests for every call of a function.

    To it a call succeeded when the function came to its end, whatever it answered: 500s are to be found by ResultCode.
    """
    _, trace, span, _ = invocation.traceparent.split("-")
    return {
        "TimeGenerated": invocation.started,
        "AppRoleInstance": _INSTANCE,
        "DurationMs": invocation.seconds * 1000,
        "IKey": INSTRUMENTATION_KEY,
        "Id": span,
        "ItemCount": 1,
        "Name": invocation.function,
        "OperationId": trace,
        "OperationName": invocation.function,
        "Properties": {},
        "ResultCode": str(invocation.status),
        "Success": invocation.succeeded,
        "Type": "AppRequests",
        "Url": invocation.url,
    }
