"""What the Functions host makes of an HTTP request before the Python worker gets it, and of the reply after."""

import re
import secrets
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response

from .runtime import HttpCall, HttpReply

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_OURS_TO_SAY = {"connection", "content-length", "transfer-encoding"}  # the server frames the answer, not the function


def raw_path(request: Request) -> str:
    raw: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    return raw.decode("latin-1")


def to_call(request: Request, parameters: Mapping[str, str | None], body: bytes) -> HttpCall:
    query = request.scope["query_string"].decode("utf-8", "replace")
    traceparent = request.headers.get("traceparent", "")
    known = _TRACEPARENT.fullmatch(traceparent) is not None
    host = request.headers.get("host", "localhost")
    return HttpCall(
        method=request.method,
        url=f"{request.url.scheme}://{host}{raw_path(request)}{'?' if query else ''}{query}",
        headers=_joined(request.headers.items()),
        # Functions' host keeps no query parameter that is empty, not even ?flag
        query={name: value for name, value in _joined(parse_qsl(query, keep_blank_values=True)).items() if value},
        # ToRpcHttp leaves out a catch-all that found nothing
        parameters={name: value for name, value in parameters.items() if value is not None},
        body=body,
        traceparent=traceparent if known else new_traceparent(),
        tracestate=request.headers.get("tracestate", "") if known else "",
    )


def new_traceparent() -> str:
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"


def _joined(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """One text for each name. Repeated values are joined with a comma, names that differ only in case are one: so does
    Functions' host (ToRpcHttp) before the Python worker gets them, for headers and query parameters alike."""
    joined: dict[str, str] = {}
    spelling: dict[str, str] = {}
    for name, value in pairs:
        name = spelling.setdefault(name.lower(), name)
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined


def to_response(reply: HttpReply) -> Response:
    response = Response(reply.body if reply.status not in (204, 205, 304) else None, reply.status)
    headers = [(name.lower(), value) for name, value in reply.headers if name.lower() not in _OURS_TO_SAY]
    response.raw_headers += [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    return response
