"""Convert HTTP requests and responses as Azure's host does for the Python worker."""

import re
import secrets
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response

from .runtime import HttpRequest, HttpResponse

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_SERVER_HEADERS = {"connection", "content-length", "transfer-encoding"}  # set by the server, not by the function


def raw_path(request: Request) -> str:
    """Return the path as it was sent, with its percent-encoding."""
    path: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    return path.decode("latin-1")


def to_function_request(request: Request, route_values: Mapping[str, str | None], body: bytes) -> HttpRequest:
    """Return the request that a function receives."""
    query = request.scope["query_string"].decode("utf-8", "replace")
    traceparent = request.headers.get("traceparent", "")
    has_trace = _TRACEPARENT.fullmatch(traceparent) is not None
    host = request.headers.get("host", "localhost")
    parameters = _join_repeated(parse_qsl(query, keep_blank_values=True))
    return HttpRequest(
        method=request.method,
        url=f"{request.url.scheme}://{host}{raw_path(request)}{'?' if query else ''}{query}",
        headers=_join_repeated(request.headers.items()),
        # Azure's host drops empty query parameters, also ?flag.
        query={name: value for name, value in parameters.items() if value},
        # Azure's host (ToRpcHttp) omits a catch-all that matched nothing.
        route_values={name: value for name, value in route_values.items() if value is not None},
        body=body,
        traceparent=traceparent if has_trace else new_traceparent(),
        tracestate=request.headers.get("tracestate", "") if has_trace else "",
    )


def new_traceparent() -> str:
    """Return a W3C traceparent of a new trace."""
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"


def to_asgi_response(response: HttpResponse) -> Response:
    """Return the response that the caller receives."""
    asgi = Response(response.body if response.status not in (204, 205, 304) else None, response.status)
    headers = [(name.lower(), value) for name, value in response.headers if name.lower() not in _SERVER_HEADERS]
    asgi.raw_headers += [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    return asgi


def _join_repeated(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Join the values of a repeated name with commas. The case of a name does not matter, the first spelling stays.

    Azure's host (ToRpcHttp) does this for headers and query parameters.
    """
    joined: dict[str, str] = {}
    spellings: dict[str, str] = {}
    for name, value in pairs:
        name = spellings.setdefault(name.lower(), name)
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined
