"""GET /api/openapi.json: the contract."""

from typing import Annotated, Any

import azure.functions as func
from msgspec import Meta

from functions.shared.http import Answer, endpoint

blueprint = func.Blueprint()


@endpoint(
    blueprint,
    "GET",
    "/api/openapi.json",
    summary="This document",
    auth_level="anonymous",
    answers={200: Annotated[dict[str, Any], Meta(description="OpenAPI 3.1")]},
)
async def openapi(_: func.HttpRequest, __: None) -> Answer:
    from .document import document  # late: who asks for a verdict needs none of it

    return Answer(200, document())
