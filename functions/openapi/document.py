"""The OpenAPI document. Its schemas come from the types that decode requests and encode responses."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from functions.shared.api import FUNCTION_KEY, INCIDENT_KEY, Operation
from functions.shared.problems import BODY_PROBLEMS, PROBLEMS, FieldError, ProblemDetails, ProblemType

from .examples import ABOUT, ENTRIES, GROUPS, Entry

_REFERENCES = "#/components/schemas/{name}"
_SECURITY_SCHEMES = {
    FUNCTION_KEY: {"type": "apiKey", "in": "header", "name": "x-functions-key"},
    INCIDENT_KEY: {"type": "apiKey", "in": "query", "name": "key"},
}
_REQUEST_ID = {"x-request-id": {"description": "The id of this request in the logs", "schema": {"type": "string"}}}
_RETRY_AFTER = {
    "Retry-After": {
        "description": "Seconds to wait before the same request is sent again",
        "schema": {"type": "integer"},
    }
}


def document(operations: Iterable[Operation]) -> bytes:
    """Return the OpenAPI 3.1 document as JSON, in a few milliseconds."""
    documented = [operation for operation in operations if operation.documented]
    types = [ProblemDetails]
    for operation in documented:
        types += [t for t in (operation.body, *operation.responses.values()) if t is not None]
    schemas, components = msgspec.json.schema_components(types, ref_template=_REFERENCES)
    schema_of = {repr(t): schema for t, schema in zip(types, schemas, strict=True)}
    paths: dict[str, dict[str, Any]] = {}
    for operation in documented:
        entry = ENTRIES[operation.method, operation.path]
        paths.setdefault(operation.path, {})[operation.method.lower()] = _describe(operation, entry, schema_of)
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "Buzzguard",
                "version": "1",
                "description": ABOUT.format(problems=_problem_table()),
            },
            "tags": [{"name": name, "description": text} for name, text in GROUPS.items()],
            "paths": paths,
            "components": {"schemas": components, "securitySchemes": _SECURITY_SCHEMES},
        }
    )


def _problem_table() -> str:
    """Return all problem types as a table in Markdown."""
    rows = [f"| {p.status} | `{p.slug}` | {p.when} | {p.remedy} |" for p in PROBLEMS.values()]
    return "\n".join(["| status | name | when | what to do |", "|---|---|---|---|", *rows])


def _describe(operation: Operation, entry: Entry, schema_of: dict[str, Any]) -> dict[str, Any]:
    """Return an operation object: https://spec.openapis.org/oas/v3.1.0#operation-object"""
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
    for status, payload in operation.responses.items():
        reply = entry.replies[status]
        responses[str(status)] = {"description": reply.description, "headers": _REQUEST_ID}
        if payload is not None:
            schema = schema_of[repr(payload)]
            responses[str(status)]["content"] = _content("application/json", schema, reply.examples)
    if operation.security == FUNCTION_KEY:  # the host answers it before the app is called, without problem details
        responses["401"] = {"description": "The function key is missing or wrong."}
    problems = (*BODY_PROBLEMS, *operation.problems) if operation.body is not None else operation.problems
    for status in sorted({problem.status for problem in problems}):
        same_status = [problem for problem in problems if problem.status == status]
        responses[str(status)] = _problem_response(same_status, schema_of[repr(ProblemDetails)])
    return responses


def _problem_response(problems: Sequence[ProblemType], schema: Any) -> dict[str, Any]:
    """Describe the problems of one status."""
    description = "\n\n".join(f"{problem.when} {problem.remedy}" for problem in problems)
    headers = _REQUEST_ID | (_RETRY_AFTER if any(problem.retry_after for problem in problems) else {})
    examples = {problem.title: _problem_example(problem) for problem in problems}
    content = _content("application/problem+json", schema, examples)
    return {"description": description, "headers": headers, "content": content}


def _problem_example(problem: ProblemType) -> ProblemDetails:
    instance = "urn:buzzguard:request:0af7651916cd43dd8448eb211c80319c"
    errors = [FieldError("Expected str, got int.", "/text")] if problem.field_errors else msgspec.UNSET
    return ProblemDetails(problem.urn, problem.title, problem.status, problem.when.replace("`", ""), instance, errors)


def _content(media_type: str, schema: Any, examples: dict[str, Any]) -> dict[str, Any]:
    """Return a content map with one media type object."""
    return {media_type: {"schema": schema, "examples": {name: {"value": value} for name, value in examples.items()}}}
