"""`make drill`: sets off the alarms, for bad predictions and for silence, to see that they work. Exit status 1 if they
do not.

The app, its telemetry, the deployed rules and the mail are the real ones, on this machine. Only the monitor's clock is
put forward, so that nobody waits for the next look of a rule. No table or mailbox of anybody's is touched.
"""

import json
import logging
import os
import re
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.request import Request

from devhost.azurite import Azurite
from devhost.errors import HostError
from devhost.local_http import urlopen
from devhost.monitoring.alert_rules import Alert, Monitor
from devhost.monitoring.availability import Prober
from devhost.monitoring.local_monitoring import Watch
from devhost.monitoring.log_analytics import Row
from devhost.monitoring.mailbox import Mail

TWEETS = (
    "Our crew made everybody laugh on the way to Lisbon",
    "Thank you for two hours in a queue, what a start",
    "New seats on all flights, and they are great",
)
OTHER_TWEETS = (
    "Free coffee at the gate, how generous",
    "You asked, we listened: breakfast is back",
    "Nobody waits as long as we do",
)
_REPORTS = 'AppTraces | where Message == "bad_prediction" | project Receipt = tostring(Properties.receipt)'
_PATIENCE = 60  # seconds for a click to reach telemetry
_A_WHILE = 35  # minutes: by then an alert is resolved
_BURST = "bad-prediction-burst fired"


class Failure(Exception):
    """The story did not come out."""


class Teller:
    """Prints what happens, and the time since the last that did."""

    def __init__(self) -> None:
        self._last = time.perf_counter()

    def __call__(self, what: str) -> None:
        now = time.perf_counter()
        print(f"{now - self._last:7.2f} s  {what}", flush=True)
        self._last = now


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
        _expect(self.look(), [])

    def predict(self, text: str) -> str:
        """The prediction's id."""
        (prediction,) = self._post("/api/predict", {"text": text})["predictions"]
        return str(prediction["prediction_id"])

    def say_wrong(self, prediction: str) -> None:
        self._post("/api/feedback", {"prediction_id": prediction, "correct": False})

    def reported(self, clicks: int) -> set[str]:
        """The receipts of the predictions that were said to be wrong, once so many clicks are in the workspace."""
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end:
            now = self._now()
            rows = self.watch.workspace.query(_REPORTS, now - timedelta(hours=1), now)
            if len(rows) >= clicks:
                return {row["Receipt"] for row in rows}
            time.sleep(0.05)
        raise Failure(f"telemetry has {len(rows)} of {clicks} clicks after {_PATIENCE} s")

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
        return [_report(_predictions(mail)) for mail in self.mails if "reported wrong" in mail.subject]

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
        with urlopen(request, _PATIENCE) as answer:
            return json.load(answer)


def bursts(stage: Stage, tell: Teller) -> None:
    """Twice, ten minutes apart, three predictions are said to be wrong. Raises Failure if ops do not get a report of
    each, with its three, and no other."""
    _three_wrong(stage, tell, TWEETS)
    first = stage.reported(3)
    tell("their clicks have reached telemetry")
    _expect(stage.wait(5), [_BURST])
    tell("the rules run: bad-prediction-burst fires, ops have mail:")
    print(*(f"{'':11}{mail.subject}" for mail in stage.mails), sep="\n")
    _expect(stage.reports, [_report(first)], "no report")
    tell("the report lists these three predictions and no other")

    _expect(stage.wait(4), [])
    _three_wrong(stage, tell, OTHER_TWEETS)
    second = stage.reported(6) - first
    _expect(stage.wait(_A_WHILE), [_BURST] * 3)
    tell("it fires at every look that sees a burst: four alerts")
    _expect(stage.reports, [_report(first), _report(second)], "no report")
    tell("ops have two reports: the second lists the other three predictions and no other")


def _three_wrong(stage: Stage, tell: Teller, tweets: tuple[str, ...]) -> None:
    predictions = [stage.predict(tweet) for tweet in tweets]
    for prediction in predictions:
        stage.say_wrong(prediction)
    tell('three tweets are predicted, three people press "wrong prediction"')


def single(stage: Stage, tell: Teller) -> None:
    """One person presses three times. Raises Failure if anybody hears of it."""
    prediction = stage.predict(TWEETS[0])
    tell("a tweet is predicted")
    for _ in range(3):
        stage.say_wrong(prediction)
    tell('one person presses "wrong prediction" three times')
    stage.reported(3)
    tell("the clicks have reached telemetry")
    _expect(stage.wait(_A_WHILE), [])
    tell(f"the rules run for {_A_WHILE} minutes: no alert")


def silence(stage: Stage, tell: Teller) -> None:
    """The app is killed, and later started again. Raises Failure if ops do not hear of both, once."""
    _expect(stage.wait(10), [])
    tell("ten minutes long the app is asked from outside whether it is ready, and is")
    stage.app.close()
    tell("the app is killed")
    _expect(stage.wait(10), ["availability fired"])
    tell("within ten minutes availability fires, ops have mail:")
    print(*(f"{'':11}{mail.subject}" for mail in stage.mails), sep="\n")
    stage.app.start()
    tell("the app is started again")
    _expect(stage.wait(10), ["availability resolved"])
    tell("within ten minutes the alert is resolved, ops have mail:")
    print(f"{'':11}{stage.mails[-1].subject}")


def _expect(found: list[str], expected: list[str], nothing: str = "no alert") -> None:
    if found != expected:
        due, there = (", ".join(what) or nothing for what in (expected, found))
        raise Failure(f"there should have been {due}, not {there}")


def _report(receipts: set[str]) -> str:
    return f"a report of {' and '.join(sorted(receipts))}"


def _predictions(report: Mail) -> set[str]:
    ((_, content),) = report.attachments
    return {prediction["receipt"] for prediction in json.loads(content)["predictions"]}


@contextmanager
def _staged(tell: Teller) -> Iterator[Stage]:
    """Everything is started, and killed in the end. Raises HostError."""
    with tempfile.TemporaryDirectory() as folder, Azurite(Path(folder), in_memory=True) as azurite:
        stage = Stage(
            {
                "DEVHOST_FUNCTION_KEY": secrets.token_urlsafe(32),
                "TABLES_CONNECTION_STRING": azurite.connection_string,
                **dict.fromkeys(("TABLES_ENDPOINT", "SMTP_USER", "SMTP_PASSWORD"), ""),  # somebody may have set them
            }
        )
        with stage.watch, closing(App(stage.settings)) as app:
            stage.open(app)
            tell("the app and its watch are up")
            yield stage


def main() -> int:
    # Its errors are the calls of an app that a story has killed.
    logging.getLogger("devhost.monitoring.action_group").setLevel(logging.CRITICAL)
    tell = Teller()
    stories = (
        ("Three wrong predictions, and three others ten minutes later", bursts),
        ("One, three times", single),
        ("Silence", silence),
    )
    try:
        for title, story in stories:
            print(title)
            with _staged(tell) as stage:
                story(stage, tell)
    except (Failure, HostError, OSError) as error:
        print(f"The drill failed: {error}", file=sys.stderr)
        return 1
    print("All as it should be.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
