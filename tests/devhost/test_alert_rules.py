"""Alert rules over simulated hours."""

import json
from pathlib import Path
from typing import Any

import pytest

from devhost.errors import HostError
from devhost.monitoring.alert_rules import Alert, MetricRule, Monitor, Rule, read_rules
from devhost.monitoring.availability import read_web_test
from devhost.monitoring.local_monitoring import INFRA
from devhost.monitoring.log_analytics import Workspace
from tests.devhost.rules import MINUTE, NOON, AddRow, rule


@pytest.fixture
def workspace() -> Workspace:
    return Workspace({"AppTraces": {"TimeGenerated": "datetime", "Message": "string"}})


@pytest.fixture
def add_row(workspace: Workspace) -> AddRow:
    """Return a function that adds a row, some minutes after noon."""
    return lambda minute: workspace.add("AppTraces", {"TimeGenerated": NOON + minute * MINUTE, "Message": "m"}, NOON)


def evaluate(rules: list[Rule], workspace: Workspace, minutes: int, speed: float = 1) -> list[tuple[str, str, float]]:
    """Tick every minute from noon on. Return rule, condition and minute of every alert."""
    alerts: list[Alert] = []
    monitor = Monitor(rules, workspace, alerts.append, speed)
    for minute in range(minutes):
        monitor.tick(NOON + minute * MINUTE)
    return [(alert.rule.name, alert.condition, (alert.window[1] - NOON) / MINUTE) for alert in alerts]


def test_fires_once_while_the_condition_is_met(workspace: Workspace, add_row: AddRow) -> None:
    for minute in range(1, 60):
        add_row(minute)
    assert evaluate([rule()], workspace, 60) == [("rule", "Fired", 5)]


def test_evaluates_its_window_at_its_frequency(workspace: Workspace, add_row: AddRow) -> None:
    add_row(6)
    assert evaluate([rule(frequency=5)], workspace, 14) == [("rule", "Fired", 10)]
    assert evaluate([rule(frequency=10)], workspace, 14) == [("rule", "Fired", 10)]
    assert evaluate([rule(frequency=20, window=15)], workspace, 60) == [("rule", "Fired", 20)]
    assert evaluate([rule(frequency=20, window=14)], workspace, 60) == []


@pytest.mark.parametrize(
    ("frequency", "resolved"),
    [(1, 10 + 10), (4, 8 + 12), (5, 10 + 15), (10, 10 + 30), (15, 15 + 30), (60, 60 + 120), (660, 660 + 660)],
)
def test_resolves_after_the_time_that_azure_waits(
    workspace: Workspace, add_row: AddRow, frequency: int, resolved: int
) -> None:
    """The condition is not met for 10 minutes, 3, 2 or 1 periods; the frequency decides which."""
    add_row(0.5)
    alerts = evaluate([rule(frequency=frequency, window=max(frequency, 10))], workspace, resolved + 1)
    assert [(condition, minute) for _, condition, minute in alerts] == [("Fired", frequency), ("Resolved", resolved)]


def test_condition_that_returns_before_it_resolves_is_the_same_alert(workspace: Workspace, add_row: AddRow) -> None:
    add_row(1)
    add_row(27)  # found from minute 30 on, 15 minutes after the first was last found
    add_row(90)
    assert evaluate([rule()], workspace, 130) == [
        ("rule", "Fired", 5),
        ("rule", "Resolved", 55),
        ("rule", "Fired", 90),
        ("rule", "Resolved", 115),
    ]


def test_alert_keeps_its_id_until_it_resolves(workspace: Workspace, add_row: AddRow) -> None:
    alerts: list[Alert] = []
    monitor = Monitor([rule()], workspace, alerts.append)
    for minute in range(0, 120, 60):
        add_row(minute)
    for minute in range(120):
        monitor.tick(NOON + minute * MINUTE)
    first, resolved, again, _ = alerts
    assert first.id == resolved.id != again.id
    assert (first.rows, resolved.rows) == (1, 0)


def test_stateless_rule_fires_at_every_evaluation_that_meets_the_condition(
    workspace: Workspace, add_row: AddRow
) -> None:
    """It never resolves. https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-overview#stateless-alerts"""
    add_row(1)
    alerts: list[Alert] = []
    monitor = Monitor([rule(auto_mitigate=False)], workspace, alerts.append)
    for minute in range(60):
        monitor.tick(NOON + minute * MINUTE)
    assert [(alert.condition, (alert.fired - NOON) / MINUTE) for alert in alerts] == [
        ("Fired", 5),
        ("Fired", 10),
        ("Fired", 15),
    ]
    assert len({alert.id for alert in alerts}) == 3


def test_burst_fires_two_or_three_times() -> None:
    """The shortest and the longest burst, at every minute between two evaluations of the deployed rule."""
    outcomes = set()
    for begins in range(5, 10):
        for lasts in (0, 5):
            records = [
                (begins + lasts * part, {"Message": "bad_prediction", "Properties": {"receipt": str(part)}})
                for part in (0, 0.5, 1)
            ]
            alerts = evaluate_deployed("bad-prediction-burst", "AppTraces", *records, minutes=30)
            outcomes.add(tuple(condition for condition, _ in alerts))
    assert outcomes == {("Fired", "Fired"), ("Fired", "Fired", "Fired")}


def test_metric_alert_resolves_at_the_third_evaluation_that_does_not_meet_the_condition(
    workspace: Workspace, add_row: AddRow
) -> None:
    for minute in (3, 3, 3, 4):
        add_row(minute)
    metric = rule(type_=MetricRule, frequency=1, window=5, threshold=2)
    assert evaluate([metric], workspace, 20) == [("rule", "Fired", 3), ("rule", "Resolved", 10)]
    assert evaluate([rule(type_=MetricRule, frequency=1, window=5, threshold=4)], workspace, 20) == []


def evaluate_deployed(
    name: str, table: str, *rows: tuple[float, dict[str, Any]], minutes: int = 240
) -> list[tuple[str, float]]:
    """Evaluate a rule of alerts.json from noon on. Return condition and minute of every alert."""
    workspace = Workspace(json.loads((INFRA / "workspace.json").read_text()))
    for minute, row in rows:
        workspace.add(table, {"TimeGenerated": NOON + minute * MINUTE, **row}, NOON)
    rules = [rule for rule in read_rules(INFRA / "alerts.json") if rule.name == name]
    return [(condition, minute) for _, condition, minute in evaluate(rules, workspace, minutes)]


def test_no_heartbeat_fires_in_an_empty_workspace() -> None:
    assert evaluate_deployed("no-heartbeat", "AppRequests") == [("Fired", 0)]


def test_no_heartbeat_resolves_after_the_next_request() -> None:
    traffic = [(float(minute), {"Name": "ready"}) for minute in (*range(-5, 60, 5), *range(150, 240, 5))]
    assert evaluate_deployed("no-heartbeat", "AppRequests", *traffic) == [("Fired", 120), ("Resolved", 165)]


def test_one_request_per_hour_is_a_heartbeat() -> None:
    traffic = [(float(minute), {"Name": "predict"}) for minute in range(-5, 240, 59)]
    assert evaluate_deployed("no-heartbeat", "AppRequests", *traffic) == []


def test_daily_cap_fires_every_time_and_never_resolves() -> None:
    """The workspace accepts nothing until the next day."""
    reached = {
        "OperationCategory": "Ingestion",
        "OperationStatus": "Warning",
        "Detail": "Data collection stopped due to daily limit of free data reached. Ingestion status = OverQuota",
    }
    assert evaluate_deployed("daily-cap", "Operation", (20, reached)) == [("Fired", 30), ("Fired", 45)]


def test_failing_query_does_not_stop_other_rules(
    workspace: Workspace, add_row: AddRow, caplog: pytest.LogCaptureFixture
) -> None:
    add_row(0)
    broken = rule("broken", query="AppTraces | were Message")
    assert evaluate([broken, rule("valid")], workspace, 6) == [("valid", "Fired", 0)]
    assert sum("broken cannot be evaluated" in record.getMessage() for record in caplog.records) == 2


def test_speed_changes_the_frequency_but_not_the_window(workspace: Workspace, add_row: AddRow) -> None:
    add_row(0.5)
    assert evaluate([rule(frequency=10)], workspace, 40, speed=10) == [("rule", "Fired", 1), ("rule", "Resolved", 18)]


def test_all_deployed_rules_can_be_evaluated(caplog: pytest.LogCaptureFixture) -> None:
    workspace = Workspace(json.loads((INFRA / "workspace.json").read_text()))
    workspace.add("AppRequests", {"TimeGenerated": NOON}, NOON)
    rules = [*read_rules(INFRA / "alerts.json"), read_web_test(INFRA / "availability.json").rule]
    assert "bad-prediction-burst" in [rule.name for rule in rules]
    Monitor(rules, workspace, pytest.fail).tick(NOON)
    assert not caplog.records


@pytest.mark.parametrize("content", [None, "[", '[{"name": "a"}]', "query"])
def test_reports_unreadable_rules(tmp_path: Path, content: str | None) -> None:
    if content == "query":
        content = (INFRA / "alerts.json").read_text()  # without the files of the queries
    if content:
        (tmp_path / "alerts.json").write_text(content)
    with pytest.raises(HostError, match="alerts.json"):
        read_rules(tmp_path / "alerts.json")
