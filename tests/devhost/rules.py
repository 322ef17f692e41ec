"""Alert rules, times and queries for tests."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from devhost.monitoring.alert_rules import Alert, Rule
from devhost.monitoring.log_analytics import Workspace

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)

type AddRow = Callable[[float], None]  # minutes after noon


def query(workspace: Workspace, kql: str, end: datetime = NOON) -> list[dict[str, Any]]:
    """Run a query over the day before `end`."""
    return workspace.query(kql, end - DAY, end)


def rule(
    name: str = "rule",
    frequency: int = 5,
    window: int = 15,
    query: str = 'AppTraces | where Message == "m"',
    type_: type[Rule] = Rule,
    **more: Any,
) -> Rule:
    """Return a rule. Times are in minutes."""
    texts = {"title": "Title", "description": "What it means.", "severity": 2, "runbook": "docs/operations.md#rule"}
    times = {"frequency": frequency * MINUTE, "window": window * MINUTE}
    return type_(
        **{"name": name, "query": query, "auto_mitigate": True, "expect_traffic": False, **texts, **times, **more}
    )


FIRED = Alert(id="/subscriptions/0/alerts/4711", rule=rule(), rows=3, fired=NOON)
RESOLVED = Alert(id=FIRED.id, rule=FIRED.rule, rows=0, fired=NOON, resolved=NOON + 30 * MINUTE)
