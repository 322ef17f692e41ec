"""The OpenAPI document, generated from the very types that decode the requests."""

import re
from typing import Any

import msgspec

from functions.shared.http import OPERATIONS, FieldError, Operation, ProblemDetails
from functions.shared.problems import BY_TITLE, OF_A_BODY, WAIT, Kind, table

from .examples import ABOUT, GROUPS, Entry, entries

_REFERENCES = "#/components/schemas/{name}"
_SECURITY_SCHEMES = {
    "functionKey": {"type": "apiKey", "in": "header", "name": "x-functions-key"},
    "incidentKey": {"type": "apiKey", "in": "query", "name": "key"},
}
_REQUEST_ID = {"x-request-id": {"description": "Names this request in the logs", "schema": {"type": "string"}}}
_RETRY_AFTER = {"Retry-After": {"description": "When to come again, in seconds", "schema": {"type": "integer"}}}


def document() -> bytes:
    """The OpenAPI 3.1 document, as JSON. Takes a millisecond or two; the receipts in it are new each time."""
    documented = [operation for operation in OPERATIONS if operation.documented]
    types = [ProblemDetails]
    for operation in documented:
        types += [t for t in (operation.body, *operation.answers.values()) if t is not None]
    schemas, components = msgspec.json.schema_components(types, ref_template=_REFERENCES)
    schema_of = {repr(t): schema for t, schema in zip(types, schemas, strict=True)}
    told = entries()
    paths: dict[str, dict[str, Any]] = {}
    for operation in documented:
        entry = told[operation.method, operation.path]
        paths.setdefault(operation.path, {})[operation.method.lower()] = _describe(operation, entry, schema_of)
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "Buzzguard",
                "version": "1",
                "description": ABOUT.format(problems=table()),
            },
            "tags": [{"name": name, "description": text} for name, text in GROUPS.items()],
            "paths": paths,
            "components": {"schemas": components, "securitySchemes": _SECURITY_SCHEMES},
        }
    )


def _describe(operation: Operation, entry: Entry, schema_of: dict[str, Any]) -> dict[str, Any]:
    """An operation object: https://spec.openapis.org/oas/v3.1.0#operation-object"""
    described: dict[str, Any] = {
        "operationId": f"{operation.method.lower()}_{re.sub(r'\W+', '_', operation.path).strip('_')}",
        "tags": [entry.group],
        "summary": operation.summary,
        "description": entry.description,
        "responses": _responses(operation, entry, schema_of),
    }
    if names := re.findall(r"\{(\w+)\}", operation.path):
        string = {"type": "string", "minLength": 1, "maxLength": 512, "pattern": r"^[\w.-]+$"}
        described["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": string, "example": entry.parameters[name]}
            for name in names
        ]
    if operation.body is not None:
        content = _content("application/json", schema_of[repr(operation.body)], entry.bodies)
        described["requestBody"] = {"required": True, "content": content}
    if operation.security:
        described["security"] = [{operation.security: []}]
    return described


def _responses(operation: Operation, entry: Entry, schema_of: dict[str, Any]) -> dict[str, Any]:
    responses: dict[str, dict[str, Any]] = {}
    for status, payload in operation.answers.items():
        reply = entry.replies[status]
        responses[str(status)] = {"description": reply.description, "headers": _REQUEST_ID}
        if payload is not None:
            schema = schema_of[repr(payload)]
            responses[str(status)]["content"] = _content("application/json", schema, reply.examples)
    if operation.security == "functionKey":  # answered by the host, in its own way, before the app is asked
        responses["401"] = {"description": "The function key is missing or wrong."}
    kinds = [BY_TITLE[title] for title in (*(OF_A_BODY if operation.body is not None else ()), *operation.problems)]
    for status in sorted({kind.status for kind in kinds}):
        alike = [kind for kind in kinds if kind.status == status]
        responses[str(status)] = _problem_response(alike, schema_of[repr(ProblemDetails)])
    return responses


def _problem_response(kinds: list[Kind], schema: Any) -> dict[str, Any]:
    """The problems of one status."""
    description = "\n\n".join(f"{kind.when} {kind.remedy}" for kind in kinds)
    headers = _REQUEST_ID | (_RETRY_AFTER if any(kind.remedy == WAIT for kind in kinds) else {})
    examples = {kind.title: _problem_example(kind) for kind in kinds}
    content = _content("application/problem+json", schema, examples)
    return {"description": description, "headers": headers, "content": content}


def _problem_example(kind: Kind) -> ProblemDetails:
    instance = "urn:buzzguard:request:0af7651916cd43dd8448eb211c80319c"
    faults = [FieldError("Expected str, got int.", "/text")] if kind.title == "Invalid input" else msgspec.UNSET
    return ProblemDetails(kind.type, kind.title, kind.status, kind.when.replace("`", ""), instance, faults)


def _content(media_type: str, schema: Any, examples: dict[str, Any]) -> dict[str, Any]:
    """A media type object, in an object with its name."""
    return {media_type: {"schema": schema, "examples": {name: {"value": value} for name, value in examples.items()}}}
