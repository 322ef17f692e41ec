"""Queries in the workspace."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from devhost.monitoring.local_monitoring import INFRA
from devhost.monitoring.log_analytics import MAX_AGE, Workspace
from tests.devhost.rules import DAY, MINUTE, NOON, query


@pytest.fixture
def workspace() -> Workspace:
    return Workspace(json.loads((INFRA / "workspace.json").read_text()))


def add(workspace: Workspace, generated: datetime, ingested: datetime, message: str = "m") -> None:
    workspace.add("AppTraces", {"TimeGenerated": generated, "Message": message}, ingested)


def test_query_finds_ingested_rows_of_its_window(workspace: Workspace) -> None:
    for generated, ingested in ((0, 0), (5, 5), (5, 9), (10, 10)):
        add(workspace, NOON + generated * MINUTE, NOON + ingested * MINUTE, f"{generated} {ingested}")

    def find(start: int, end: int) -> list[str]:
        rows = workspace.query("AppTraces | project Message", NOON + start * MINUTE, NOON + end * MINUTE)
        return sorted(row["Message"] for row in rows)

    assert find(-1, 4) == ["0 0"]
    assert find(-1, 5) == ["0 0", "5 5"]
    assert find(0, 8) == ["5 5"]  # the start is exclusive
    assert find(0, 9) == ["5 5", "5 9"]
    assert find(0, 10) == ["10 10", "5 5", "5 9"]


def test_now_is_the_end_of_the_window(workspace: Workspace) -> None:
    add(workspace, NOON, NOON)
    kql = "AppTraces | where TimeGenerated > ago(1h) | extend Now = now() | project Now"
    assert query(workspace, kql)[0]["Now"].replace(tzinfo=UTC) == NOON
    assert query(workspace, kql, NOON + timedelta(hours=1)) == []


def test_empty_workspace_can_be_queried(workspace: Workspace) -> None:
    assert query(workspace, "AppTraces") == []
    assert query(workspace, "AppTraces | summarize Rows = count()") == [{"Rows": 0}]


def test_deletes_old_rows(workspace: Workspace) -> None:
    add(workspace, NOON, NOON)
    workspace.flush()
    later = NOON + MAX_AGE + timedelta(seconds=1)
    add(workspace, later, later)
    assert workspace.query("AppTraces | count", NOON - DAY, later) == [{"Count": 1}]
