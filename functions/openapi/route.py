"""GET /api/openapi.json: the contract of the API."""

from functools import lru_cache, partial
from typing import Annotated, Any

import azure.functions as func
from msgspec import Meta

from functions.shared.api import Api, Operation
from functions.shared.http import ApiResponse

OPENAPI = Operation(
    name="openapi",
    method="GET",
    path="/api/openapi.json",
    summary="This document",
    security=None,
    responses={200: Annotated[dict[str, Any], Meta(description="OpenAPI 3.1")]},
)


def register(api: Api) -> None:
    api.add(OPENAPI, partial(openapi, api))


async def openapi(api: Api, _: func.HttpRequest, __: None) -> ApiResponse:
    return ApiResponse(200, _document(api))


@lru_cache(maxsize=1)
def _document(api: Api) -> bytes:
    """Return the document, built once: every operation is added before the first request."""
    from .document import document  # imported lazily: /api/predict must not pay for it

    return document(api.operations)
