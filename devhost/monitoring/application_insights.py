"""Application Insights on one machine: the ingestion endpoint, and the requests that the platform itself records."""

import logging
import uuid
import zlib
from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from devhost.host.invoker import Invocation
from devhost.host.local_requests import HostCheck, is_cross_site
from devhost.host.problems import EXCEPTION_HANDLERS, problem
from devhost.host.request_bodies import BodyLimits, BodyReader, BodyRefused

from .log_analytics import Row
from .telemetry_items import INSTRUMENTATION_KEY, parse_item, split_body

log = logging.getLogger(__name__)

type Sink = Callable[[str, Row, datetime], None]  # table, row, ingestion time: Workspace.add
type Clock = Callable[[], datetime]  # the current time in UTC

# The exporter sends 512 items at a time, of about a kilobyte each.
_MAX_BODY_BYTES = 4_194_304  # as it is sent, and again when it is decompressed
_MAX_ITEMS = 64_000  # a batch, https://learn.microsoft.com/azure/azure-monitor/service-limits#application-insights
_INSTANCE = uuid.uuid4().hex  # identifies this process in AppRoleInstance


class IngestionEndpoint:
    """Pass accepted telemetry to `sink`, with the time of `clock` as its ingestion time."""

    def __init__(self, sink: Sink, clock: Clock) -> None:
        self._sink = sink
        self._clock = clock
        self._bodies = BodyReader(BodyLimits(max_bytes=_MAX_BODY_BYTES))

    @property
    def app(self) -> Starlette:
        """The endpoint as an ASGI app. Pages of other sites get 403."""
        # An IngestionEndpoint ends with a slash, and the exporter appends a path that begins with one.
        paths = ("/v2.1/track", "//v2.1/track", "/v2/track", "//v2/track")
        return Starlette(
            routes=[Route(path, self._track, methods=["POST"]) for path in paths],
            middleware=[Middleware(HostCheck)],
            exception_handlers=EXCEPTION_HANDLERS,
        )

    async def _track(self, request: Request) -> Response:
        if is_cross_site(request):
            return problem(403)
        try:
            async with self._bodies.read(request) as body:
                return self._accept(_decompress(body) if request.headers.get("content-encoding") == "gzip" else body)
        except BodyRefused as error:
            return problem(error.status, {"connection": "close"})
        except ClientDisconnect:
            return Response()  # nobody receives it
        except (zlib.error, msgspec.DecodeError, RecursionError) as error:
            return _respond(0, [{"index": 0, "statusCode": 400, "message": f"The body cannot be read: {error}"}])

    def _accept(self, body: bytes) -> Response:
        """Pass the items in a body on. Raises DecodeError if it is a broken array, BodyRefused if it has too many."""
        if body.count(b"\n") > _MAX_ITEMS or len(items := split_body(body)) > _MAX_ITEMS:
            raise BodyRefused(413)
        now = self._clock()
        errors = []
        for index, item in enumerate(items):
            try:
                for table, row in parse_item(item, now):
                    self._sink(table, row, now)
            except (ValueError, RecursionError) as error:
                log.warning("telemetry rejected: %s", error)
                errors.append({"index": index, "statusCode": 400, "message": str(error)})
        return _respond(len(items), errors)


def _decompress(body: bytes) -> bytes:
    """Return the content of a gzip body. Raises zlib.error if it is damaged, BodyRefused(413) if it is too large."""
    decompressor = zlib.decompressobj(wbits=zlib.MAX_WBITS + 16)  # gzip
    content = decompressor.decompress(body, _MAX_BODY_BYTES + 1)
    if len(content) > _MAX_BODY_BYTES:
        raise BodyRefused(413)
    if not decompressor.eof or decompressor.unused_data:
        raise zlib.error("it is not one complete gzip stream")
    return content


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
