"""RFC 9457 responses of the host itself."""

from collections.abc import Mapping
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ExceptionHandler


def problem(status: int, headers: Mapping[str, str] | None = None, detail: str | None = None) -> Response:
    """Return a problem without a type of its own: the status says it all."""
    content = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status}
    if detail:
        content["detail"] = detail
    return JSONResponse(content, status, headers, media_type="application/problem+json")


def _http_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return problem(error.status_code, error.headers)


def _failure(request: Request, error: Exception) -> Response:
    return problem(500)  # Starlette raises the exception again, and the server logs it


# For every Starlette app: its own answers are text/plain.
EXCEPTION_HANDLERS: Mapping[type[Exception] | int, ExceptionHandler] = {
    HTTPException: _http_problem,
    Exception: _failure,
}
