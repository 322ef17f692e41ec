"""`make drill`: sets off the alarm for bad predictions, to see that it works. Exit status 1 if it does not.

The app, its telemetry, the deployed rules and the mail are the real ones, on this machine. Only the clock is moved on
by hand once the clicks have happened, so that nobody waits for the next look of a rule. No table or mailbox of
anybody's is touched.
"""

import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from devhost.errors import HostError
from devhost.mailbox import Mail
from devhost.monitor import Alert, Monitor, Rule
from devhost.tables import Azurite
from devhost.watch import Watch

TWEETS = (
    "Our crew made everybody laugh on the way to Lisbon",
    "Thank you for two hours in a queue, what a start",
    "New seats on all flights, and they are great",
)
_REPORTS = 'AppTraces | where Message == "bad_prediction" | project Receipt = tostring(Properties.receipt)'
_PATIENCE = 60  # seconds for a click to reach telemetry
_A_WHILE = 35  # minutes: by then an alert is resolved


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


class Stage:
    """The app under watch: what people do with it, and what comes of that."""

    def __init__(self, app: str, key: str, watch: Watch) -> None:
        self._app = app
        self._headers = {"content-type": "application/json", "x-functions-key": key}
        self._watch = watch
        self._alerts: list[Alert] = []
        self._monitor = Monitor(watch.rules, watch.workspace, self._alerts.append)
        self._action_group = watch.action_group(app, {"DEVHOST_FUNCTION_KEY": key})

    @property
    def mails(self) -> list[Mail]:
        return list(self._watch.mailbox.mails)

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
            now = datetime.now(UTC)
            rows = self._watch.workspace.query(_REPORTS, now - timedelta(hours=1), now)
            if len(rows) >= clicks:
                return {row["Receipt"] for row in rows}
            time.sleep(0.05)
        raise Failure(f"telemetry has {len(rows)} of {clicks} clicks after {_PATIENCE} s")

    def look(self, minutes: range) -> list[Alert]:
        """What the rules have to say when they are looked after at those minutes from now."""
        self._alerts.clear()
        now = datetime.now(UTC)
        for minute in minutes:
            self._monitor.tick(now + timedelta(minutes=minute))
        return list(self._alerts)

    def act(self, alert: Alert) -> list[Mail]:
        """The mails that come of an alert."""
        before = len(self.mails)
        self._action_group(alert)
        self._action_group.settle()
        return self.mails[before:]

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        request = urllib.request.Request(self._app + path, json.dumps(body).encode(), self._headers)  # noqa: S310
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(request, timeout=_PATIENCE) as answer:
            return json.load(answer)


def burst(stage: Stage, tell: Teller) -> None:
    """Three predictions are said to be wrong. Raises Failure if ops do not hear of it once, with those three."""
    predictions = [stage.predict(tweet) for tweet in TWEETS]
    tell("three tweets are predicted")
    for prediction in predictions:
        stage.say_wrong(prediction)
    tell('three people press "wrong prediction"')
    receipts = stage.reported(3)
    tell("their clicks have reached telemetry")

    match stage.look(range(1)):
        case [Alert(condition="Fired", rule=Rule(name="bad-prediction-burst")) as alert]:
            tell(f"the rules run: {alert.rule.name} fires")
        case alerts:
            raise Failure(f"bad-prediction-burst should have fired, and nothing else: {_names(alerts)}")
    mails = stage.act(alert)
    tell("ops have mail:")
    print(*(f"{'':11}{mail.subject}" for mail in mails), sep="\n")
    if [_predictions(mail) for mail in mails if mail.attachments] != [receipts]:
        raise Failure("there should have been one report, with these three predictions")
    tell("the report lists these three predictions and no other")

    if [alert.condition for alert in stage.look(range(1, _A_WHILE))] != ["Resolved"]:
        raise Failure("the alert should have been resolved, and no other fired")
    tell(f"{_A_WHILE} minutes later the alert is resolved; nothing else has happened")


def single(stage: Stage, tell: Teller) -> None:
    """One person presses three times. Raises Failure if anybody hears of it."""
    prediction = stage.predict(TWEETS[0])
    tell("a tweet is predicted")
    for _ in range(3):
        stage.say_wrong(prediction)
    tell('one person presses "wrong prediction" three times')
    stage.reported(3)
    tell("the clicks have reached telemetry")
    if alerts := stage.look(range(_A_WHILE)):
        raise Failure(f"there should have been no alert: {_names(alerts)}")
    tell(f"the rules run for {_A_WHILE} minutes: no alert")


def _names(alerts: list[Alert]) -> str:
    return ", ".join(f"{alert.rule.name} {alert.condition.lower()}" for alert in alerts) or "none"


def _predictions(report: Mail) -> set[str]:
    ((_, content),) = report.attachments
    return {prediction["receipt"] for prediction in json.loads(content)["predictions"]}


@contextmanager
def _staged(tell: Teller) -> Iterator[Stage]:
    """Everything is started, and killed in the end. Raises HostError."""
    key = secrets.token_urlsafe(32)
    with tempfile.TemporaryDirectory() as folder, Azurite(Path(folder), in_memory=True) as azurite, Watch() as watch:
        settings = watch.settings | {
            "PORT": "0",
            "DEVHOST_FUNCTION_KEY": key,
            "TABLES_CONNECTION_STRING": azurite.connection_string,
            **dict.fromkeys(("TABLES_ENDPOINT", "SMTP_USER", "SMTP_PASSWORD"), ""),  # somebody may have set them
        }
        command = [sys.executable, "-m", "devhost", "--no-tables", "--no-watch"]
        with subprocess.Popen(command, env=os.environ | settings, stdout=subprocess.PIPE, text=True) as app:
            assert app.stdout
            try:
                address = re.search(r"http://\S+", app.stdout.readline())
                if address is None:
                    raise HostError("the app did not start")
                tell("the app and its watch are up")
                yield Stage(address[0], key, watch)
            finally:
                app.terminate()


def main() -> int:
    tell = Teller()
    try:
        for title, story in (("Three wrong predictions", burst), ("One, three times", single)):
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
