"""Rules over simulated hours, and who is told what."""

import json
import logging
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from devhost.errors import HostError
from devhost.monitoring.action_group import ActionGroup, Receivers, common_alert_schema
from devhost.monitoring.alert_rules import Alert, MetricRule, Monitor, Rule, read_rules
from devhost.monitoring.availability import read_web_test
from devhost.monitoring.local_monitoring import INFRA, Watch
from devhost.monitoring.log_analytics import Workspace
from devhost.monitoring.mailbox import Mail
from tests.support.http_server import serve_http
from tests.support.paths import ROOT

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def rule(
    name: str = "rule",
    frequency: int = 5,
    window: int = 15,
    query: str = 'AppTraces | where Message == "m"',
    kind: type[Rule] = Rule,
    **more: Any,
) -> Rule:
    """Times in minutes."""
    about = {"title": "Title", "description": "What it means.", "severity": 2, "runbook": "docs/operations.md#rule"}
    times = {"frequency": frequency * MINUTE, "window": window * MINUTE}
    return kind(
        **{"name": name, "query": query, "auto_mitigate": True, "expect_traffic": False, **about, **times, **more}
    )


@pytest.fixture
def workspace() -> Workspace:
    return Workspace({"AppTraces": {"TimeGenerated": "datetime", "Message": "string"}})


@pytest.fixture
def happen(workspace: Workspace) -> Callable[[float], None]:
    """A row, so many minutes after noon."""
    return lambda minute: workspace.add("AppTraces", {"TimeGenerated": NOON + minute * MINUTE, "Message": "m"}, NOON)


def played(rules: list[Rule], workspace: Workspace, minutes: int, speed: float = 1) -> list[tuple[str, str, float]]:
    """Who fires and resolves, how many minutes after noon, when the monitor is looked after every minute."""
    alerts: list[Alert] = []
    monitor = Monitor(rules, workspace, alerts.append, speed)
    for minute in range(minutes):
        monitor.tick(NOON + minute * MINUTE)
    return [(alert.rule.name, alert.condition, (alert.window[1] - NOON) / MINUTE) for alert in alerts]


def test_a_rule_fires_once_while_its_condition_holds(workspace: Workspace, happen: Callable[[float], None]) -> None:
    for minute in range(1, 60):
        happen(minute)
    assert played([rule()], workspace, 60) == [("rule", "Fired", 5)]


def test_a_rule_sees_its_window_at_its_frequency(workspace: Workspace, happen: Callable[[float], None]) -> None:
    happen(6)
    assert played([rule(frequency=5)], workspace, 14) == [("rule", "Fired", 10)]
    assert played([rule(frequency=10)], workspace, 14) == [("rule", "Fired", 10)]
    assert played([rule(frequency=20, window=15)], workspace, 60) == [("rule", "Fired", 20)]
    assert played([rule(frequency=20, window=14)], workspace, 60) == []


@pytest.mark.parametrize(
    ("frequency", "resolved"),
    [(1, 10 + 10), (4, 8 + 12), (5, 10 + 15), (10, 10 + 30), (15, 15 + 30), (60, 60 + 120), (660, 660 + 660)],
)
def test_an_alert_is_resolved_when_it_was_quiet_for_as_long_as_azure_waits(
    workspace: Workspace, happen: Callable[[float], None], frequency: int, resolved: int
) -> None:
    """Less than 5 minutes: not met for 10 minutes; less than 15: for 3 periods; less than 11 hours: for 2; else 1."""
    happen(0.5)
    story = played([rule(frequency=frequency, window=max(frequency, 10))], workspace, resolved + 1)
    assert [(condition, minute) for _, condition, minute in story] == [("Fired", frequency), ("Resolved", resolved)]


def test_what_comes_back_before_it_is_resolved_is_the_same_alert(
    workspace: Workspace, happen: Callable[[float], None]
) -> None:
    happen(1)
    happen(27)  # seen from minute 30 on, 15 minutes after the first was seen last
    happen(90)
    assert played([rule()], workspace, 130) == [
        ("rule", "Fired", 5),
        ("rule", "Resolved", 55),
        ("rule", "Fired", 90),
        ("rule", "Resolved", 115),
    ]


def test_an_alert_keeps_its_id_until_it_is_resolved(workspace: Workspace, happen: Callable[[float], None]) -> None:
    alerts: list[Alert] = []
    monitor = Monitor([rule()], workspace, alerts.append)
    for minute in range(0, 120, 60):
        happen(minute)
    for minute in range(120):
        monitor.tick(NOON + minute * MINUTE)
    first, resolved, again, _ = alerts
    assert first.id == resolved.id != again.id
    assert (first.rows, resolved.rows) == (1, 0)


def test_a_rule_without_state_fires_at_each_look_that_meets_its_condition(
    workspace: Workspace, happen: Callable[[float], None]
) -> None:
    """And is never resolved. https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-overview#stateless-alerts"""
    happen(1)
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


def test_a_burst_is_mailed_two_or_three_times_by_azure() -> None:
    """The deployed rule, played over the shortest and the longest burst, begun at each minute between two looks."""
    stories = set()
    for begins in range(5, 10):
        for lasts in (0, 5):
            reports = [
                (begins + lasts * part, {"Message": "bad_prediction", "Properties": {"receipt": str(part)}})
                for part in (0, 0.5, 1)
            ]
            alerts = played_deployed("bad-prediction-burst", "AppTraces", *reports, minutes=30)
            stories.add(tuple(condition for condition, _ in alerts))
    assert stories == {("Fired", "Fired"), ("Fired", "Fired", "Fired")}
    told = re.sub(r"\s+", " ", (ROOT / "docs" / "operations.md").read_text())
    assert "a burst is mailed two or three times" in told


def test_a_metric_is_resolved_at_the_third_check_that_does_not_meet_its_condition(
    workspace: Workspace, happen: Callable[[float], None]
) -> None:
    for minute in (3, 3, 3, 4):
        happen(minute)
    metric = rule(kind=MetricRule, frequency=1, window=5, threshold=2)
    assert played([metric], workspace, 20) == [("rule", "Fired", 3), ("rule", "Resolved", 10)]
    assert played([rule(kind=MetricRule, frequency=1, window=5, threshold=4)], workspace, 20) == []


def played_deployed(
    name: str, table: str, *rows: tuple[float, dict[str, Any]], minutes: int = 240
) -> list[tuple[str, float]]:
    """What becomes of a rule of alerts.json over so many minutes after noon."""
    workspace = Workspace(json.loads((INFRA / "workspace.json").read_text()))
    for minute, row in rows:
        workspace.add(table, {"TimeGenerated": NOON + minute * MINUTE, **row}, NOON)
    rules = [rule for rule in read_rules(INFRA / "alerts.json") if rule.name == name]
    return [(condition, minute) for _, condition, minute in played(rules, workspace, minutes)]


def test_silence_is_an_alarm_though_nothing_at_all_has_arrived() -> None:
    assert played_deployed("no-heartbeat", "AppRequests") == [("Fired", 0)]


def test_silence_is_over_with_the_first_request_that_is_noted() -> None:
    traffic = [(float(minute), {"Name": "ready"}) for minute in (*range(-5, 60, 5), *range(150, 240, 5))]
    assert played_deployed("no-heartbeat", "AppRequests", *traffic) == [("Fired", 120), ("Resolved", 165)]


def test_a_request_an_hour_is_no_silence() -> None:
    traffic = [(float(minute), {"Name": "predict"}) for minute in range(-5, 240, 59)]
    assert played_deployed("no-heartbeat", "AppRequests", *traffic) == []


def test_every_time_the_cap_is_reached_ops_hear_of_it_and_are_not_told_that_it_is_over() -> None:
    """It is not: the workspace takes nothing until the next day."""
    reached = {
        "OperationCategory": "Ingestion",
        "OperationStatus": "Warning",
        "Detail": "Data collection stopped due to daily limit of free data reached. Ingestion status = OverQuota",
    }
    assert played_deployed("daily-cap", "Operation", (20, reached)) == [("Fired", 30), ("Fired", 45)]


def test_a_quiet_laptop_is_no_alarm() -> None:
    with Watch() as watch:
        left_out = {rule.name for rule in read_rules(INFRA / "alerts.json")} - {rule.name for rule in watch.rules}
    assert left_out == {"no-heartbeat"}


def test_a_broken_query_stops_no_other_rule(
    workspace: Workspace, happen: Callable[[float], None], caplog: pytest.LogCaptureFixture
) -> None:
    happen(0)
    broken = rule("broken", query="AppTraces | were Message")
    assert played([broken, rule("sound")], workspace, 6) == [("sound", "Fired", 0)]
    assert sum("broken cannot be evaluated" in record.getMessage() for record in caplog.records) == 2


def test_a_drill_looks_more_often_into_the_same_window(workspace: Workspace, happen: Callable[[float], None]) -> None:
    happen(0.5)
    assert played([rule(frequency=10)], workspace, 40, speed=10) == [("rule", "Fired", 1), ("rule", "Resolved", 18)]


def test_the_deployed_rules_can_all_be_run(caplog: pytest.LogCaptureFixture) -> None:
    workspace = Workspace(json.loads((INFRA / "workspace.json").read_text()))
    workspace.add("AppRequests", {"TimeGenerated": NOON}, NOON)
    rules = [*read_rules(INFRA / "alerts.json"), read_web_test(INFRA / "availability.json").rule]
    assert "bad-prediction-burst" in [rule.name for rule in rules]
    Monitor(rules, workspace, pytest.fail).tick(NOON)
    assert not caplog.records


@pytest.mark.parametrize("content", [None, "[", '[{"name": "a"}]', "query"])
def test_rules_that_cannot_be_read_are_told(tmp_path: Path, content: str | None) -> None:
    if content == "query":
        content = (INFRA / "alerts.json").read_text()  # without the queries
    if content:
        (tmp_path / "alerts.json").write_text(content)
    with pytest.raises(HostError, match="alerts.json"):
        read_rules(tmp_path / "alerts.json")


# The action group


FIRED = Alert("/subscriptions/0/alerts/4711", rule(), 3, NOON)
RESOLVED = Alert(FIRED.id, FIRED.rule, 0, NOON, NOON + 30 * MINUTE)


BROKEN, NONSENSE = 0, 1  # no answer at all; one that is not HTTP


class Endpoint:
    """A function that answers with the statuses it is given, then with 200."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.calls: list[tuple[str, Any]] = []


@pytest.fixture
def endpoint() -> Iterator[tuple[Endpoint, str]]:
    function = Endpoint()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            function.calls.append((self.path, json.loads(body)))
            status = function.statuses.pop(0) if function.statuses else 200
            if status == NONSENSE:
                self.wfile.write(b"nonsense\r\n\r\n")
            elif status != BROKEN:
                self.send_response(status)
                self.end_headers()

    with serve_http(Handler) as address:
        yield function, f"{address}/api/incidents?key=secret-4711"


@contextmanager
def told(url: str, *alerts: Alert) -> Iterator[tuple[list[float], list[Mail]]]:
    """Hands alerts to an action group: how long it paused between its calls, and the mails that it sent."""
    pauses: list[float] = []
    with Watch() as watch:
        group = ActionGroup(Receivers(url, watch.smtp, ["ops@example.org", "boss@example.org"]), pauses.append)
        for alert in alerts:
            group(alert)
        group.settle()
        yield pauses, list(watch.mailbox.mails)


def test_an_alert_goes_to_the_function_and_to_ops(endpoint: tuple[Endpoint, str]) -> None:
    function, url = endpoint
    with told(url, FIRED) as (pauses, (mail,)):
        assert pauses == []
        assert mail.to == ("ops@example.org", "boss@example.org")
        assert mail.subject == "Fired:Sev2 Azure Monitor Alert rule"
        assert "What it means." in mail.text and "2026-01-01 11:45 UTC to 2026-01-01 12:00 UTC" in mail.text
    ((path, payload),) = function.calls
    assert path == "/api/incidents?key=secret-4711"
    assert payload == common_alert_schema(FIRED)


def test_the_end_of_an_alert_is_told_too(endpoint: tuple[Endpoint, str]) -> None:
    function, url = endpoint
    with told(url, RESOLVED) as (_, (mail,)):
        assert mail.subject == "Resolved:Sev2 Azure Monitor Alert rule"
    assert function.calls[0][1]["data"]["essentials"]["monitorCondition"] == "Resolved"


def test_the_common_alert_schema() -> None:
    """Field by field what Microsoft's samples of "Log Alerts V2" have."""
    fired, resolved = common_alert_schema(FIRED), common_alert_schema(RESOLVED)
    assert fired["schemaId"] == "azureMonitorCommonAlertSchema"
    essentials = fired["data"]["essentials"]
    expected = {
        "alertId": FIRED.id,
        "alertRule": "rule",
        "severity": "Sev2",
        "signalType": "Log",
        "monitorCondition": "Fired",
        "monitoringService": "Log Alerts V2",
        "firedDateTime": "2026-01-01T12:00:00.0000000Z",
        "description": "What it means.",
    }
    assert essentials.items() >= expected.items()
    assert "resolvedDateTime" not in essentials
    assert resolved["data"]["essentials"]["resolvedDateTime"] == "2026-01-01T12:30:00.0000000Z"
    condition = fired["data"]["alertContext"]["condition"]
    assert condition["windowSize"] == "PT15M"
    assert (condition["windowStartTime"], condition["windowEndTime"]) == (
        "2026-01-01T11:45:00Z",
        "2026-01-01T12:00:00Z",
    )
    (criterion,) = condition["allOf"]
    assert (criterion["operator"], criterion["threshold"], criterion["metricValue"]) == ("GreaterThan", "0", 3.0)
    assert criterion["searchQuery"] == FIRED.rule.query


def test_the_common_alert_schema_of_an_availability_test() -> None:
    """As Microsoft's sample of it (alerts-payload-samples)."""
    test = read_web_test(INFRA / "availability.json")
    data = common_alert_schema(Alert("/subscriptions/0/alerts/4711", test.rule, 5, NOON))["data"]
    assert (
        data["essentials"].items()
        >= {
            "alertRule": "availability",
            "signalType": "Metric",
            "monitoringService": "Platform",
        }.items()
    )
    context = data["alertContext"]
    assert (context["conditionType"], context["condition"]["windowSize"]) == (
        "WebtestLocationAvailabilityCriteria",
        "PT5M",
    )
    assert context["condition"]["allOf"] == [
        {
            "metricName": "Failed Location",
            "metricNamespace": None,
            "operator": "GreaterThan",
            "threshold": "2",
            "timeAggregation": "Sum",
            "dimensions": [],
            "metricValue": 5.0,
            "webTestName": "availability",
        }
    ]


@pytest.mark.parametrize(
    ("statuses", "pauses", "calls"),
    [
        ([503], [5], 2),
        ([BROKEN, NONSENSE, 429, 408, 504], [5, 20, 5, 40, 5], 6),
        ([503] * 9, [5, 20, 5, 40, 5], 6),
        ([500], [], 1),
        ([401], [], 1),
    ],
)
def test_a_failing_function_is_called_again_and_the_mail_goes_all_the_same(
    endpoint: tuple[Endpoint, str],
    statuses: list[int],
    pauses: list[float],
    calls: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    function, url = endpoint
    function.statuses = list(statuses)
    with told(url, FIRED) as (paused, mails):
        assert (paused, len(function.calls), len(mails)) == (pauses, calls, 1)
    given_up = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert bool(given_up) == (len(statuses) >= calls)
    assert "secret-4711" not in caplog.text


def test_nobody_there_loses_no_mail() -> None:
    with told("http://127.0.0.1:1/api/incidents", FIRED, RESOLVED) as (pauses, mails):
        assert sorted(pauses) == sorted([5, 20, 5, 40, 5] * 2)
        assert {mail.subject.partition(":")[0] for mail in mails} == {"Fired", "Resolved"}


def test_no_mail_server_stops_no_call(endpoint: tuple[Endpoint, str], caplog: pytest.LogCaptureFixture) -> None:
    function, url = endpoint
    group = ActionGroup(Receivers(url, ("127.0.0.1", 1), ["ops@example.org"]))
    group(FIRED)
    group.settle()
    assert len(function.calls) == 1
    assert "is not sent" in caplog.text


def test_the_monitor_waits_for_nobody(workspace: Workspace, happen: Callable[[float], None]) -> None:
    """While the function is being called again, rules go on."""
    happen(0)
    waiting, release = threading.Event(), threading.Event()

    def pause(_: float) -> None:
        waiting.set()
        assert release.wait(20)

    group = ActionGroup(Receivers("http://127.0.0.1:1/", ("127.0.0.1", 1), ["ops@example.org"]), pause)
    told: list[Alert] = []

    def notify(alert: Alert) -> None:
        told.append(alert)
        group(alert)

    monitor = Monitor([rule("first"), rule("second")], workspace, notify)
    monitor.tick(NOON)
    assert waiting.wait(20)
    monitor.tick(NOON + 120 * MINUTE)
    assert [(alert.rule.name, alert.condition) for alert in told[2:]] == [("first", "Resolved"), ("second", "Resolved")]
    release.set()
    group.settle()
