"""GET /api/openapi.json: the contract, generated from the very types that decode the requests."""

import re
from functools import cache
from typing import Annotated, Any

import azure.functions as func
import msgspec
from msgspec import Meta

from .http import OPERATIONS, Answer, Operation, ProblemDetails, endpoint

_REFERENCES = "#/components/schemas/{name}"
_PROBLEMS = {
    400: "The body is not JSON, or not what the schema asks for",
    401: "The function key is missing or wrong",
    409: "A different feedback is already stored for this prediction",
    410: "The receipt has expired",
    413: "The body is too large",
    415: "The content-type is not application/json",
    422: "The receipt is not ours, or not for this text",
    503: "The model, the feedback store or the mail server is not available",
}

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
    return Answer(200, document())


@cache
def document() -> bytes:
    """The OpenAPI 3.1 document, as JSON."""
    types = [ProblemDetails]
    for operation in OPERATIONS:
        types += [t for t in (operation.body, *operation.answers.values()) if t is not None]
    schemas, components = msgspec.json.schema_components(types, ref_template=_REFERENCES)
    schema_of = {repr(t): schema for t, schema in zip(types, schemas, strict=True)}
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _describe(operation, schema_of)
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "Buzzguard",
                "version": "1",
                "description": "Will this tweet be read as positive or negative? Ask before you publish.",
            },
            "paths": paths,
            "components": {
                "schemas": components,
                "securitySchemes": {"functionKey": {"type": "apiKey", "in": "header", "name": "x-functions-key"}},
            },
        }
    )


def _describe(operation: Operation, schema_of: dict[str, Any]) -> dict[str, Any]:
    """An operation object: https://spec.openapis.org/oas/v3.1.0#operation-object"""
    responses = {str(status): _response("Done", payload, schema_of) for status, payload in operation.answers.items()}
    for status in operation.problems:
        responses[str(status)] = _response(_PROBLEMS[status], ProblemDetails, schema_of)
    if operation.secured:  # answered by the host, in its own way, before the app is asked
        responses["401"] = _response(_PROBLEMS[401], None, schema_of)
    described: dict[str, Any] = {
        "operationId": f"{operation.method.lower()}_{re.sub(r'\W+', '_', operation.path).strip('_')}",
        "summary": operation.summary,
        "responses": responses,
    }
    if names := re.findall(r"\{(\w+)\}", operation.path):
        string = {"type": "string", "minLength": 1, "maxLength": 512, "pattern": r"^[\w.-]+$"}
        described["parameters"] = [{"name": name, "in": "path", "required": True, "schema": string} for name in names]
    if operation.body is not None:
        content = {"application/json": {"schema": schema_of[repr(operation.body)]}}
        described["requestBody"] = {"required": True, "content": content}
    if operation.secured:
        described["security"] = [{"functionKey": []}]
    return described


def _response(description: str, payload: Any, schema_of: dict[str, Any]) -> dict[str, Any]:
    request_id = {"description": "Names this request in the logs", "schema": {"type": "string"}}
    response: dict[str, Any] = {"description": description, "headers": {"x-request-id": request_id}}
    if payload is not None:
        media_type = "application/problem+json" if payload is ProblemDetails else "application/json"
        response["content"] = {media_type: {"schema": schema_of[repr(payload)]}}
    return response
