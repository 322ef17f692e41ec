"""Schemathesis tests the running app against its own OpenAPI document."""

import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.support.app import FUNCTION_KEY, INCIDENT_KEY, App


@pytest.fixture(scope="session")
def document(app: App) -> schemathesis.BaseSchema:
    return schemathesis.openapi.from_url(f"{app.http.base_url}/api/openapi.json")


schema = schemathesis.pytest.from_fixture("document")


@schema.parametrize()
@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_every_response_matches_the_document(case: schemathesis.Case) -> None:
    # A generated prediction id matches the schema, but has no valid signature.
    excluded = [positive_data_acceptance] if "feedback" in case.operation.path else []
    keys: dict[str, dict[str, str]] = {"headers": {"x-functions-key": FUNCTION_KEY}}
    if "key" in case.query:  # otherwise schemathesis tests a request without it
        keys["params"] = {"key": INCIDENT_KEY}
    case.call_and_validate(excluded_checks=excluded, **keys)


def test_document_is_openapi_3_1(app: App) -> None:
    document = app.http.get("/api/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    for name, component in document["components"]["schemas"].items():
        assert jsonschema_rs.meta.is_valid(component), name
