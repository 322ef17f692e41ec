"""What the OpenAPI document shows is true: its examples work when they are tried, its errors are those of the code."""

import ast
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx
import jsonschema_rs
import pytest

from tests.support.app import FUNCTION_KEY, INCIDENT_KEY, App
from tests.support.paths import ROOT

METHODS = {"get", "post", "delete"}


class Try(NamedTuple):
    """A request as somebody sends it who presses Execute."""

    method: str
    path: str
    body: Any
    responses: dict[str, Any]

    def send(self, app: App) -> httpx.Response:
        body = {} if self.body is None else {"json": self.body}
        keys: Any = {"headers": {"x-functions-key": FUNCTION_KEY}, "params": {"key": INCIDENT_KEY}}
        return app.http.request(self.method, self.path, **keys, **body)


@pytest.fixture
def document(app: App) -> dict[str, Any]:
    return app.http.get("/api/openapi.json").json()


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            assert method in METHODS
            yield method, path, operation


def contents(operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every media type object: of the request and of the responses."""
    for part in (operation.get("requestBody", {}), *operation["responses"].values()):
        yield from part.get("content", {}).values()


def tries(document: dict[str, Any]) -> Iterator[Try]:
    for method, path, operation in operations(document):
        parameters = {parameter["name"]: parameter["example"] for parameter in operation.get("parameters", [])}
        request = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        bodies = [example["value"] for example in request.get("examples", {}).values()] or [None]
        assert ("requestBody" in operation) == (bodies != [None]), f"{method} {path} has no example"
        yield from (Try(method, path.format(**parameters), body, operation["responses"]) for body in bodies)


def fits(document: dict[str, Any], schema: dict[str, Any], value: Any) -> None:
    """Raises ValidationError."""
    jsonschema_rs.validate({**schema, "components": document["components"]}, value)


def test_every_operation_is_told_and_every_body_has_an_example(document: dict[str, Any]) -> None:
    groups = {tag["name"] for tag in document["tags"]}
    for method, path, operation in operations(document):
        assert operation["summary"] and operation["description"], (method, path)
        assert set(operation["tags"]) <= groups
        assert all(content["examples"] for content in contents(operation)), (method, path)


def test_every_example_is_what_its_schema_says(document: dict[str, Any]) -> None:
    for _, _, operation in operations(document):
        for content in contents(operation):
            for example in content["examples"].values():
                fits(document, content["schema"], example["value"])


def test_every_request_works_when_it_is_tried(app: App, document: dict[str, Any]) -> None:
    answers = set()
    for attempt in tries(document):
        response = attempt.send(app)
        assert response.is_success, (attempt, response.text)
        said = attempt.responses[str(response.status_code)]
        answers.add((attempt.path.split("/")[2], response.status_code))
        if response.content:
            fits(document, said["content"][response.headers["content-type"]]["schema"], response.json())
    assert answers >= {("predict", 200), ("feedback", 201), ("feedback", 204), ("incidents", 200)}


def test_what_is_tried_can_be_tried_again_and_by_anybody(app: App, document: dict[str, Any]) -> None:
    """Feedback is stored once for a receipt, and receipts expire: each document has its own."""
    another = app.http.get("/api/openapi.json").json()
    for loaded, statuses in ((document, [201, 201]), (another, [201, 201]), (document, [200, 200])):
        feedback = [attempt for attempt in tries(loaded) if attempt.path == "/api/feedback"]
        assert [attempt.send(app).status_code for attempt in feedback] == statuses


def test_what_is_tried_raises_no_alarm_and_leaves_no_text(document: dict[str, Any]) -> None:
    bodies = [attempt.body for attempt in tries(document) if attempt.body]
    feedback = [body for body in bodies if "prediction_id" in body]
    assert feedback and all(body["correct"] is True and not body.get("share_text") for body in feedback)
    alerts = [body["data"]["essentials"] for body in bodies if "schemaId" in body]
    assert [essentials["monitorCondition"] for essentials in alerts] == ["Resolved"]


def raised() -> set[tuple[str, str]]:
    """Status and title of every problem in the code."""
    found = set()
    for module in (ROOT / "functions").rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Problem":
                status, title = (ast.literal_eval(argument) for argument in node.args[:2])
                found.add((str(status), title.lower().replace(" ", "-")))
    return found


def test_the_table_of_errors_has_those_of_the_code_and_no_others(document: dict[str, Any]) -> None:
    told = re.findall(r"^\| (\d+) \| `([\w-]+)` \| \w.*\. \| \w.*\. \|$", document["info"]["description"], re.MULTILINE)
    assert len(told) > 10
    assert sorted(told) == sorted(raised())


def test_the_guide_tells_every_status() -> None:
    errors = (ROOT / "docs" / "api.md").read_text().partition("\n## Errors\n")[2].partition("\n## ")[0]
    told = {status for cell in re.findall(r"^\| ([\d, ]+) \|", errors, re.MULTILINE) for status in cell.split(", ")}
    assert {status for status, _ in raised()} <= told


def test_an_error_is_shown_under_its_status(document: dict[str, Any]) -> None:
    table = set(re.findall(r"^\| (\d+) \| `([\w-]+)` ", document["info"]["description"], re.MULTILINE))
    for _, _, operation in operations(document):
        for status, response in operation["responses"].items():
            content = response.get("content", {}).get("application/problem+json", {})
            for problem in (example["value"] for example in content.get("examples", {}).values()):
                assert str(problem["status"]) == status
                assert (status, problem["type"].removeprefix("urn:buzzguard:problem:")) in table
