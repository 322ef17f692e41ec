"""The workbook: every chart asks what the workspace can answer."""

import json
from datetime import UTC, datetime, timedelta

from devhost.monitoring.log_analytics import Workspace
from infra.lint_queries import lint, schema
from tests.support.paths import ROOT

BOOK = json.loads((ROOT / "infra/workbook.json").read_text())


def test_every_chart_of_the_workbook_asks_what_the_workspace_can_answer() -> None:
    charts = {item["name"]: item["content"] for item in BOOK["items"] if item["type"] == 3}
    assert {name.partition(":")[0] for name in charts} >= {"Traffic", "Decisions", "Drift", "Feedback"}
    assert all(chart["timeContextFromParameter"] == "TimeRange" for chart in charts.values())
    linted = lint({name: chart["query"] for name, chart in charts.items()})
    assert {name: found.problems for name, found in linted.items() if found.problems} == {}


def test_failures_of_a_kind_are_one_row_of_the_workbook() -> None:
    """Though the message of each names its request."""
    (query,) = (item["content"]["query"] for item in BOOK["items"] if item["name"] == "Exceptions")
    workspace, noon = Workspace(schema()), datetime(2026, 11, 22, 12, tzinfo=UTC)
    for minute, kind in enumerate(("ServiceRequestError", "ServiceRequestError", "ValueError")):
        failure = {"ExceptionType": kind, "OuterMessage": f"request {minute} failed"}
        workspace.add("AppExceptions", failure | {"TimeGenerated": noon + timedelta(minutes=minute)}, noon)
    found = workspace.query(query, noon - timedelta(hours=1), noon + timedelta(hours=1))
    assert [(row["ExceptionType"], row["Times"], row["Message"]) for row in found] == [
        ("ValueError", 1, "request 2 failed"),
        ("ServiceRequestError", 2, "request 1 failed"),
    ]
