"""The nightly purge deletes what has expired, and nothing else."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from cloud.settings import Settings, read_settings
from cloud.table_storage import TableFeedbackStore, TableIncidentStore
from devhost.azurite import Azurite
from feedback.receipt import Receipt
from feedback.record import build_feedback
from feedback.stores import Subject
from tests.support.app import MASTER_KEY, App, StartApp
from tests.support.paths import ROOT

DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def long_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine may be slow."""
    monkeypatch.setattr("cloud.table_storage.REQUEST_TIMEOUT_SECONDS", 60)


def settings_for(azurite: Azurite, name: str) -> dict[str, str]:
    tables = {"FEEDBACK_TABLE": f"{name}feedback", "INCIDENTS_TABLE": f"{name}incidents"}
    return {"TABLES_CONNECTION_STRING": azurite.connection_string, "FEEDBACK_RETENTION_DAYS": "7", **tables}


def settings_of(environment: dict[str, str]) -> Settings:
    return read_settings(environment | {"RECEIPT_KEY": "k" * 32})


def fill(store: TableFeedbackStore, *ages: timedelta) -> datetime:
    """Add feedback on predictions of the given ages. Return the time that the ages count from."""
    now = datetime.now(UTC)
    for age in ages:
        receipt = Receipt("lite@1", 0.9, "positive", "0" * 32, now - age, f"{age}.id")
        store.add(build_feedback(receipt, False, now))
    return now


def ages(store: TableFeedbackStore) -> list[int]:
    """Return the ages of the remaining predictions, in days."""
    now = datetime.now(UTC)
    return [(now - row.predicted_at).days for row in store.reported_wrong(now - 99 * DAY, now - DAY, now)]


def run(app: App) -> httpx.Response:
    return app.http.post("/admin/functions/retention", json={}, headers={"x-functions-key": MASTER_KEY}, timeout=60)


def test_purges_old_feedback_and_old_incidents(start_app: StartApp, azurite: Azurite) -> None:
    environment = settings_for(azurite, "old")
    store, incidents = (kind(settings_of(environment)) for kind in (TableFeedbackStore, TableIncidentStore))
    fill(store, 30 * DAY, 8 * DAY, 6 * DAY, timedelta())
    for name, age in (("old", 8 * DAY), ("new", 6 * DAY)):
        incidents.claim(name, datetime.now(UTC) - age)
        incidents.mark_reported([Subject(name, None)], datetime.now(UTC) - age)
    app = start_app(**environment)
    assert [run(app).status_code for _ in range(2)] == [202, 202]
    assert ages(store) == [6, 0]
    assert list(incidents.reported_alerts()) == ["new"]
    assert list(incidents.purge(datetime.now(UTC))) == [1, 1]  # the mark, and a claim that was not released


def test_failed_purge_is_logged(start_app: StartApp) -> None:
    account = "AccountName=a;AccountKey=a2V5;TableEndpoint=http://127.0.0.1:1/a;"
    app = start_app(TABLES_CONNECTION_STRING=f"DefaultEndpointsProtocol=http;{account}")
    assert run(app).status_code == 500
    assert "ERROR buzzguard.retention: Expired feedback was not purged" in app.log.read_text()


RECORDS = """
import asyncio, logging, sys
from types import SimpleNamespace
from functions import retention

class Shown(logging.Handler):
    def emit(self, record):
        print(record.name, record.levelname, record.getMessage())
        if record.name == "buzzguard.watch":
            print(record.rows, "rows", record.partitions, "partitions")

logging.getLogger("buzzguard").addHandler(Shown())
logging.getLogger("buzzguard.watch").setLevel(logging.INFO)
retention.SECONDS = float(sys.argv[1])
context = SimpleNamespace(trace_context=SimpleNamespace(trace_parent=""))
asyncio.run(retention.retention(None, context))
"""


def test_purge_without_enough_time_continues_the_next_night(azurite: Azurite) -> None:
    environment = settings_for(azurite, "short")
    store, incidents = (kind(settings_of(environment)) for kind in (TableFeedbackStore, TableIncidentStore))
    now = fill(store, 30 * DAY, 8 * DAY, timedelta())
    incidents.claim("old", now - 8 * DAY)

    def night(seconds: float) -> list[str]:
        command = [sys.executable, "-c", RECORDS, str(seconds)]
        settings = environment | {"RECEIPT_KEY": "k" * 32}
        done = subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True, check=True)
        return done.stdout.splitlines()

    recorded = ["buzzguard.watch INFO feedback_purged", "1 rows 1 partitions"]
    *output, warning = night(seconds=0)
    assert output == recorded and f"since {now - 30 * DAY:%Y-%m-%dT%H} is left to the next night" in warning
    assert night(seconds=40) == recorded
    assert ages(store) == [0]
    assert list(incidents.purge(now)) == []
