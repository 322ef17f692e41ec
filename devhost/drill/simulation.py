"""The monitored app with a clock that a drill moves forward."""

import json
import os
import re
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.request import Request

from devhost.errors import HostError
from devhost.local_http import urlopen
from devhost.monitoring.alert_rules import Alert, Monitor
from devhost.monitoring.availability import Prober
from devhost.monitoring.local_monitoring import LocalMonitoring
from devhost.monitoring.log_analytics import Row
from devhost.monitoring.mailbox import Mail

_WRONG_PREDICTIONS = 'AppTraces | where Message == "bad_prediction" | project Receipt = tostring(Properties.receipt)'
_TIMEOUT_SECONDS = 60  # for a request, and for its telemetry to arrive
_POLL_SECONDS = 0.05


class DrillFailure(Exception):
    """The app or an alert did not behave as expected."""


class Clock:
    """The real time plus `ahead`."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


def create_monitoring(clock: Clock) -> LocalMonitoring:
    """Return monitoring that moves the times of all telemetry to `clock`."""

    def add(table: str, row: Row, ingested: datetime) -> None:
        row = {**row, "TimeGenerated": row["TimeGenerated"] + clock.ahead}
        monitoring.workspace.add(table, row, ingested + clock.ahead)

    monitoring = LocalMonitoring(add)
    return monitoring


class App:
    """The app in a process of its own. It can be killed and started again at the same address."""

    def __init__(self, settings: dict[str, str]) -> None:
        self._settings = settings | {"PORT": "0"}
        self.start()

    def start(self) -> None:
        """Start the app. Raises HostError if that fails."""
        command = [sys.executable, "-m", "devhost", "--no-tables", "--no-monitoring"]
        self._process = subprocess.Popen(command, env=os.environ | self._settings, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout
        address = re.search(r"http://\S+:(\d+)", self._process.stdout.readline())
        if address is None:
            self.kill()
            raise HostError("the app did not start")
        self.address, self._settings["PORT"] = address[0], address[1]

    def kill(self) -> None:
        with self._process:
            self._process.kill()

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """Return the JSON of the response."""
        headers = {"content-type": "application/json", "x-functions-key": self._settings["DEVHOST_FUNCTION_KEY"]}
        request = Request(self.address + path, json.dumps(body).encode(), headers)  # noqa: S310
        with urlopen(request, _TIMEOUT_SECONDS) as response:
            return json.load(response)


class Simulation:
    """A running app, its users and its monitoring, whose clock `advance` moves forward."""

    def __init__(self, app: App, monitoring: LocalMonitoring, clock: Clock) -> None:
        """Raises DrillFailure if there is already an alert."""
        self.app = app
        self._monitoring = monitoring
        self._clock = clock
        self._prober = Prober(monitoring.web_test, app.address, monitoring.workspace.add)
        self._monitor = Monitor(monitoring.rules, monitoring.workspace, self._notify)
        self._action_group = monitoring.action_group(app.address, monitoring.settings, sleep=lambda seconds: None)
        self._alerts: list[Alert] = []
        check(self._evaluate(), [])

    def predict(self, text: str) -> str:
        """Return the prediction id."""
        (prediction,) = self.app.post("/api/predict", {"text": text})["predictions"]
        return str(prediction["prediction_id"])

    def mark_wrong(self, prediction_id: str) -> None:
        """Send the feedback that the prediction is wrong."""
        self.app.post("/api/feedback", {"prediction_id": prediction_id, "correct": False})

    def wait_for_feedback(self, count: int) -> set[str]:
        """Wait until telemetry has `count` feedback events and return the receipts of their predictions."""
        deadline = time.monotonic() + _TIMEOUT_SECONDS
        while True:
            now = self._clock.now()
            rows = self._monitoring.workspace.query(_WRONG_PREDICTIONS, now - timedelta(hours=1), now)
            if len(rows) >= count:
                return {row["Receipt"] for row in rows}
            if time.monotonic() > deadline:
                raise DrillFailure(f"after {_TIMEOUT_SECONDS} s telemetry has {len(rows)} of {count} feedback events")
            time.sleep(_POLL_SECONDS)

    def advance(self, minutes: int) -> list[str]:
        """Move the clock forward and evaluate the rules every minute. Return all alerts, as "latency fired"."""
        alerts = []
        for _ in range(minutes):
            self._clock.ahead += timedelta(minutes=1)
            alerts += self._evaluate()
        return alerts

    @property
    def mails(self) -> list[Mail]:
        return list(self._monitoring.mailbox.mails)

    @property
    def reports(self) -> list[str]:
        """The reports of wrong predictions that were mailed, as `describe_report` describes them."""
        return [describe_report(_receipts(mail)) for mail in self.mails if "reported wrong" in mail.subject]

    def _evaluate(self) -> list[str]:
        """Return the alerts of this moment, once everybody is notified."""
        self._alerts.clear()
        now = self._clock.now()
        self._prober.tick(now)
        self._monitor.tick(now)
        self._action_group.join()
        return [f"{alert.rule.name} {alert.condition.lower()}" for alert in self._alerts]

    def _notify(self, alert: Alert) -> None:
        self._alerts.append(alert)
        self._action_group.notify(alert)


def check(actual: list[str], expected: list[str], empty: str = "no alert") -> None:
    """Raise DrillFailure if the lists differ. `empty` describes an empty one."""
    if actual != expected:
        expected_text, actual_text = (", ".join(items) or empty for items in (expected, actual))
        raise DrillFailure(f"expected {expected_text}, got {actual_text}")


def describe_report(receipts: set[str]) -> str:
    return f"a report of {' and '.join(sorted(receipts))}"


def _receipts(report: Mail) -> set[str]:
    ((_, content),) = report.attachments
    return {prediction["receipt"] for prediction in json.loads(content)["predictions"]}
