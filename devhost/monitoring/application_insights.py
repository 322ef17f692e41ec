"""Application Insights on one machine: the ingestion endpoint, and the requests that the platform itself records."""

import gzip
import logging
import uuid
import zlib
from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from devhost.host.invoker import Invocation

from .log_analytics import Row
from .telemetry_items import INSTRUMENTATION_KEY, parse_item, split_body

log = logging.getLogger(__name__)

type Sink = Callable[[str, Row, datetime], None]  # table, row, ingestion time: Workspace.add
type Clock = Callable[[], datetime]  # the current time in UTC

_INSTANCE = uuid.uuid4().hex  # identifies this process in AppRoleInstance


class IngestionEndpoint:
    """Pass accepted telemetry to `sink`, with the time of `clock` as its ingestion time."""

    def __init__(self, sink: Sink, clock: Clock) -> None:
        self._sink = sink
        self._clock = clock

    @property
    def routes(self) -> list[Route]:
        # An IngestionEndpoint ends with a slash, and the exporter appends a path that begins with one.
        paths = ("/v2.1/track", "//v2.1/track", "/v2/track", "//v2/track")
        return [Route(path, self._track, methods=["POST"]) for path in paths]

    async def _track(self, request: Request) -> Response:
        body = await request.body()
        try:
            items = split_body(gzip.decompress(body) if request.headers.get("content-encoding") == "gzip" else body)
        except (OSError, EOFError, zlib.error, msgspec.DecodeError) as error:
            return _respond(0, [{"index": 0, "statusCode": 400, "message": f"The body cannot be read: {error}"}])
        now = self._clock()
        errors = []
        for index, item in enumerate(items):
            try:
                for table, row in parse_item(item, now):
                    self._sink(table, row, now)
            except ValueError as error:
                log.warning("telemetry rejected: %s", error)
                errors.append({"index": index, "statusCode": 400, "message": str(error)})
        return _respond(len(items), errors)


def _respond(received: int, errors: list[dict[str, Any]]) -> Response:
    accepted = received - len(errors) if received else 0
    status = 200 if not errors else 206 if accepted else 400
    return JSONResponse({"itemsReceived": received, "itemsAccepted": accepted, "errors": errors}, status)


def request_row(invocation: Invocation) -> Row:
    """Return the row that the platform writes into AppRequests for every call of a function.

    Success means that the function returned, whatever the status of its response. Queries for errors with status 500
    must read ResultCode.
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
