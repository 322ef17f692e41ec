"""The table is copied in the night; what is restored from the copy is all of it, and nothing that was erased."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from azure.data.tables import TableServiceClient
from azure.storage.blob import ContainerClient

from cloud.blob_storage import BlobFeedbackExport
from cloud.settings import read
from cloud.table_storage import TableFeedbackStore
from devhost.azurite import Azurite
from feedback.receipt import Receipt
from feedback.record import Feedback, hour_at, record
from tests.conftest import MASTER_KEY, ROOT, App, StartApp

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
    monkeypatch.setattr("cloud.table_storage._PATIENCE", {"retry_total": 0})  # however slow this machine is
    return TableFeedbackStore(read(environment | {"RECEIPT_KEY": "k" * 32}))


@pytest.fixture
def copy(environment: dict[str, str]) -> BlobFeedbackExport:
    return BlobFeedbackExport(read(environment | {"RECEIPT_KEY": "k" * 32}))


def lose(azurite: Azurite) -> None:
    """The table is gone, whoever did it."""
    with TableServiceClient.from_connection_string(azurite.connection_string) as service:
        service.delete_table(TABLE)


def say(app: App, comment: str) -> str:
    """What somebody says of a prediction; returns its id."""
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
    return record(receipt, False, datetime.now(UTC), comment=f"of {predicted}")


def comments(rows: Iterator[Feedback]) -> list[str]:
    return sorted(row.comment or "" for row in rows)


def test_a_lost_table_is_restored_but_for_what_was_erased(
    start_app: StartApp, azurite: Azurite, environment: dict[str, str], store: TableFeedbackStore, now: datetime
) -> None:
    app = start_app(**environment)
    said = {comment: say(app, comment) for comment in ("kept", "erased", "lost and erased", "changed")}
    rows = {row.comment: row for row in store.wrong(now - DAY, now - DAY, now + DAY)}
    assert app.http.delete(f"/api/feedback/{said['changed']}").status_code == 204
    changed = {"prediction_id": said["changed"], "correct": False, "comment": "changed twice"}
    assert app.http.post("/api/feedback", json=changed).status_code == 201  # not what was erased
    assert night(app).status_code == 202
    assert app.http.delete(f"/api/feedback/{said['erased']}").status_code == 204
    lose(azurite)
    assert app.http.delete(f"/api/feedback/{said['lost and erased']}").status_code == 204
    assert night(app).status_code == 202  # which must not take the copy for as empty as the table
    assert "WARNING buzzguard.export: The table has lost 2 rows of the export" in app.log.read_text()

    container = environment["EXPORT_CONTAINER_URL"]
    assert restore(environment, container).startswith("2 restored, 0 there already, 0 different")
    restored = list(store.wrong(now - DAY, now - DAY, now + DAY))
    assert comments(iter(restored)) == ["changed twice", "kept"]
    assert rows["kept"] in restored
    assert restore(environment, container).startswith("0 restored, 2 there already, 0 different")


def test_nothing_is_exported_that_is_older_than_the_retention(
    start_app: StartApp, environment: dict[str, str], store: TableFeedbackStore, copy: BlobFeedbackExport, now: datetime
) -> None:
    app = start_app(**environment)
    # Retention has not come to them yet: it may have failed.
    ages = {"long over": 30 * DAY, "just over": 7 * DAY + timedelta(hours=1), "old": 6 * DAY, "new": timedelta()}
    rows = {age: row(now - ages[age]) for age in ages}
    for each in rows.values():
        store.add(each)
        copy.write(each.hour[:10], [each])  # as of the night before
        copy.note_erasure(each.hour, "0" * 32, now)
    assert night(app).status_code == 202
    days = sorted(copy.days())
    assert days == [f"{now - age * DAY:%Y-%m-%d}" for age in range(7, -1, -1)]
    assert [row for day in days for row in copy.read(day)] == [rows["old"], rows["new"]]
    assert sorted(copy.erasures()) == [(rows["old"].hour, "0" * 32), (rows["new"].hour, "0" * 32)]


def test_a_restore_leaves_what_is_there_and_what_is_too_old(
    environment: dict[str, str], store: TableFeedbackStore, copy: BlobFeedbackExport, now: datetime
) -> None:
    old, there, other, gone = row(now - 8 * DAY), row(now, 1), row(now, 2), row(now, 3)
    answered = Receipt("lite@1", 0.9, "positive", "0" * 32, now, f"{now}2.id")
    store.add(there)
    store.add(record(answered, True, now))
    copy.write(old.hour[:10], [old])
    copy.write(there.hour[:10], [there, other, gone])
    copy.note_erasure(gone.hour, gone.digest, datetime.now(UTC))
    assert restore(environment, environment["EXPORT_CONTAINER_URL"]) == (
        "0 restored, 1 there already, 1 different from what is there, 1 left out because they were erased,"
        " 1 because they are too old\n"
    )
    assert list(store.wrong(now - 30 * DAY, now - DAY, now + DAY)) == [there]


@pytest.mark.parametrize(
    ("change", "url", "fault"),
    [
        (
            {},
            "http://127.0.0.1:1/account/container?sig=s",
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
def test_a_restore_that_cannot_be_says_why_in_a_line(
    environment: dict[str, str], change: dict[str, str], url: str, fault: str
) -> None:
    told = restore(environment | change, url)
    assert told.startswith(fault) and told.count("\n") == 1


def test_an_erasure_that_cannot_be_noted_is_not_done(
    start_app: StartApp, environment: dict[str, str], store: TableFeedbackStore, now: datetime
) -> None:
    """Else a restore would bring it back."""
    app = start_app(**environment | {"EXPORT_CONTAINER_URL": "http://127.0.0.1:1/account/container?sig=s"})
    answer = app.http.delete(f"/api/feedback/{say(app, 'still there')}")
    assert (answer.status_code, answer.json()["title"]) == (503, "Feedback store unavailable")
    assert comments(store.wrong(now - DAY, now - DAY, now + DAY)) == ["still there"]


def test_a_night_without_a_container_is_a_failure_that_is_told(start_app: StartApp) -> None:
    nowhere = "http://127.0.0.1:1/account/container?sig=s"
    app = start_app(TABLES_CONNECTION_STRING="AccountName=nobody", EXPORT_CONTAINER_URL=nowhere)
    assert night(app).status_code == 500
    log = app.log.read_text()
    assert "ERROR buzzguard.export: Feedback was not exported" in log and "cannot be used: ServiceRequestError" in log


RECORDS = """
import asyncio, logging, sys
from types import SimpleNamespace
import function_app
from functions import export

class Shown(logging.Handler):
    def emit(self, record):
        print(record.name, record.levelname, record.getMessage())
        if record.name == "buzzguard.watch":
            print(record.rows, "rows", record.days, "days")

logging.getLogger("buzzguard").addHandler(Shown())
logging.getLogger("buzzguard.watch").setLevel(logging.INFO)
export.TIME_LIMIT_SECONDS = float(sys.argv[1])
context = SimpleNamespace(trace_context=SimpleNamespace(trace_parent=""))
functions = {f.get_function_name(): f.get_user_function() for f in function_app.app.get_functions()}
asyncio.run(functions["export"](None, context))
"""


def test_a_night_that_is_too_short_goes_on_the_next_one(
    environment: dict[str, str], store: TableFeedbackStore, copy: BlobFeedbackExport, now: datetime
) -> None:
    first, last = row(now - 6 * DAY), row(now)
    for each in (first, last):
        store.add(each)

    def dark(seconds: float) -> list[str]:
        command = [sys.executable, "-c", RECORDS, str(seconds)]
        settings = environment | {"RECEIPT_KEY": "k" * 32}
        done = subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True, check=True)
        return done.stdout.splitlines()

    left = "buzzguard.export WARNING Time ran out: 7 days of feedback are left to the next night."
    recorded = "buzzguard.watch INFO feedback_exported"
    assert dark(seconds=0) == [recorded, "0 rows 1 days", left]  # the day that the retention is about to end
    assert dark(seconds=0) == [recorded, "1 rows 1 days", left]
    assert list(copy.days()) == [f"{now - age * DAY:%Y-%m-%d}" for age in (7, 6)]
    assert dark(seconds=40) == [recorded, "2 rows 8 days"]
    assert copy.read(hour_at(now)[:10]) == [last]
