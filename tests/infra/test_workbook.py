"""infra/workbook.json: every query is valid."""

import json
from datetime import UTC, datetime, timedelta

from devhost.monitoring.log_analytics import Workspace
from infra.lint_queries import lint, read_schema
from tests.support.paths import ROOT

WORKBOOK = json.loads((ROOT / "infra/workbook.json").read_text())


def test_every_chart_has_a_valid_query() -> None:
    charts = {item["name"]: item["content"] for item in WORKBOOK["items"] if item["type"] == 3}
    assert {name.partition(":")[0] for name in charts} >= {"Traffic", "Decisions", "Drift", "Feedback"}
    assert all(chart["timeContextFromParameter"] == "TimeRange" for chart in charts.values())
    linted = lint({name: chart["query"] for name, chart in charts.items()})
    assert {name: found.problems for name, found in linted.items() if found.problems} == {}


def test_exceptions_are_grouped_by_type() -> None:
    """Their messages differ, because each names its request."""
    (query,) = (item["content"]["query"] for item in WORKBOOK["items"] if item["name"] == "Exceptions")
    workspace, noon = Workspace(read_schema()), datetime(2026, 11, 22, 12, tzinfo=UTC)
    for minute, kind in enumerate(("ServiceRequestError", "ServiceRequestError", "ValueError")):
        failure = {"ExceptionType": kind, "OuterMessage": f"request {minute} failed"}
        workspace.add("AppExceptions", failure | {"TimeGenerated": noon + timedelta(minutes=minute)}, noon)
    found = workspace.query(query, noon - timedelta(hours=1), noon + timedelta(hours=1))
    assert [(row["ExceptionType"], row["Times"], row["Message"]) for row in found] == [
        ("ValueError", 1, "request 2 failed"),
        ("ServiceRequestError", 2, "request 1 failed"),
    ]
