"""The app, monitored on this machine, with a clock that can be put forward."""

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
from devhost.monitoring.local_monitoring import Watch
from devhost.monitoring.log_analytics import Row
from devhost.monitoring.mailbox import Mail

_REPORTS = 'AppTraces | where Message == "bad_prediction" | project Receipt = tostring(Properties.receipt)'
_TIMEOUT_SECONDS = 60  # seconds for a click to reach telemetry


class Failure(Exception):
    """The story did not come out."""


class App:
    """The app in a process of its own, which can be killed and started again at the same address."""

    def __init__(self, settings: dict[str, str]) -> None:
        self._settings = settings | {"PORT": "0"}
        self.start()

    def start(self) -> None:
        """Raises HostError."""
        command = [sys.executable, "-m", "devhost", "--no-tables", "--no-watch"]
        self._process = subprocess.Popen(command, env=os.environ | self._settings, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout
        address = re.search(r"http://\S+:(\d+)", self._process.stdout.readline())
        if address is None:
            self.close()
            raise HostError("the app did not start")
        self.address, self._settings["PORT"] = address[0], address[1]

    def close(self) -> None:
        """Kills it."""
        with self._process:
            self._process.kill()


class Stage:
    """The app under watch: what people do with it, and what comes of that while the hours pass."""

    def __init__(self, settings: dict[str, str]) -> None:
        self._ahead = timedelta()  # of the real time
        self.watch = Watch(self._arrive)
        self.settings = self.watch.settings | settings  # for the app
        self._monitor = Monitor(self.watch.rules, self.watch.workspace, self._notify)
        self._alerts: list[Alert] = []

    def open(self, app: App) -> None:
        """The monitor's first look. Raises Failure if it finds anything."""
        self.app = app
        self._prober = Prober(self.watch.web_test, app.address, self.watch.workspace.add)
        self._action_group = self.watch.action_group(app.address, self.settings, pause=lambda seconds: None)
        expect(self.look(), [])

    def predict(self, text: str) -> str:
        """The prediction's id."""
        (prediction,) = self._post("/api/predict", {"text": text})["predictions"]
        return str(prediction["prediction_id"])

    def say_wrong(self, prediction: str) -> None:
        self._post("/api/feedback", {"prediction_id": prediction, "correct": False})

    def reported(self, clicks: int) -> set[str]:
        """The receipts of the predictions that were said to be wrong, once so many clicks are in the workspace."""
        end = time.monotonic() + _TIMEOUT_SECONDS
        while time.monotonic() < end:
            now = self._now()
            rows = self.watch.workspace.query(_REPORTS, now - timedelta(hours=1), now)
            if len(rows) >= clicks:
                return {row["Receipt"] for row in rows}
            time.sleep(0.05)
        raise Failure(f"telemetry has {len(rows)} of {clicks} clicks after {_TIMEOUT_SECONDS} s")

    def look(self) -> list[str]:
        """Every alert that there is at this moment, as "latency fired", when all that comes of it is done."""
        self._alerts.clear()
        now = self._now()
        self._prober.tick(now)
        self._monitor.tick(now)
        self._action_group.settle()
        return [f"{alert.rule.name} {alert.condition.lower()}" for alert in self._alerts]

    def wait(self, minutes: int) -> list[str]:
        """The same over so many minutes."""
        alerts = []
        for _ in range(minutes):
            self._ahead += timedelta(minutes=1)
            alerts += self.look()
        return alerts

    @property
    def mails(self) -> list[Mail]:
        return list(self.watch.mailbox.mails)

    @property
    def reports(self) -> list[str]:
        """Each report of predictions, by the receipts in it."""
        return [report(_predictions(mail)) for mail in self.mails if "reported wrong" in mail.subject]

    def _now(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def _arrive(self, table: str, row: Row, arrived: datetime) -> None:
        row = {**row, "TimeGenerated": row["TimeGenerated"] + self._ahead}
        self.watch.workspace.add(table, row, arrived + self._ahead)

    def _notify(self, alert: Alert) -> None:
        self._alerts.append(alert)
        self._action_group(alert)

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        headers = {"content-type": "application/json", "x-functions-key": self.settings["DEVHOST_FUNCTION_KEY"]}
        request = Request(self.app.address + path, json.dumps(body).encode(), headers)  # noqa: S310
        with urlopen(request, _TIMEOUT_SECONDS) as answer:
            return json.load(answer)


def expect(found: list[str], expected: list[str], nothing: str = "no alert") -> None:
    if found != expected:
        due, there = (", ".join(what) or nothing for what in (expected, found))
        raise Failure(f"there should have been {due}, not {there}")


def report(receipts: set[str]) -> str:
    return f"a report of {' and '.join(sorted(receipts))}"


def _predictions(report: Mail) -> set[str]:
    ((_, content),) = report.attachments
    return {prediction["receipt"] for prediction in json.loads(content)["predictions"]}
