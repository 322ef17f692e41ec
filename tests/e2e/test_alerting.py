"""From the click to the mail: the real app and exporter, the deployed rules, hours that pass at once.

Clicks happen and are recorded now. At the border of the workspace a test gives the records their times, and says when
they arrived; then it looks at the clock every minute in the monitor's place.
"""

import json
import os
import queue
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx
import pytest
from azure.data.tables import TableServiceClient

from devhost.azurite import Azurite
from devhost.host.settings_files import LocalSettings
from devhost.monitoring.alert_rules import Alert, Monitor
from devhost.monitoring.local_monitoring import Watch
from devhost.monitoring.log_analytics import Row, Workspace
from devhost.monitoring.mailbox import Mail
from tests.support.app import App, StartApp
from tests.support.paths import ROOT

MINUTE = timedelta(minutes=1)
DEADLINE = 60  # seconds; what has not happened by then does not happen
BURST = "bad-prediction-burst"


class Border:
    """Everything that passed the ingestion endpoint, in the order of arrival."""

    def __init__(self) -> None:
        self.passed: list[tuple[str, Row]] = []
        self._arriving: queue.Queue[tuple[str, Row]] = queue.Queue()

    def __call__(self, table: str, row: Row, arrived: datetime) -> None:
        self._arriving.put((table, row))

    def wait_for(self, message: str, number: int) -> list[Row]:
        """The next records of that name; what else arrives meanwhile is in `passed`."""
        found: list[Row] = []
        while len(found) < number:
            table, row = self._arriving.get(timeout=DEADLINE)
            self.passed.append((table, row))
            if row.get("Message") == message:
                found.append(row)
        return found


class Stage:
    """The app, its border and its mail; every test has the feedback table to itself."""

    def __init__(self, app: App, border: Border, watch: Watch) -> None:
        self.app = app
        self.border = border
        self.watch = watch
        self._receipts: list[str] = []
        self._mails = len(watch.mailbox.mails)

    @property
    def mails(self) -> list[Mail]:
        return list(self.watch.mailbox.mails[self._mails :])

    @property
    def reports(self) -> list[Mail]:
        return [mail for mail in self.mails if mail.message["from"] == self.watch.settings["MAIL_FROM"]]

    def predict(self, text: str) -> str:
        answer = self.app.http.post("/api/predict", json={"text": text, "explain": True})
        self._receipts.append(answer.json()["predictions"][0]["prediction_id"])
        return self._receipts[-1]

    def click_wrong(self, receipt: str, **more: object) -> None:
        feedback = {"prediction_id": receipt, "correct": False, **more}
        assert self.app.http.post("/api/feedback", json=feedback).status_code in (200, 201)

    def clicks(self, predictions: int, times: int = 1) -> list[Row]:
        """Predicts some tweets, says of each so many times that it was wrong; what telemetry has to say of it."""
        for number in range(predictions):
            receipt = self.predict(f"tweet {number} was awful")
            for _ in range(times):
                self.click_wrong(receipt)
        return self.border.wait_for("bad_prediction", predictions * times)

    def erase(self, *others: "Stage") -> None:
        """Takes back what was said here, and on other stages whose app is gone."""
        for receipt in chain.from_iterable(stage._receipts for stage in (self, *others)):
            assert self.app.http.delete(f"/api/feedback/{receipt}").status_code == 204

    def play(
        self,
        records: Sequence[tuple[Row, float]],
        delay: float = 0,
        meanwhile: Mapping[int, Callable[[], Sequence[tuple[Row, float]]]] = MappingProxyType({}),
    ) -> list[tuple[str, str, float]]:
        """Which rule fires and resolves, at which minute from now, when those records were written at those minutes
        from now, and arrived so many minutes later; and those of what happens `meanwhile`, at a minute."""
        now = datetime.now(UTC)
        workspace = Workspace(json.loads((ROOT / "infra" / "workspace.json").read_text()))

        def add(records: Sequence[tuple[Row, float]]) -> None:
            for row, minute in records:
                written = now + minute * MINUTE
                workspace.add("AppTraces", {**row, "TimeGenerated": written}, written + delay * MINUTE)

        add(records)
        told: list[Alert] = []
        tell = self.watch.action_group(str(self.app.http.base_url).rstrip("/"), self.watch.settings)
        monitor = Monitor(self.watch.rules, workspace, lambda alert: (told.append(alert), tell(alert))[0])
        for minute in range(-5, 31):
            if minute in meanwhile:
                add(meanwhile[minute]())
            monitor.tick(now + minute * MINUTE)
            tell.settle()
        return [(alert.rule.name, alert.condition, (alert.window[1] - now) / MINUTE) for alert in told]


@pytest.fixture(scope="module")
def border() -> Border:
    return Border()


@pytest.fixture(scope="module")
def watch(border: Border) -> Iterator[Watch]:
    with Watch(border) as watch:
        yield watch


@pytest.fixture(scope="module")
def start(start_app: StartApp, watch: Watch, azurite: Azurite) -> Callable[[], App]:
    """Starts the app under that watch, with tables of its own."""
    tables = {"FEEDBACK_TABLE": "watchfeedback", "INCIDENTS_TABLE": "watchincidents"}
    return lambda: start_app(TABLES_CONNECTION_STRING=azurite.connection_string, **tables, **watch.settings)


@pytest.fixture(scope="module")
def watched(start: Callable[[], App]) -> App:
    return start()


@pytest.fixture
def stage(watched: App, border: Border, watch: Watch) -> Iterator[Stage]:
    stage = Stage(watched, border, watch)
    yield stage
    stage.erase()


def of_burst(told: list[tuple[str, str, float]]) -> list[tuple[str, float]]:
    return [(condition, minute) for name, condition, minute in told if name == BURST]


def receipts(rows: Sequence[Row]) -> list[str]:
    return [row["Properties"]["receipt"] for row in rows]


def reported(mail: Mail) -> list[str]:
    """The receipts in the JSON that is attached to a report."""
    ((_, content),) = mail.attachments
    return [prediction["receipt"] for prediction in json.loads(content)["predictions"]]


def test_three_wrong_predictions_are_one_report_however_often_azure_fires(stage: Stage) -> None:
    rows = stage.clicks(3)
    told = stage.play(list(zip(rows, (-4, -2, 0), strict=True)))
    assert told == [(BURST, "Fired", minute) for minute in (0, 5, 10)]
    of_azure = [mail.subject for mail in stage.mails if mail not in stage.reports]
    assert of_azure == [f"Fired:Sev2 Azure Monitor Alert {BURST}"] * 3
    (report,) = stage.reports
    assert reported(report) == receipts(rows)
    assert len(set(receipts(rows))) == 3
    (record,) = stage.border.wait_for("incident_reported", 1)
    assert record["Properties"]["reports"] == "3"


def test_a_second_burst_ten_minutes_later_has_a_report_of_its_own(stage: Stage) -> None:
    """Two reports, not five, though the rule fires five times; a rule that keeps state would swallow the second."""
    first, second = stage.clicks(3), list[Row]()

    def burst() -> list[tuple[Row, float]]:
        second.extend(stage.clicks(3))
        return list(zip(second, (6, 8, 10), strict=True))

    told = stage.play(list(zip(first, (-4, -2, 0), strict=True)), meanwhile={6: burst})
    assert told == [(BURST, "Fired", minute) for minute in (0, 5, 10, 15, 20)]
    assert [reported(report) for report in stage.reports] == [receipts(first), receipts(second)]


def test_the_key_of_incidents_is_told_to_nobody(stage: Stage) -> None:
    key, passed = stage.watch.settings["INCIDENT_KEY"], len(stage.border.passed)
    stage.play([(row, 0) for row in stage.clicks(3)])
    refused = stage.app.http.post("/api/incidents", params={"key": key[:-1]}, json={})
    assert (refused.status_code, len(stage.reports)) == (401, 1)
    stage.border.wait_for("incident_reported", 1)
    telemetry = [str(row) for _, row in stage.border.passed[passed:]]
    mails = [str(mail.summary) + str(mail.message) for mail in stage.mails]
    assert not [told for told in (*telemetry, *mails, stage.app.log.read_text()) if key[:-1] in told]


def test_three_clicks_on_one_prediction_are_none(stage: Stage) -> None:
    rows = stage.clicks(1, times=3)
    assert stage.play(list(zip(rows, (-4, -2, 0), strict=True))) == []
    assert stage.mails == []


@pytest.mark.parametrize(("minutes", "fires"), [((-5, -1, 0), True), ((-6, -3, 0), False), ((-5.01, -1, 0), False)])
def test_it_is_five_minutes(stage: Stage, minutes: tuple[float, ...], fires: bool) -> None:
    told = stage.play(list(zip(stage.clicks(3), minutes, strict=True)))
    assert of_burst(told)[:1] == ([("Fired", 0)] if fires else [])
    assert len(stage.reports) == fires


def test_what_arrives_four_minutes_late_is_found(stage: Stage) -> None:
    rows = stage.clicks(3)
    told = stage.play(list(zip(rows, (-4, -2, 0), strict=True)), delay=4)
    assert of_burst(told)[:1] == [("Fired", 5)]
    assert reported(stage.reports[0]) == receipts(rows)


def test_a_restart_between_the_clicks_loses_none(start: Callable[[], App], border: Border, watch: Watch) -> None:
    first = Stage(start(), border, watch)
    rows = first.clicks(1)
    receipt = first.predict("a tweet was awful")
    first.click_wrong(receipt)
    first.app.process.terminate()  # at once: what was said last is still on its way
    assert first.app.process.wait(DEADLINE) == 0
    rows += border.wait_for("bad_prediction", 1)
    second = Stage(start(), border, watch)
    rows += second.clicks(1)
    told = second.play(list(zip(rows, (-4, -2, 0), strict=True)))
    assert of_burst(told) == [("Fired", 0), ("Fired", 5), ("Fired", 10)]
    (report,) = second.reports
    assert sorted(reported(report)) == sorted(receipts(rows))
    second.erase(first)


def test_a_flood_is_one_report(stage: Stage) -> None:
    rows = stage.clicks(3)
    flood = [
        {**rows[number % 3], "Properties": {**rows[number % 3]["Properties"], "receipt": f"{number:032x}"}}
        for number in range(4997)
    ]
    told = stage.play([(row, -4 + number / 1250) for number, row in enumerate([*rows, *flood])])
    assert of_burst(told) == [("Fired", 0), ("Fired", 5), ("Fired", 10)]
    assert len([mail for mail in stage.reports if "predictions" in mail.subject]) == 1


NAME, ADDRESS, PHONE = "Mariella Hubinger", "m.hubinger@example.org", "+43 660 987 65 43"
LINK, MENTION = "https://example.org/diary-4711", "@mariella_h"
CANARY = f"awful trip, says {NAME}, {ADDRESS}, {PHONE}, see {LINK} {MENTION}"


@pytest.mark.parametrize("shared", [True, False])
def test_what_a_person_wrote_stays_where_it_belongs(stage: Stage, azurite: Azurite, shared: bool) -> None:
    """Not a word of a tweet is in telemetry or logs. Masked, it is in the table and the report if it is shared."""
    logged = stage.app.log.stat().st_size
    passed = len(stage.border.passed)
    for number in range(3):
        text = f"{CANARY} {number}"
        stage.click_wrong(stage.predict(text), text=text, share_text=shared, **({"comment": text} if shared else {}))
    http = stage.app.http
    assert http.post("/api/predict", content=CANARY, headers={"content-type": "application/json"}).status_code == 400
    assert http.post("/api/predict", json={"text": CANARY * 20}).status_code == 400
    assert http.post("/api/predict", json={CANARY: CANARY}).status_code == 400
    assert http.post("/api/feedback", json={"prediction_id": CANARY, "correct": False}).status_code == 422
    stage.play([(row, 0) for row in stage.border.wait_for("bad_prediction", 3)])
    (report,) = stage.reports
    stage.border.wait_for("incident_reported", 1)

    with TableServiceClient.from_connection_string(azurite.connection_string) as service:
        rows = [str(dict(row)) for table in service.list_tables() for row in _entities(service, table.name)]
    telemetry = [str(row) for _, row in stage.border.passed[passed:]]
    log = stage.app.log.read_bytes()[logged:].decode()
    mails = [str(mail.summary) + str(mail.message) for mail in stage.mails]
    assert rows and len(telemetry) > 6 and len(mails) == 4
    words = [NAME, *NAME.split(), ADDRESS, PHONE, "987 65 43", LINK, "diary-4711", MENTION, "mariella_h", "hubinger@"]
    for word in words:
        for record in (*telemetry, log):
            assert word.lower() not in record.lower()
        for record in (*rows, *mails):
            assert (word.lower() not in record.lower()) or (shared and word in (NAME, *NAME.split()))
    assert (NAME in str(report.summary)) == shared


def _entities(service: TableServiceClient, table: str) -> Iterator[Any]:
    return iter(service.get_table_client(table).list_entities())


# All of it in one process, as `make serve` runs it


@contextmanager
def served(folder: Path, environment: dict[str, str], *arguments: str) -> Iterator[httpx.Client]:
    command = [sys.executable, "-m", "devhost", "--no-tables", "--app", str(folder), *arguments]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SMTP_", "MAIL_", "APPLICATION"))}
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(command, cwd=ROOT, env=kept | environment, stdout=subprocess.PIPE, stderr=log, text=True) as p,
    ):
        try:
            assert p.stdout
            address = re.search(r"http://\S+", p.stdout.readline())
            assert address, (folder / "log").read_text()
            with httpx.Client(base_url=address[0], timeout=20) as client:
                yield client
        finally:
            p.terminate()
    assert p.returncode == 0
    assert "Traceback" not in (folder / "log").read_text()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An app of one's own, with settings from before there was an INCIDENT_KEY."""
    for name in ("function_app.py", "host.json"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    values = dict(LocalSettings.read_or_create(tmp_path).values)
    del values["INCIDENT_KEY"]
    (tmp_path / "local.settings.json").write_text(json.dumps({"Values": values}))
    return tmp_path


def mails_of(http: httpx.Client, *senders: str) -> list[dict[str, str]]:
    """The first mail of each sender, once it is there."""
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        mails: list[dict[str, str]] = http.get("/mailbox.json").json()
        first = {sender: [mail for mail in mails if sender in mail["from"]][:1] for sender in senders}
        if all(first.values()):
            return [mail for found in first.values() for mail in found]
    raise AssertionError(mails)


def test_the_whole_of_it_in_one_process(start_app: StartApp, azurite: Azurite, folder: Path) -> None:
    """Nobody steps the clock here: rules run a thousand times as often."""
    environment = {"PORT": "0", "MODEL": "lite", "TABLES_CONNECTION_STRING": azurite.connection_string}
    own = {"FEEDBACK_TABLE": "wholefeedback", "INCIDENTS_TABLE": "wholeincidents"}
    with served(folder, environment | own, "--speed", "1000") as http:
        for number in range(3):
            prediction = http.post("/api/predict", json={"text": f"tweet {number}"}).json()["predictions"][0]
            http.post("/api/feedback", json={"prediction_id": prediction["prediction_id"], "correct": False})
        alert, report = mails_of(http, "azure-noreply", "buzzguard")
        assert alert["subject"] == f"Fired:Sev2 Azure Monitor Alert {BURST}"
        assert "3 predictions" in report["subject"]


def test_an_app_that_is_not_ready_is_told_by_the_test_from_outside(azurite: Azurite, folder: Path) -> None:
    environment = {"PORT": "0", "MODEL": "none", "TABLES_CONNECTION_STRING": azurite.connection_string}
    own = {"FEEDBACK_TABLE": "silentfeedback", "INCIDENTS_TABLE": "silentincidents"}
    with served(folder, environment | own, "--speed", "1000") as http:
        alert, report = mails_of(http, "azure-noreply", "buzzguard")
        assert alert["subject"] == "Fired:Sev1 Azure Monitor Alert availability"
        assert report["subject"] == "[Buzzguard Sev1] availability fired"


def drill(**environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "devhost.drill"]
    return subprocess.run(
        command, cwd=ROOT, env=os.environ | {"MODEL": "lite"} | environment, capture_output=True, text=True, timeout=300
    )


def test_the_drill_tells_the_story() -> None:
    done = drill()
    assert (done.returncode, done.stderr) == (0, "")
    assert f"the rules run: {BURST} fires" in done.stdout
    assert f"Fired:Sev2 Azure Monitor Alert {BURST}\n" in done.stdout
    assert "ops have two reports" in done.stdout
    for condition in ("Fired", "Resolved"):
        assert f"{condition}:Sev1 Azure Monitor Alert availability\n" in done.stdout
    assert done.stdout.endswith("availability\nAll as it should be.\n")


def test_a_drill_that_fails_says_so() -> None:
    done = drill(MODEL="no such model")
    assert (done.returncode, done.stdout.count("\n")) == (1, 1)
    assert "The drill failed: there should have been no alert, not availability fired" in done.stderr
