"""From feedback to the e-mail: the real app, the real exporter and the deployed rules, over simulated hours.

Feedback is sent now. A test intercepts its telemetry, chooses when it was written and ingested, and evaluates the rules
for every simulated minute.
"""

import json
import os
import queue
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
from devhost.monitoring.local_monitoring import LocalMonitoring
from devhost.monitoring.log_analytics import Row, Workspace
from devhost.monitoring.mailbox import Mail
from tests.support.app import App, StartApp, run_devhost
from tests.support.paths import ROOT

MINUTE = timedelta(minutes=1)
TIMEOUT_SECONDS = 60
BURST = "bad-prediction-burst"


class Telemetry:
    """Rows that the ingestion endpoint has accepted, in the order of arrival."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, Row]] = []
        self._incoming: queue.Queue[tuple[str, Row]] = queue.Queue()

    def add(self, table: str, row: Row, ingested: datetime) -> None:
        self._incoming.put((table, row))

    def wait_for(self, event: str, count: int) -> list[Row]:
        """Return the next rows of an event. Other rows that arrive meanwhile are in `rows`."""
        found: list[Row] = []
        while len(found) < count:
            table, row = self._incoming.get(timeout=TIMEOUT_SECONDS)
            self.rows.append((table, row))
            if row.get("Message") == event:
                found.append(row)
        return found


class MonitoredApp:
    """The app with its telemetry and mails. A test sees only its own mails."""

    def __init__(self, app: App, telemetry: Telemetry, monitoring: LocalMonitoring) -> None:
        self.app = app
        self.telemetry = telemetry
        self.monitoring = monitoring
        self._prediction_ids: list[str] = []
        self._earlier_mails = len(monitoring.mailbox.mails)

    @property
    def mails(self) -> list[Mail]:
        return list(self.monitoring.mailbox.mails[self._earlier_mails :])

    @property
    def reports(self) -> list[Mail]:
        return [mail for mail in self.mails if mail.message["from"] == self.monitoring.settings["MAIL_FROM"]]

    def predict(self, text: str) -> str:
        response = self.app.http.post("/api/predict", json={"text": text, "explain": True})
        self._prediction_ids.append(response.json()["predictions"][0]["prediction_id"])
        return self._prediction_ids[-1]

    def mark_wrong(self, prediction_id: str, **more: object) -> None:
        feedback = {"prediction_id": prediction_id, "correct": False, **more}
        assert self.app.http.post("/api/feedback", json=feedback).status_code in (200, 201)

    def wrong_predictions(self, count: int, times: int = 1) -> list[Row]:
        """Predict tweets, mark each as wrong some times, and return the telemetry of that."""
        for number in range(count):
            prediction_id = self.predict(f"tweet {number} was awful")
            for _ in range(times):
                self.mark_wrong(prediction_id)
        return self.telemetry.wait_for("bad_prediction", count * times)

    def erase(self, *stopped: "MonitoredApp") -> None:
        """Delete all feedback, also that of stopped apps, so that each test starts with an empty table."""
        for prediction_id in chain.from_iterable(each._prediction_ids for each in (self, *stopped)):
            assert self.app.http.delete(f"/api/feedback/{prediction_id}").status_code == 204

    def simulate(
        self,
        rows: Sequence[tuple[Row, float]],
        delay: float = 0,
        actions: Mapping[int, Callable[[], Sequence[tuple[Row, float]]]] = MappingProxyType({}),
    ) -> list[tuple[str, str, float]]:
        """Evaluate the rules every minute. Return rule, condition and minute of every alert.

        Minutes count from now. Each row has the minute at which it was written and is ingested `delay` minutes later.
        `actions` run at their minute and return more rows.
        """
        now = datetime.now(UTC)
        workspace = Workspace(json.loads((ROOT / "infra" / "workspace.json").read_text()))

        def add(rows: Sequence[tuple[Row, float]]) -> None:
            for row, minute in rows:
                written = now + minute * MINUTE
                workspace.add("AppTraces", {**row, "TimeGenerated": written}, written + delay * MINUTE)

        add(rows)
        alerts: list[Alert] = []
        group = self.monitoring.action_group(str(self.app.http.base_url).rstrip("/"), self.monitoring.settings)

        def notify(alert: Alert) -> None:
            alerts.append(alert)
            group.notify(alert)

        monitor = Monitor(self.monitoring.rules, workspace, notify)
        for minute in range(-5, 31):
            if minute in actions:
                add(actions[minute]())
            monitor.tick(now + minute * MINUTE)
            group.join()
        return [(alert.rule.name, alert.condition, (alert.window[1] - now) / MINUTE) for alert in alerts]


@pytest.fixture(scope="module")
def telemetry() -> Telemetry:
    return Telemetry()


@pytest.fixture(scope="module")
def monitoring(telemetry: Telemetry) -> Iterator[LocalMonitoring]:
    with LocalMonitoring(telemetry.add) as monitoring:
        yield monitoring


@pytest.fixture(scope="module")
def start(start_app: StartApp, monitoring: LocalMonitoring, azurite: Azurite) -> Callable[[], App]:
    """Return a function that starts the app with that monitoring and with tables of its own."""
    tables = {"FEEDBACK_TABLE": "monitoredfeedback", "INCIDENTS_TABLE": "monitoredincidents"}
    return lambda: start_app(TABLES_CONNECTION_STRING=azurite.connection_string, **tables, **monitoring.settings)


@pytest.fixture(scope="module")
def started_app(start: Callable[[], App]) -> App:
    return start()


@pytest.fixture
def monitored(started_app: App, telemetry: Telemetry, monitoring: LocalMonitoring) -> Iterator[MonitoredApp]:
    monitored = MonitoredApp(started_app, telemetry, monitoring)
    yield monitored
    monitored.erase()


def burst_alerts(alerts: list[tuple[str, str, float]]) -> list[tuple[str, float]]:
    """Return condition and minute of the alerts of bad-prediction-burst."""
    return [(condition, minute) for name, condition, minute in alerts if name == BURST]


def receipts(rows: Sequence[Row]) -> list[str]:
    return [row["Properties"]["receipt"] for row in rows]


def reported_receipts(mail: Mail) -> list[str]:
    """Return the receipts in the JSON file that is attached to a report."""
    ((_, content),) = mail.attachments
    return [prediction["receipt"] for prediction in json.loads(content)["predictions"]]


def test_three_wrong_predictions_are_one_report_for_all_alerts(monitored: MonitoredApp) -> None:
    rows = monitored.wrong_predictions(3)
    alerts = monitored.simulate(list(zip(rows, (-4, -2, 0), strict=True)))
    assert alerts == [(BURST, "Fired", minute) for minute in (0, 5, 10)]
    azure_subjects = [mail.subject for mail in monitored.mails if mail not in monitored.reports]
    assert azure_subjects == [f"Fired:Sev2 Azure Monitor Alert {BURST}"] * 3
    (report,) = monitored.reports
    assert reported_receipts(report) == receipts(rows)
    assert len(set(receipts(rows))) == 3
    (record,) = monitored.telemetry.wait_for("incident_reported", 1)
    assert record["Properties"]["reports"] == "3"


def test_second_burst_ten_minutes_later_has_its_own_report(monitored: MonitoredApp) -> None:
    """Two reports for five alerts. A stateful rule would miss the second burst."""
    first, second = monitored.wrong_predictions(3), list[Row]()

    def burst() -> list[tuple[Row, float]]:
        second.extend(monitored.wrong_predictions(3))
        return list(zip(second, (6, 8, 10), strict=True))

    alerts = monitored.simulate(list(zip(first, (-4, -2, 0), strict=True)), actions={6: burst})
    assert alerts == [(BURST, "Fired", minute) for minute in (0, 5, 10, 15, 20)]
    assert [reported_receipts(report) for report in monitored.reports] == [receipts(first), receipts(second)]


def test_incident_key_is_not_in_telemetry_mails_or_log(monitored: MonitoredApp) -> None:
    key, earlier_rows = monitored.monitoring.settings["INCIDENT_KEY"], len(monitored.telemetry.rows)
    monitored.simulate([(row, 0) for row in monitored.wrong_predictions(3)])
    refused = monitored.app.http.post("/api/incidents", params={"key": key[:-1]}, json={})
    assert (refused.status_code, len(monitored.reports)) == (401, 1)
    monitored.telemetry.wait_for("incident_reported", 1)
    telemetry = [str(row) for _, row in monitored.telemetry.rows[earlier_rows:]]
    mails = [str(mail.summary) + str(mail.message) for mail in monitored.mails]
    assert not [text for text in (*telemetry, *mails, monitored.app.log.read_text()) if key[:-1] in text]


def test_feedback_on_one_prediction_is_no_burst(monitored: MonitoredApp) -> None:
    rows = monitored.wrong_predictions(1, times=3)
    assert monitored.simulate(list(zip(rows, (-4, -2, 0), strict=True))) == []
    assert monitored.mails == []


def test_one_text_predicted_and_reported_three_times_is_no_burst(monitored: MonitoredApp) -> None:
    for _ in range(3):
        monitored.mark_wrong(monitored.predict("the very same tweet was awful"))
    rows = monitored.telemetry.wait_for("bad_prediction", 3)
    assert len(set(receipts(rows))) == 3
    assert monitored.simulate(list(zip(rows, (-4, -2, 0), strict=True))) == []
    assert monitored.mails == []


@pytest.mark.parametrize(("minutes", "fires"), [((-5, -1, 0), True), ((-6, -3, 0), False), ((-5.01, -1, 0), False)])
def test_burst_is_within_five_minutes(monitored: MonitoredApp, minutes: tuple[float, ...], fires: bool) -> None:
    alerts = monitored.simulate(list(zip(monitored.wrong_predictions(3), minutes, strict=True)))
    assert burst_alerts(alerts)[:1] == ([("Fired", 0)] if fires else [])
    assert len(monitored.reports) == fires


def test_finds_telemetry_that_is_four_minutes_late(monitored: MonitoredApp) -> None:
    rows = monitored.wrong_predictions(3)
    alerts = monitored.simulate(list(zip(rows, (-4, -2, 0), strict=True)), delay=4)
    assert burst_alerts(alerts)[:1] == [("Fired", 5)]
    assert reported_receipts(monitored.reports[0]) == receipts(rows)


def test_restart_loses_no_feedback(start: Callable[[], App], telemetry: Telemetry, monitoring: LocalMonitoring) -> None:
    first = MonitoredApp(start(), telemetry, monitoring)
    rows = first.wrong_predictions(1)
    first.mark_wrong(first.predict("a tweet was awful"))
    first.app.process.terminate()  # at once, while the last telemetry is still being sent
    assert first.app.process.wait(TIMEOUT_SECONDS) == 0
    rows += telemetry.wait_for("bad_prediction", 1)
    second = MonitoredApp(start(), telemetry, monitoring)
    second.mark_wrong(second.predict("another tweet was awful"))
    rows += telemetry.wait_for("bad_prediction", 1)
    alerts = second.simulate(list(zip(rows, (-4, -2, 0), strict=True)))
    assert burst_alerts(alerts) == [("Fired", 0), ("Fired", 5), ("Fired", 10)]
    (report,) = second.reports
    assert sorted(reported_receipts(report)) == sorted(receipts(rows))
    second.erase(first)


def test_five_thousand_wrong_predictions_are_one_report(monitored: MonitoredApp) -> None:
    rows = monitored.wrong_predictions(3)
    copies = [
        {**rows[0], "Properties": rows[0]["Properties"] | dict.fromkeys(("receipt", "text_hash"), f"{number:032x}")}
        for number in range(4997)
    ]
    alerts = monitored.simulate([(row, -4 + number / 1250) for number, row in enumerate([*rows, *copies])])
    assert burst_alerts(alerts) == [("Fired", 0), ("Fired", 5), ("Fired", 10)]
    assert len([mail for mail in monitored.reports if "predictions" in mail.subject]) == 1


NAME, ADDRESS, PHONE = "Mariella Hubinger", "m.hubinger@example.org", "+43 660 987 65 43"
LINK, MENTION = "https://example.org/diary-4711", "@mariella_h"
PERSONAL_TEXT = f"awful trip, says {NAME}, {ADDRESS}, {PHONE}, see {LINK} {MENTION}"


@pytest.mark.parametrize("shared", [True, False])
def test_text_is_in_table_and_report_only_if_shared(monitored: MonitoredApp, azurite: Azurite, shared: bool) -> None:
    """Telemetry and logs never contain it. Table and report contain it masked if the person shares it."""
    log_size = monitored.app.log.stat().st_size
    earlier_rows = len(monitored.telemetry.rows)
    for number in range(3):
        text = f"{PERSONAL_TEXT} {number}"
        monitored.mark_wrong(
            monitored.predict(text), text=text, share_text=shared, **({"comment": text} if shared else {})
        )
    http = monitored.app.http
    assert (
        http.post("/api/predict", content=PERSONAL_TEXT, headers={"content-type": "application/json"}).status_code
        == 400
    )
    assert http.post("/api/predict", json={"text": PERSONAL_TEXT * 20}).status_code == 400
    assert http.post("/api/predict", json={PERSONAL_TEXT: PERSONAL_TEXT}).status_code == 400
    assert http.post("/api/feedback", json={"prediction_id": PERSONAL_TEXT, "correct": False}).status_code == 422
    monitored.simulate([(row, 0) for row in monitored.telemetry.wait_for("bad_prediction", 3)])
    (report,) = monitored.reports
    monitored.telemetry.wait_for("incident_reported", 1)

    with TableServiceClient.from_connection_string(azurite.connection_string) as service:
        rows = [str(dict(row)) for table in service.list_tables() for row in _entities(service, table.name)]
    telemetry = [str(row) for _, row in monitored.telemetry.rows[earlier_rows:]]
    log = monitored.app.log.read_bytes()[log_size:].decode()
    mails = [str(mail.summary) + str(mail.message) for mail in monitored.mails]
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


# `make serve`: everything in one process


@contextmanager
def serving(folder: Path, environment: dict[str, str], *arguments: str) -> Iterator[httpx.Client]:
    """Run `python -m devhost` on a free port and yield a client. It must end without an error."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SMTP_", "MAIL_", "APPLICATION"))}
    log = folder / "log"
    with run_devhost(folder, log, kept | environment, *arguments) as app:
        yield app.http
    assert app.process.returncode == 0
    assert "Traceback" not in log.read_text()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of an app whose local.settings.json has no INCIDENT_KEY, as in older checkouts."""
    for name in ("function_app.py", "host.json"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    values = dict(LocalSettings.read_or_create(tmp_path).values)
    del values["INCIDENT_KEY"]
    (tmp_path / "local.settings.json").write_text(json.dumps({"Values": values}))
    return tmp_path


def wait_for_mails(http: httpx.Client, *senders: str) -> list[dict[str, str]]:
    """Wait until there is a mail of each sender. Return the first of each."""
    end = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < end:
        mails: list[dict[str, str]] = http.get("/mailbox.json").json()
        first_mails = {sender: [mail for mail in mails if sender in mail["from"]][:1] for sender in senders}
        if all(first_mails.values()):
            return [mail for found in first_mails.values() for mail in found]
    raise AssertionError(mails)


def test_burst_is_mailed_by_make_serve(azurite: Azurite, folder: Path) -> None:
    """Rules are evaluated a thousand times as often."""
    environment = {"PORT": "0", "MODEL": "lite", "TABLES_CONNECTION_STRING": azurite.connection_string}
    tables = {"FEEDBACK_TABLE": "burstfeedback", "INCIDENTS_TABLE": "burstincidents"}
    with serving(folder, environment | tables, "--speed", "1000") as http:
        for number in range(3):
            prediction = http.post("/api/predict", json={"text": f"tweet {number}"}).json()["predictions"][0]
            http.post("/api/feedback", json={"prediction_id": prediction["prediction_id"], "correct": False})
        alert, report = wait_for_mails(http, "azure-noreply", "buzzguard")
        assert alert["subject"] == f"Fired:Sev2 Azure Monitor Alert {BURST}"
        assert "3 predictions" in report["subject"]


def test_unavailable_app_is_mailed_by_make_serve(azurite: Azurite, folder: Path) -> None:
    environment = {"PORT": "0", "MODEL": "none", "TABLES_CONNECTION_STRING": azurite.connection_string}
    tables = {"FEEDBACK_TABLE": "outagefeedback", "INCIDENTS_TABLE": "outageincidents"}
    with serving(folder, environment | tables, "--speed", "1000") as http:
        alert, report = wait_for_mails(http, "azure-noreply", "buzzguard")
        assert alert["subject"] == "Fired:Sev1 Azure Monitor Alert availability"
        assert report["subject"] == "[Buzzguard Sev1] availability fired"


def run_drill(**environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "devhost.drill"]
    return subprocess.run(
        command, cwd=ROOT, env=os.environ | {"MODEL": "lite"} | environment, capture_output=True, text=True, timeout=300
    )


def test_drill_prints_every_alert() -> None:
    done = run_drill()
    assert (done.returncode, done.stderr) == (0, "")
    assert f"within 5 minutes {BURST} fires" in done.stdout
    assert f"Fired:Sev2 Azure Monitor Alert {BURST}\n" in done.stdout
    assert "operations have two reports" in done.stdout
    for condition in ("Fired", "Resolved"):
        assert f"{condition}:Sev1 Azure Monitor Alert availability\n" in done.stdout
    assert done.stdout.endswith("availability\nAll alerts work.\n")


def test_failing_drill_says_why() -> None:
    done = run_drill(MODEL="no such model")
    assert (done.returncode, done.stdout.count("\n")) == (1, 1)
    assert "The drill failed: expected no alert, got availability fired" in done.stderr
