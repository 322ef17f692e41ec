"""RFC 9457 responses of the host itself."""

from collections.abc import Mapping
from http import HTTPStatus

from starlette.responses import JSONResponse, Response


def problem(status: int, headers: Mapping[str, str] | None = None, detail: str | None = None) -> Response:
    """Return a problem without a type of its own: the status says it all."""
    content = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status}
    if detail:
        content["detail"] = detail
    return JSONResponse(content, status, headers, media_type="application/problem+json")
