"""The purge deletes what has expired, and nothing else."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import azure.functions as func
import httpx
import pytest

from cloud.azure_storage import MAX_ATTEMPTS, REQUEST_TIMEOUT_SECONDS
from cloud.settings import Settings, read_settings
from cloud.table_storage import SCAN_TIMEOUT_SECONDS, TableFeedbackStore, TableIncidentStore
from devhost.azurite import Azurite, connection_string
from feedback.receipt import Receipt
from feedback.record import build_feedback
from feedback.stores import Purged, Subject, start_of_hour
from functions import export, retention
from tests.support.app import MASTER_KEY, App, StartApp
from tests.support.timers import log_records, timer_function

DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def long_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the store a minute for each request: this machine may be slow."""
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
    assert incidents.purge(datetime.now(UTC), lambda: False).rows == 2  # the mark, and a claim that was not released


def test_failed_purge_is_logged(start_app: StartApp, closed_port: int) -> None:
    app = start_app(TABLES_CONNECTION_STRING=connection_string(closed_port))
    assert run(app).status_code == 500
    assert "ERROR buzzguard.retention: Expired feedback was not purged" in app.log.read_text()


def test_purge_without_enough_time_is_continued_by_the_next_run(
    azurite: Azurite, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(settings_for(azurite, "short"))
    store, incidents = TableFeedbackStore(settings), TableIncidentStore(settings)
    service: Any = SimpleNamespace(store=store, incidents=incidents, retention=7 * DAY)
    function = timer_function(lambda timers: retention.register(timers, service))
    now = fill(store, 30 * DAY, 8 * DAY, timedelta())
    incidents.claim("old", now - 8 * DAY)

    def run_for(seconds: float) -> list[tuple[str, str, str]]:
        monkeypatch.setattr(retention, "TIME_LIMIT_SECONDS", seconds)
        return log_records(function, caplog)

    purged = ("buzzguard.watch", "INFO", "feedback_purged")
    warning = f"Time ran out: what was stored since {now - 30 * DAY:%Y-%m-%dT%H} is left to the next run."
    assert run_for(seconds=-1) == [purged, ("buzzguard.retention", "WARNING", warning)]
    assert fields(caplog) == (0, 23 * 24)
    assert run_for(seconds=40) == [purged]
    assert fields(caplog) == (2, 0)
    assert ages(store) == [0]
    assert incidents.purge(now, lambda: False).rows == 0


def test_purge_says_that_records_of_incidents_are_left(caplog: pytest.LogCaptureFixture) -> None:
    left = start_of_hour(datetime.now(UTC) - 30 * DAY)
    store = SimpleNamespace(purge=lambda *_: Purged(3, None))
    incidents = SimpleNamespace(purge=lambda *_: Purged(2, left))
    service: Any = SimpleNamespace(store=store, incidents=incidents, retention=7 * DAY)
    log_records(timer_function(lambda timers: retention.register(timers, service)), caplog)
    assert fields(caplog) == (3, 23 * 24)


def fields(caplog: pytest.LogCaptureFixture) -> tuple[int, int]:
    """Return the fields of the event."""
    event: Any = caplog.records[0]
    return event.rows, event.hours_behind


def test_runs_of_a_night_and_the_export_are_in_one_hour() -> None:
    """In one hour they agree on what has expired. Each run ends before the host ends it."""
    app, nobody = func.FunctionApp(), SimpleNamespace(store=None, incidents=None, retention=None)
    retention.register(app, nobody)  # type: ignore[arg-type]
    export.register(app, None, None, DAY)  # type: ignore[arg-type]
    minutes, hours = zip(
        *(function.get_trigger().schedule.split()[1:3] for function in app.get_functions()), strict=True
    )
    assert (minutes, set(hours)) == (("*/5", "30"), {"3"})
    longest_request = MAX_ATTEMPTS * (REQUEST_TIMEOUT_SECONDS + SCAN_TIMEOUT_SECONDS)
    assert retention.TIME_LIMIT_SECONDS + longest_request < 60
