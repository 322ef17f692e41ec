"""The nightly export, and restoring a lost table from it without what was erased."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from azure.data.tables import TableServiceClient
from azure.storage.blob import ContainerClient

from cloud.blob_storage import BlobFeedbackExport
from cloud.settings import read_settings
from cloud.table_storage import TableFeedbackStore
from devhost.azurite import Azurite
from feedback.receipt import Receipt
from feedback.record import Feedback, build_feedback
from functions import export
from tests.support.app import MASTER_KEY, App, StartApp
from tests.support.paths import ROOT
from tests.support.timers import log_records, timer_function

TABLE = "exported"
DAY = timedelta(days=1)


@pytest.fixture
def environment(azurite: Azurite, container: ContainerClient) -> Iterator[dict[str, str]]:
    """Settings for an app with a table and a container of its own."""
    yield {
        "TABLES_CONNECTION_STRING": azurite.connection_string,
        "FEEDBACK_TABLE": TABLE,
        "FEEDBACK_RETENTION_DAYS": "7",
        "EXPORT_CONTAINER_URL": container.url,
    }
    lose(azurite)


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def store(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> TableFeedbackStore:
    monkeypatch.setattr("cloud.table_storage.REQUEST_TIMEOUT_SECONDS", 60)  # this machine may be slow
    return TableFeedbackStore(read_settings(environment | {"RECEIPT_KEY": "k" * 32}))


@pytest.fixture
def archive(environment: dict[str, str]) -> BlobFeedbackExport:
    return BlobFeedbackExport(read_settings(environment | {"RECEIPT_KEY": "k" * 32}))


def lose(azurite: Azurite) -> None:
    """Delete the feedback table."""
    with TableServiceClient.from_connection_string(azurite.connection_string) as service:
        service.delete_table(TABLE)


def give_feedback(app: App, comment: str) -> str:
    """Give feedback on a new prediction and return its id."""
    text = {"text": "the crew was great"}
    receipt = str(app.http.post("/api/predict", json=text).json()["predictions"][0]["prediction_id"])
    feedback = {"prediction_id": receipt, "correct": False, "comment": comment}
    assert app.http.post("/api/feedback", json=feedback).status_code == 201
    return receipt


def night(app: App) -> httpx.Response:
    return app.http.post("/admin/functions/export", json={}, headers={"x-functions-key": MASTER_KEY}, timeout=60)


def restore(environment: dict[str, str], container: str) -> str:
    command = [sys.executable, "-m", "infra.restore", container]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    return done.stdout + done.stderr


def row(predicted: datetime, number: int = 0) -> Feedback:
    receipt = Receipt("lite@1", 0.9, "positive", "0" * 32, predicted, f"{predicted}{number}.id")
    return build_feedback(receipt, False, datetime.now(UTC), comment=f"of {predicted}")


def comments(rows: Iterator[Feedback]) -> list[str]:
    return sorted(row.comment or "" for row in rows)


def test_restores_a_lost_table_without_what_was_erased(
    start_app: StartApp, azurite: Azurite, environment: dict[str, str], store: TableFeedbackStore, now: datetime
) -> None:
    app = start_app(**environment)
    given = ("kept", "erased", "lost and erased", "changed")
    prediction_ids = {comment: give_feedback(app, comment) for comment in given}
    rows = {row.comment: row for row in store.reported_wrong(now - DAY, now - DAY, now + DAY)}
    assert app.http.delete(f"/api/feedback/{prediction_ids['changed']}").status_code == 204
    changed = {"prediction_id": prediction_ids["changed"], "correct": False, "comment": "changed twice"}
    assert app.http.post("/api/feedback", json=changed).status_code == 201  # not what was erased
    assert night(app).status_code == 202
    assert app.http.delete(f"/api/feedback/{prediction_ids['erased']}").status_code == 204
    lose(azurite)
    assert app.http.delete(f"/api/feedback/{prediction_ids['lost and erased']}").status_code == 204
    assert night(app).status_code == 202  # must not empty the copy, although the table is empty
    assert "WARNING buzzguard.export: The table has lost 2 rows of the export" in app.log.read_text()

    container = environment["EXPORT_CONTAINER_URL"]
    assert restore(environment, container).startswith("2 restored, 0 there already, 0 different")
    restored = list(store.reported_wrong(now - DAY, now - DAY, now + DAY))
    assert comments(iter(restored)) == ["changed twice", "kept"]
    assert rows["kept"] in restored
    assert restore(environment, container).startswith("0 restored, 2 there already, 0 different")


def test_exports_nothing_older_than_the_retention(
    start_app: StartApp,
    environment: dict[str, str],
    store: TableFeedbackStore,
    archive: BlobFeedbackExport,
    now: datetime,
) -> None:
    app = start_app(**environment)
    # The purge has not deleted them yet: it may have failed.
    ages = {"long over": 30 * DAY, "just over": 7 * DAY + timedelta(hours=1), "old": 6 * DAY, "new": timedelta()}
    rows = {age: row(now - ages[age]) for age in ages}
    erased = {age: row(now - ages[age], 1) for age in ages}
    for age, each in rows.items():
        store.add(each)
        archive.write_day(each.predicted_at.date(), [each])  # the night before
        archive.note_erasure(erased[age], now)
    assert night(app).status_code == 202
    days = sorted(archive.written_days())
    assert days == [now.date() - age * DAY for age in range(7, -1, -1)]
    assert [row for day in days for row in archive.read_day(day)] == [rows["old"], rows["new"]]
    assert archive.erasures().keys() == {erased["old"].digest, erased["new"].digest}


def test_restore_skips_existing_and_expired_rows(
    environment: dict[str, str], store: TableFeedbackStore, archive: BlobFeedbackExport, now: datetime
) -> None:
    old, existing, other, gone = row(now - 8 * DAY), row(now, 1), row(now, 2), row(now, 3)
    answered = Receipt("lite@1", 0.9, "positive", "0" * 32, now, f"{now}2.id")
    store.add(existing)
    store.add(build_feedback(answered, True, now))
    archive.write_day(old.predicted_at.date(), [old])
    archive.write_day(existing.predicted_at.date(), [existing, other, gone])
    archive.note_erasure(gone, datetime.now(UTC))
    assert restore(environment, environment["EXPORT_CONTAINER_URL"]) == (
        "0 restored, 1 there already, 1 different from what is there, 1 left out because they were erased,"
        " 1 because they are too old\n"
    )
    assert list(store.reported_wrong(now - 30 * DAY, now - DAY, now + DAY)) == [existing]


@pytest.mark.parametrize(
    ("change", "url", "fault"),
    [
        (
            {},
            "http://127.0.0.1:{closed_port}/account/container?sig=s",
            "The container of the export cannot be used: ServiceRequestError. ",
        ),
        (
            {"PATH": ""},  # without the Azure CLI
            "https://account.blob.example/container",
            "The container of the export cannot be used: CredentialUnavailableError. Azure CLI not found on path",
        ),
        ({}, "https://account.example", "EXPORT_CONTAINER_URL must be the URL of a blob container"),
        (
            {"TABLES_CONNECTION_STRING": ""},
            "https://account.example/container",
            "TABLES_CONNECTION_STRING or TABLES_EN",
        ),
    ],
)
def test_failed_restore_prints_the_reason_in_one_line(
    environment: dict[str, str], closed_port: int, change: dict[str, str], url: str, fault: str
) -> None:
    output = restore(environment | change, url.format(closed_port=closed_port))
    assert output.startswith(fault) and output.count("\n") == 1


def test_erasure_fails_if_it_cannot_be_noted(
    start_app: StartApp, environment: dict[str, str], store: TableFeedbackStore, now: datetime, closed_port: int
) -> None:
    """Otherwise a restore would bring the feedback back."""
    unreachable = f"http://127.0.0.1:{closed_port}/account/container?sig=s"
    app = start_app(**environment | {"EXPORT_CONTAINER_URL": unreachable})
    answer = app.http.delete(f"/api/feedback/{give_feedback(app, 'still there')}")
    assert (answer.status_code, answer.json()["title"]) == (503, "Feedback store unavailable")
    assert comments(store.reported_wrong(now - DAY, now - DAY, now + DAY)) == ["still there"]


def test_failed_export_is_logged(start_app: StartApp, closed_port: int) -> None:
    unreachable = f"http://127.0.0.1:{closed_port}/account/container?sig=s"
    app = start_app(TABLES_CONNECTION_STRING="AccountName=nobody", EXPORT_CONTAINER_URL=unreachable)
    assert night(app).status_code == 500
    log = app.log.read_text()
    assert "ERROR buzzguard.export: Feedback was not exported" in log and "cannot be used: ServiceRequestError" in log


def test_export_without_enough_time_continues_the_next_night(
    store: TableFeedbackStore,
    archive: BlobFeedbackExport,
    now: datetime,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    function = timer_function(lambda timers: export.register(timers, store, archive, 7 * DAY))
    first, last = row(now - 6 * DAY), row(now)
    for each in (first, last):
        store.add(each)

    def short_night(seconds: float) -> list[tuple[str, str, str]]:
        monkeypatch.setattr(export, "TIME_LIMIT_SECONDS", seconds)
        return log_records(function, caplog)

    exported = ("buzzguard.watch", "INFO", "feedback_exported")
    warning = "Time ran out: 7 days of feedback are left to the next night."
    assert short_night(seconds=0) == [exported, ("buzzguard.export", "WARNING", warning)]
    assert rows_and_days(caplog) == (0, 1)  # the day that the retention is about to end
    assert short_night(seconds=0) == [exported, ("buzzguard.export", "WARNING", warning)]
    assert rows_and_days(caplog) == (1, 1)
    assert list(archive.written_days()) == [now.date() - age * DAY for age in (7, 6)]
    assert short_night(seconds=40) == [exported]
    assert rows_and_days(caplog) == (2, 8)
    assert archive.read_day(now.date()) == [last]


def rows_and_days(caplog: pytest.LogCaptureFixture) -> tuple[int, int]:
    """Return the fields of the event."""
    event: Any = caplog.records[0]
    return event.rows, event.days
