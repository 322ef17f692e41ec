"""The examples in the OpenAPI document work, and its errors are those of the code."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, NamedTuple

import httpx
import jsonschema_rs
import pytest

from feedback.errors import InvalidReceipt
from feedback.receipt import Receipts
from functions.openapi.examples import RECEIPT, TEXT
from functions.shared.problems import PROBLEMS
from tests.support.app import FUNCTION_KEY, INCIDENT_KEY, RECEIPT_KEY, App
from tests.support.paths import ROOT

METHODS = {"get", "post", "delete"}
DEPLOYED = ("functions", "feedback", "cloud", "sentiment")


class ExampleRequest(NamedTuple):
    """A request that Swagger UI sends when a reader presses Execute."""

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
    """Yield the media type objects of the request and the responses."""
    for part in (operation.get("requestBody", {}), *operation["responses"].values()):
        yield from part.get("content", {}).values()


def example_requests(document: dict[str, Any]) -> Iterator[ExampleRequest]:
    for method, path, operation in operations(document):
        parameters = {parameter["name"]: parameter["example"] for parameter in operation.get("parameters", [])}
        request = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        bodies = [example["value"] for example in request.get("examples", {}).values()] or [None]
        assert ("requestBody" in operation) == (bodies != [None]), f"{method} {path} has no example"
        yield from (ExampleRequest(method, path.format(**parameters), body, operation["responses"]) for body in bodies)


def validate(document: dict[str, Any], schema: dict[str, Any], value: Any) -> None:
    """Raise ValidationError if `value` does not match the schema."""
    jsonschema_rs.validate({**schema, "components": document["components"]}, value)


def test_every_operation_is_described_and_every_body_has_an_example(document: dict[str, Any]) -> None:
    groups = {tag["name"] for tag in document["tags"]}
    for method, path, operation in operations(document):
        assert operation["summary"] and operation["description"], (method, path)
        assert set(operation["tags"]) <= groups
        assert all(content["examples"] for content in contents(operation)), (method, path)


def test_every_example_matches_its_schema(document: dict[str, Any]) -> None:
    for _, _, operation in operations(document):
        for content in contents(operation):
            for example in content["examples"].values():
                validate(document, content["schema"], example["value"])


def test_every_example_request_works(app: App, document: dict[str, Any]) -> None:
    """Those of feedback do once the reader has put a receipt of a prediction into them."""
    statuses = set()
    for request in example_requests(document):
        response = with_receipt(app, request).send(app)
        assert response.is_success, (request, response.text)
        documented = request.responses[str(response.status_code)]
        statuses.add((request.path.split("/")[2], response.status_code))
        if response.content:
            validate(document, documented["content"][response.headers["content-type"]]["schema"], response.json())
    assert statuses >= {("predict", 200), ("feedback", 201), ("feedback", 204), ("incidents", 200)}


def with_receipt(app: App, request: ExampleRequest) -> ExampleRequest:
    """Return the request with the receipt of a prediction in place of the example, which is none."""
    if "/api/feedback" not in request.path:
        return request
    (prediction,) = app.http.post("/api/predict", json={"text": TEXT}).json()["predictions"]
    receipt = prediction["prediction_id"]
    if request.body is None:
        return request._replace(path=f"/api/feedback/{receipt}")
    return request._replace(body=request.body | {"prediction_id": receipt})


def strings(value: Any) -> Iterator[str]:
    """Yield every string in a JSON document, keys included."""
    match value:
        case dict():
            yield from (text for pair in value.items() for part in pair for text in strings(part))
        case list():
            yield from (text for part in value for text in strings(part))
        case str():
            yield value


def test_no_document_contains_a_receipt_that_the_service_accepts(document: dict[str, Any]) -> None:
    """Otherwise whoever may read a document could report predictions that never happened."""
    receipts = Receipts([RECEIPT_KEY], timedelta(days=30))
    texts = {*strings(document), *(path.read_text() for path in ROOT.glob("docs/**/*.md"))}
    words = {word for text in texts for word in (text, *re.findall(r"[\w.-]+", text))}
    assert RECEIPT in words
    for word in words:
        with pytest.raises(InvalidReceipt):
            receipts.read(word)


def test_receipt_of_the_examples_is_refused(app: App, document: dict[str, Any]) -> None:
    requests = [request for request in example_requests(document) if "/api/feedback" in request.path]
    assert len(requests) == 3
    for request in requests:
        response = request.send(app)
        assert (response.status_code, response.json()["title"]) == (422, "Receipt not ours")


def test_only_a_prediction_signs_a_receipt() -> None:
    deployed = [path for folder in DEPLOYED for path in (ROOT / folder).rglob("*.py")]
    signing = [path.name for path in deployed if re.search(r"receipts?\.sign\(", path.read_text(), re.IGNORECASE)]
    assert signing == ["predict.py"]


def test_example_requests_report_nothing_wrong_and_store_no_text(document: dict[str, Any]) -> None:
    bodies = [request.body for request in example_requests(document) if request.body]
    feedback = [body for body in bodies if "prediction_id" in body]
    assert feedback and all(body["correct"] is True and not body.get("share_text") for body in feedback)
    alerts = [body["data"]["essentials"] for body in bodies if "schemaId" in body]
    assert [essentials["monitorCondition"] for essentials in alerts] == ["Resolved"]


def problem_types() -> set[tuple[str, str]]:
    """Return status and name of every problem type. The app cannot answer with another: Problem refuses it."""
    return {(str(problem.status), problem.slug) for problem in PROBLEMS.values()}


def test_table_of_errors_lists_every_problem_type(document: dict[str, Any]) -> None:
    rows = re.findall(r"^\| (\d+) \| `([\w-]+)` \| \w.*\. \| \w.*\. \|$", document["info"]["description"], re.MULTILINE)
    assert len(rows) > 10
    assert sorted(rows) == sorted(problem_types())


def test_api_guide_lists_every_status() -> None:
    errors = (ROOT / "docs" / "api.md").read_text().partition("\n## Errors\n")[2].partition("\n## ")[0]
    rows = {status for cell in re.findall(r"^\| ([\d, ]+) \|", errors, re.MULTILINE) for status in cell.split(", ")}
    assert {status for status, _ in problem_types()} <= rows


def test_example_error_has_the_status_it_is_shown_under(document: dict[str, Any]) -> None:
    table = set(re.findall(r"^\| (\d+) \| `([\w-]+)` ", document["info"]["description"], re.MULTILINE))
    for _, _, operation in operations(document):
        for status, response in operation["responses"].items():
            content = response.get("content", {}).get("application/problem+json", {})
            for problem in (example["value"] for example in content.get("examples", {}).values()):
                assert str(problem["status"]) == status
                assert (status, problem["type"].removeprefix("urn:buzzguard:problem:")) in table
