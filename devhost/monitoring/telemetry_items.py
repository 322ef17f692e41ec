"""The items that Application Insights' exporters send, and the table rows that they become.

Sources: Microsoft's reference of the tables (infra/workspace.json has the columns) and the protocol's schema
(ApplicationInsights-Home, EndpointSpecs).
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated

import msgspec
from msgspec import Meta, Raw, Struct

from .log_analytics import MAX_AGE, Row

INSTRUMENTATION_KEY = "b0220a2d-0000-4000-8000-000000000000"  # of the only resource
_COLUMN_TAGS = {
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


type _Int = Annotated[int, Meta(ge=-(2**31), lt=2**31)]  # what a column of type int holds


class Telemetry(Struct, rename="camel"):
    """The fields that all types of telemetry have."""

    properties: dict[str, str] = {}
    measurements: dict[str, float] = {}

    def rows(self) -> Iterator[tuple[str, Row]]:
        """Yield table and columns of each row. `parse_item` adds the columns that all tables have."""
        raise NotImplementedError


class MessageData(Telemetry, kw_only=True):
    message: str
    severity_level: _Int | None = None

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
    severity_level: _Int | None = None

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
                "DurationMs": _parse_milliseconds(self.duration),
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
                "DurationMs": _parse_milliseconds(self.duration),
                "Id": self.id,
                "Name": self.name,
                "ResultCode": self.result_code,
                "Success": self.success,
                "Target": self.target,
            },
        )


class DataPoint(Struct, rename="camel"):
    name: str
    value: float  # the sum if count is more than 1
    count: _Int | None = None
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


_TYPES: dict[str, type[Telemetry]] = {
    type_.__name__: type_
    for type_ in (MessageData, EventData, ExceptionData, RequestData, RemoteDependencyData, MetricData)
}


class Data(Struct, rename="camel"):
    base_type: str
    base_data: Raw


class Envelope(Struct, rename="camel"):
    time: Annotated[datetime, Meta(tz=True)]
    i_key: str
    data: Data
    tags: dict[str, str] = {}
    sample_rate: Annotated[float, Meta(ge=1e-6, le=100)] = 100.0  # percent: at 50, one item represents two


def split_body(body: bytes) -> list[Raw | bytes]:
    """Return the items in a request body: a JSON array, or one item per line. Raises DecodeError for a broken array."""
    body = body.strip()
    return list(msgspec.json.decode(body, type=list[Raw])) if body.startswith(b"[") else list(body.splitlines())


def parse_item(item: Raw | bytes, now: datetime) -> Iterator[tuple[str, Row]]:
    """Yield table and row of everything in an item. Raises ValueError, with the reason, if it is invalid."""
    envelope = msgspec.json.decode(item, type=Envelope)
    if envelope.i_key.lower() != INSTRUMENTATION_KEY:
        raise ValueError("Invalid instrumentation key")
    if (age := now - envelope.time) > MAX_AGE:
        raise ValueError(f"103: Field 'time' on type 'Envelope' is older than the allowed min date: {age} ago")
    type_ = _TYPES.get(envelope.data.base_type)
    if type_ is None:
        raise ValueError(f"There is no table for {envelope.data.base_type!r}")
    telemetry = msgspec.json.decode(envelope.data.base_data, type=type_)
    shared: Row = {
        **{column: envelope.tags[tag] for column, tag in _COLUMN_TAGS.items() if tag in envelope.tags},
        "IKey": envelope.i_key,
        "ItemCount": round(100 / envelope.sample_rate),
        "Measurements": telemetry.measurements,
        "Properties": telemetry.properties,
        "TimeGenerated": _to_utc(envelope.time),
    }
    for table, columns in telemetry.rows():
        yield table, {**shared, **columns, "Type": table}


def _to_utc(time: datetime) -> datetime:
    try:
        return time.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"Field 'time' on type 'Envelope' is no time in UTC: {time.isoformat()}") from error


def _parse_milliseconds(duration: str) -> float:
    """Return a time span in milliseconds. Raises ValueError if `duration` is none."""
    parts = _DURATION.fullmatch(duration)
    if parts is None:
        raise ValueError(f"Field 'duration' is not a valid time span: {duration!r}")
    days, hours, minutes, seconds = (float(part or 0) for part in parts.groups())
    return (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000
