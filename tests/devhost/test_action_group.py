"""Who is notified of an alert, and what happens if that fails."""

import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from devhost.monitoring.action_group import ActionGroup, Receivers
from devhost.monitoring.alert_rules import Alert, Monitor
from devhost.monitoring.local_monitoring import LocalMonitoring
from devhost.monitoring.log_analytics import Workspace
from devhost.monitoring.mailbox import Mail
from devhost.monitoring.notifications import common_alert_schema
from tests.devhost.rules import FIRED, MINUTE, NOON, RESOLVED, rule
from tests.support.http_server import serve_http

NO_RESPONSE, INVALID_RESPONSE = 0, 1  # instead of a status


class Endpoint:
    """A function that responds with `statuses`, then with 200."""

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
            if status == INVALID_RESPONSE:
                self.wfile.write(b"nonsense\r\n\r\n")
            elif status != NO_RESPONSE:
                self.send_response(status)
                self.end_headers()

    with serve_http(Handler) as address:
        yield function, f"{address}/api/incidents?key=secret-4711"


@contextmanager
def notified(url: str, *alerts: Alert) -> Iterator[tuple[list[float], list[Mail]]]:
    """Send alerts through an action group. Yield the delays of its retries, in seconds, and the mails that it sent."""
    delays: list[float] = []
    with LocalMonitoring() as monitoring:
        recipients = ["ops@example.org", "lead@example.org"]
        receivers = Receivers(function_url=url, smtp=monitoring.smtp, recipients=recipients)
        group = ActionGroup(receivers, delays.append)
        for alert in alerts:
            group.notify(alert)
        group.join()
        yield delays, list(monitoring.mailbox.mails)


def test_notifies_function_and_operations(endpoint: tuple[Endpoint, str]) -> None:
    function, url = endpoint
    with notified(url, FIRED) as (delays, (mail,)):
        assert delays == []
        assert mail.recipients == ("ops@example.org", "lead@example.org")
        assert mail.subject == "Fired:Sev2 Azure Monitor Alert rule"
        assert "What it means." in mail.text and "2026-01-01 11:45 UTC to 2026-01-01 12:00 UTC" in mail.text
    ((path, payload),) = function.calls
    assert path == "/api/incidents?key=secret-4711"
    assert payload == common_alert_schema(FIRED)


def test_notifies_when_an_alert_resolves(endpoint: tuple[Endpoint, str]) -> None:
    function, url = endpoint
    with notified(url, RESOLVED) as (_, (mail,)):
        assert mail.subject == "Resolved:Sev2 Azure Monitor Alert rule"
    assert function.calls[0][1]["data"]["essentials"]["monitorCondition"] == "Resolved"


@pytest.mark.parametrize(
    ("statuses", "delays", "calls"),
    [
        ([503], [5], 2),
        ([NO_RESPONSE, INVALID_RESPONSE, 429, 408, 504], [5, 20, 5, 40, 5], 6),
        ([503] * 9, [5, 20, 5, 40, 5], 6),
        ([500], [], 1),
        ([401], [], 1),
    ],
)
def test_retries_failing_function_and_sends_mail(
    endpoint: tuple[Endpoint, str],
    statuses: list[int],
    delays: list[float],
    calls: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    function, url = endpoint
    function.statuses = list(statuses)
    with notified(url, FIRED) as (slept, mails):
        assert (slept, len(function.calls), len(mails)) == (delays, calls, 1)
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert bool(errors) == (len(statuses) >= calls)
    assert "secret-4711" not in caplog.text


def test_sends_mail_if_the_app_is_down(closed_port: int) -> None:
    with notified(f"http://127.0.0.1:{closed_port}/api/incidents", FIRED, RESOLVED) as (delays, mails):
        assert sorted(delays) == sorted([5, 20, 5, 40, 5] * 2)
        assert {mail.subject.partition(":")[0] for mail in mails} == {"Fired", "Resolved"}


def test_calls_function_if_the_mail_server_is_down(
    endpoint: tuple[Endpoint, str], closed_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    function, url = endpoint
    smtp = ("127.0.0.1", closed_port)
    group = ActionGroup(Receivers(function_url=url, smtp=smtp, recipients=["ops@example.org"]))
    group.notify(FIRED)
    group.join()
    assert len(function.calls) == 1
    assert "is not sent" in caplog.text


def test_monitor_does_not_wait_for_retries(closed_port: int) -> None:
    workspace = Workspace({"AppTraces": {"TimeGenerated": "datetime", "Message": "string"}})
    workspace.add("AppTraces", {"TimeGenerated": NOON, "Message": "m"}, NOON)
    waiting, release = threading.Event(), threading.Event()

    def sleep(_: float) -> None:
        waiting.set()
        assert release.wait(20)

    receivers = Receivers(
        function_url=f"http://127.0.0.1:{closed_port}/", smtp=("127.0.0.1", closed_port), recipients=["ops@example.org"]
    )
    group = ActionGroup(receivers, sleep)
    alerts: list[Alert] = []

    def notify(alert: Alert) -> None:
        alerts.append(alert)
        group.notify(alert)

    monitor = Monitor([rule("first"), rule("second")], workspace, notify)
    monitor.tick(NOON)
    assert waiting.wait(20)
    monitor.tick(NOON + 120 * MINUTE)
    assert [(alert.rule.name, alert.condition) for alert in alerts[2:]] == [
        ("first", "Resolved"),
        ("second", "Resolved"),
    ]
    release.set()
    group.join()
