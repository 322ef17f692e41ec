"""The stores in Azurite's tables; and what Azurite cannot show: managed identity, and faults of service and SDK."""

import json
import subprocess
import sys
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from itertools import batched, chain, repeat
from threading import Barrier
from typing import Any, ClassVar, Literal

import msgspec
import pytest
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError, ServiceResponseError
from azure.data.tables import TableClient
from msgspec.structs import replace

from cloud.settings import Settings, read_settings
from cloud.table_storage import TableFeedbackStore, TableIncidentStore, _to_row
from devhost.azurite import Azurite
from feedback.errors import IncidentInProgress, StoreUnavailable
from feedback.receipt import Receipt
from feedback.record import Feedback, build_feedback
from feedback.stores import Claim, Purged, Subject
from tests.support.http_server import serve_http
from tests.support.paths import ROOT

NOW = datetime(2026, 11, 22, tzinfo=UTC)
HOUR = timedelta(hours=1)
FEEDBACK = build_feedback(Receipt("lite@1", 0.9, "positive", "0" * 32, NOW, "id"), False, NOW)
ENDPOINT = {"RECEIPT_KEY": "k" * 32, "TABLES_ENDPOINT": "https://account.table.core.example"}


@pytest.fixture
def tables(azurite: Azurite, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings with tables of their own, which do not exist yet."""
    monkeypatch.setattr("cloud.table_storage.REQUEST_TIMEOUT_SECONDS", 20)  # this machine may be slow
    names = {"FEEDBACK_TABLE": f"f{uuid.uuid4().hex}", "INCIDENTS_TABLE": f"i{uuid.uuid4().hex}"}
    return read_settings({"RECEIPT_KEY": "k" * 32, "TABLES_CONNECTION_STRING": azurite.connection_string, **names})


def row(number: int, predicted: datetime = NOW, **changes: Any) -> Feedback:
    receipt = Receipt("lite@1", 0.9, "positive", "0" * 32, predicted, f"{number}.signature")
    return replace(build_feedback(receipt, correct=False, received_at=predicted), **changes)


def fill(store: TableFeedbackStore, rows: list[Feedback]) -> None:
    """Write rows of one hour in transactions, as the store itself would write them."""
    store._create_table()
    for batch in batched(rows, 100, strict=False):
        store._client.submit_transaction([("create", _to_row(each)) for each in batch])


def test_reported_wrong_filters_by_time_of_feedback_and_prediction(tables: Settings) -> None:
    store = TableFeedbackStore(tables)
    since, until, little = NOW, NOW + timedelta(minutes=15), timedelta(milliseconds=1)
    predicted_since = NOW - timedelta(days=30)
    matching = {
        "first": row(1, received_at=since),
        "last": row(2, received_at=until, text="hi", comment="no"),
        "old": row(3, predicted_since, received_at=since),
    }
    others = [
        row(4, received_at=since - little),
        row(5, received_at=until + little),
        row(6, received_at=since, correct=True),
        row(7, predicted_since - timedelta(hours=1), received_at=since),
    ]
    assert list(store.reported_wrong(predicted_since, since, until)) == []  # no table yet
    for feedback in (*matching.values(), *others):
        store.add(feedback)
    found = list(store.reported_wrong(predicted_since, since, until))
    assert found[0] == matching["old"]  # its partition comes first
    assert sorted(found[1:], key=lambda row: row.received_at) == [matching["first"], matching["last"]]
    assert msgspec.json.encode(found[0]) == msgspec.json.encode(matching["old"])


def test_reported_wrong_finds_feedback_that_seems_to_come_before_its_prediction(tables: Settings) -> None:
    """The clock of the instance that predicted was minutes ahead, and so in the next hour."""
    store, received = TableFeedbackStore(tables), NOW + HOUR - timedelta(minutes=2)
    feedback = row(1, received + timedelta(minutes=4), received_at=received)
    store.add(feedback)
    assert list(store.reported_wrong(NOW, NOW, received)) == [feedback]


def test_of_day_yields_the_rows_in_the_order_of_hours(tables: Settings) -> None:
    store = TableFeedbackStore(tables)
    assert list(store.of_day(NOW.date())) == []  # no table yet
    hours = [-1, 0, 5, 23, 24]
    rows = [row(number, NOW + hour * HOUR) for number, hour in enumerate(hours)]
    for feedback in reversed(rows):
        store.add(feedback)
    assert list(store.of_day(NOW.date())) == rows[1:4]


def test_reads_and_purges_several_pages(tables: Settings) -> None:
    store = TableFeedbackStore(tables)
    rows = [row(number) for number in range(1_100)]
    fill(store, rows)
    assert sorted(store.reported_wrong(NOW, NOW, NOW), key=lambda row: row.digest) == sorted(
        rows, key=lambda row: row.digest
    )
    assert store.purge(NOW + HOUR, never) == Purged(1_100, None)
    assert list(store.reported_wrong(NOW, NOW, NOW)) == []


def never() -> bool:
    return False


def after(calls: int) -> Callable[[], bool]:
    """Return a clock that says that time is up after so many calls."""
    clock = chain(repeat(False, calls), repeat(True))
    return lambda: next(clock)


def test_purge_deletes_what_is_older_and_nothing_else(tables: Settings) -> None:
    store = TableFeedbackStore(tables)
    assert store.purge(NOW, never) == Purged(0, None)  # no table yet
    kept = [row(1, NOW), row(2, NOW + HOUR)]
    fill(store, [row(number, NOW - 2 * HOUR) for number in range(250)])
    fill(store, [row(number, NOW - timedelta(seconds=1)) for number in range(3)])
    for feedback in kept:
        store.add(feedback)
    assert store.purge(NOW, never) == Purged(253, None)
    found = store.reported_wrong(NOW - 3 * HOUR, NOW - 3 * HOUR, NOW + HOUR)
    assert sorted(found, key=lambda row: row.predicted_at) == kept


def test_purge_deletes_the_oldest_first_and_the_next_one_continues(
    tables: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloud.table_storage.PURGE_THREADS", 1)  # so that the clock counts batches
    store = TableFeedbackStore(tables)
    for days in (3, 2, 1):
        fill(store, [row(number, NOW - timedelta(days=days)) for number in range(150)])
    assert store.purge(NOW, after(0)) == Purged(0, NOW - timedelta(days=3))
    assert store.purge(NOW, after(3)) == Purged(250, NOW - timedelta(days=2))
    assert store.purge(NOW, never) == Purged(200, None)


def test_purge_says_what_may_be_left_if_time_is_up_after_a_page(tables: Settings) -> None:
    store = TableFeedbackStore(tables)
    for days in (2, 1):
        store.add(row(days, NOW - timedelta(days=days)))
    assert store.purge(NOW, after(2)) == Purged(2, NOW - timedelta(days=1))


def test_purge_of_an_empty_table_deletes_nothing_if_time_is_up(tables: Settings) -> None:
    """The service answers with a page without rows."""
    store, incidents = TableFeedbackStore(tables), TableIncidentStore(tables)
    for table in (store, incidents):
        table._create_table()
    assert store.purge(NOW, after(0)) == Purged(0, None)
    assert incidents.purge(NOW, after(0)) == Purged(0, None)


def test_purge_keeps_the_hour_that_has_not_passed_completely(tables: Settings) -> None:
    store = TableFeedbackStore(tables)
    store.add(row(1, NOW))
    assert store.purge(NOW + HOUR - timedelta(seconds=1), never) == Purged(0, None)
    assert store.purge(NOW + HOUR, never) == Purged(1, None)


def before_a_transaction(monkeypatch: pytest.MonkeyPatch, act: Callable[[Any], None]) -> None:
    """Call `act` with the operations of each transaction before it is sent."""
    submit = TableClient.submit_transaction

    def submit_later(client: TableClient, operations: Any, **options: Any) -> Any:
        act(operations)
        return submit(client, operations, **options)

    monkeypatch.setattr(TableClient, "submit_transaction", submit_later)


def test_purge_continues_if_a_row_is_erased_meanwhile(tables: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service refuses a transaction with a missing row as a whole."""
    store = TableFeedbackStore(tables)
    rows = [row(number) for number in range(150)]
    fill(store, rows)
    before_a_transaction(monkeypatch, lambda _: store.erase(rows[0]))
    assert store.purge(NOW + HOUR, never) == Purged(150, None)
    assert list(store.reported_wrong(NOW, NOW, NOW)) == []


@pytest.mark.parametrize("error", [StoreUnavailable("busy", 5), RuntimeError("a bug")])
def test_rows_that_cannot_be_deleted_do_not_keep_the_others(
    tables: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    store = TableFeedbackStore(tables)
    for hours in (3, 2, 1):
        fill(store, [row(number, NOW - hours * HOUR) for number in range(120)])
    failing = f"{NOW - 2 * HOUR:%Y-%m-%dT%H}"

    def fail(operations: Any) -> None:
        if operations[0][1]["PartitionKey"] == failing:
            raise error

    with monkeypatch.context() as patch:
        before_a_transaction(patch, fail)
        with pytest.raises(type(error)):
            store.purge(NOW, never)
    assert f"Rows of {failing} cannot be deleted: {type(error).__name__}" in caplog.text
    assert store.purge(NOW, never) == Purged(120, None)


def test_purge_deletes_several_batches_at_a_time(tables: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    store, together = TableFeedbackStore(tables), Barrier(4, timeout=60)
    for hours in (2, 1):
        fill(store, [row(number, NOW - hours * HOUR) for number in range(200)])
    before_a_transaction(monkeypatch, lambda _: together.wait() and None)
    assert store.purge(NOW, never) == Purged(400, None)


def losing_the_first_reply[**P, T](call: Callable[P, T]) -> Callable[P, T]:
    """Wrap `call`: it always runs, but its first reply does not reach the caller."""
    lost: list[T] = []

    def loses(*arguments: P.args, **options: P.kwargs) -> T:
        result = call(*arguments, **options)
        if not lost:
            lost.append(result)
            raise ServiceResponseError("the connection broke")
        return result

    return loses


def test_feedback_is_created_although_the_reply_is_lost(tables: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    store = TableFeedbackStore(tables)
    store._create_table()
    monkeypatch.setattr(TableClient, "create_entity", losing_the_first_reply(TableClient.create_entity))
    assert store.add(FEEDBACK) == "created"
    assert store.add(FEEDBACK) == "replayed"


def test_purge_continues_after_a_lost_reply(tables: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    store = TableFeedbackStore(tables)
    fill(store, [row(number) for number in range(3)])
    monkeypatch.setattr(TableClient, "submit_transaction", losing_the_first_reply(TableClient.submit_transaction))
    assert store.purge(NOW + HOUR, never) == Purged(3, None)
    assert list(store.reported_wrong(NOW, NOW, NOW)) == []


def test_claim_is_exclusive_until_released(tables: Settings) -> None:
    store = TableIncidentStore(tables)
    for _ in range(2):
        claim = store.claim("a", NOW)
        with pytest.raises(IncidentInProgress):
            store.claim("a", NOW + timedelta(seconds=59))
        store.release_claim(store.claim("b", NOW))
        store.release_claim(claim)


def test_expired_claim_is_taken_over_and_its_old_holder_cannot_release_it(tables: Settings) -> None:
    store = TableIncidentStore(tables)
    dead, later = store.claim("a", NOW), NOW + timedelta(minutes=1)
    alive = store.claim("a", later)
    store.release_claim(dead)
    with pytest.raises(IncidentInProgress):
        store.claim("a", later)
    store.release_claim(alive)
    store.claim("a", later)


def test_one_of_many_concurrent_calls_gets_the_claim(tables: Settings) -> None:
    store = TableIncidentStore(tables)

    def claims(_: int) -> bool:
        try:
            return isinstance(store.claim("a", NOW), Claim)
        except IncidentInProgress:
            return False

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(claims, range(16))) == [False] * 15 + [True]


def test_one_of_two_concurrent_takeovers_gets_the_claim(tables: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both have seen that the claim has expired; the other call writes first."""
    store, update, faster = TableIncidentStore(tables), TableClient.update_entity, list[Claim]()
    store.claim("a", NOW - timedelta(minutes=1))

    def overtaken(*arguments: Any, **options: Any) -> Any:
        monkeypatch.setattr(TableClient, "update_entity", update)
        faster.append(TableIncidentStore(tables).claim("a", NOW))
        return update(*arguments, **options)

    monkeypatch.setattr(TableClient, "update_entity", overtaken)
    with pytest.raises(IncidentInProgress):
        store.claim("a", NOW)
    assert len(faster) == 1


@pytest.mark.parametrize("lost", ["create_entity", "update_entity", "delete_entity"])
def test_claim_survives_a_lost_reply(
    tables: Settings, monkeypatch: pytest.MonkeyPatch, lost: Literal["create_entity", "update_entity", "delete_entity"]
) -> None:
    store = TableIncidentStore(tables)
    store.claim("a" if lost == "update_entity" else "b", NOW - timedelta(minutes=1))
    monkeypatch.setattr(TableClient, lost, losing_the_first_reply(getattr(TableClient, lost)))
    store.release_claim(store.claim("a", NOW))
    store.claim("a", NOW)


def test_reported_predictions_are_found_by_the_hour(tables: Settings) -> None:
    store = TableIncidentStore(tables)
    since, until = NOW + 13 * HOUR, NOW + 15 * HOUR
    assert list(store.reported_predictions(since, until)) == []  # no table yet
    claim = store.claim("a", NOW)
    subjects = [Subject(str(hour), NOW + hour * HOUR) for hour in (15, 12, 16, 14, 13)]
    for _ in range(2):  # marking twice is harmless
        store.mark_reported([*subjects, Subject("alert", None)], NOW)
    assert set(store.reported_predictions(since, until)) == {"13", "14", "15"}
    assert set(store.reported_alerts()) == {"alert"}
    store.release_claim(claim)


def test_marks_a_flood_once_although_a_reply_is_lost(tables: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    store = TableIncidentStore(tables)
    store.claim("a", NOW)
    flood = [Subject(f"{number:032}", NOW + (13 + number % 2) * HOUR) for number in range(5_000)]
    monkeypatch.setattr(TableClient, "upsert_entity", losing_the_first_reply(TableClient.upsert_entity))
    store.mark_reported(flood, NOW)
    known = list(store.reported_predictions(NOW + 13 * HOUR, NOW + 14 * HOUR))
    assert sorted(known) == [subject.digest for subject in flood]


def test_purge_deletes_old_reports_and_claims(tables: Settings) -> None:
    store = TableIncidentStore(tables)
    assert store.purge(NOW, never).rows == 0  # no table yet
    for name, at in (("old", NOW - timedelta(milliseconds=1)), ("new", NOW)):
        store.claim(name, at)
        store.mark_reported([Subject(name, None), Subject(name, NOW)], at)
    assert store.purge(NOW, after(0)).rows == 0
    assert store.purge(NOW, never) == Purged(3, None)
    assert list(store.reported_predictions(NOW, NOW)) == list(store.reported_alerts()) == ["new"]
    with pytest.raises(IncidentInProgress):
        store.claim("new", NOW)
    store.claim("old", NOW)


def test_endpoint_is_used_with_managed_identity() -> None:
    store = TableFeedbackStore(
        read_settings(ENDPOINT | {"MANAGED_IDENTITY_CLIENT_ID": "an-id", "FEEDBACK_TABLE": "other"})
    )
    with store._client as client:
        assert client.url == "https://account.table.core.example"
        assert client.table_name == "other"
        assert type(client.credential).__name__ == "ManagedIdentityCredential"


def test_sdk_is_imported_with_the_first_feedback() -> None:
    code = f"""
import sys
from cloud.settings import read_settings
from cloud.table_storage import TableFeedbackStore
store = TableFeedbackStore(read_settings({ENDPOINT!r}))
before = "azure.data.tables" in sys.modules, "azure.identity" in sys.modules
store._client
print(before, "azure.data.tables" in sys.modules, "azure.identity" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "(False, False) True True"


def test_reply_that_breaks_off_raises_store_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    """azure-data-tables 12.7 raises AttributeError from its own error handling then."""
    store = TableFeedbackStore(read_settings(ENDPOINT))

    def breaks_off(*_: object) -> None:
        raise AttributeError("'NoneType' object has no attribute 'http_response'")

    monkeypatch.setattr(TableClient, "create_entity", breaks_off)
    with pytest.raises(StoreUnavailable) as caught:
        store.add(FEEDBACK)
    assert caught.value.retry_after > 0


class Answering(BaseHTTPRequestHandler):
    """A table service that gives every request the same reply."""

    status, code = 503, "ServerBusy"
    requests: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        Answering.requests.append(self.path)
        creates_table = self.path.rstrip("/").endswith("Tables")
        status, code = (409, "TableAlreadyExists") if creates_table else (self.status, self.code)
        body = json.dumps({"odata.error": {"code": code, "message": {"lang": "en", "value": "no"}}}).encode()
        self.send_response(status)
        for name, value in (("Retry-After", "60"), ("Content-Type", "application/json"), ("Content-Length", len(body))):
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)


@pytest.mark.parametrize(("status", "code"), [(503, "ServerBusy"), (404, "TableNotFound"), (403, "Forbidden")])
def test_refusing_service_raises_store_unavailable_after_few_requests(
    monkeypatch: pytest.MonkeyPatch, status: int, code: str
) -> None:
    """Whatever its Retry-After asks for, and although a table that it creates is not found next."""
    monkeypatch.setattr(Answering, "status", status)
    monkeypatch.setattr(Answering, "code", code)
    monkeypatch.setattr(Answering, "requests", [])
    with serve_http(Answering) as address:
        account = f"AccountName=a;AccountKey=a2V5;TableEndpoint={address}/a;"
        store = TableFeedbackStore(
            read_settings(
                {"RECEIPT_KEY": "k" * 32, "TABLES_CONNECTION_STRING": f"DefaultEndpointsProtocol=http;{account}"}
            )
        )
        with store._client, pytest.raises(StoreUnavailable):
            store.add(FEEDBACK)
    assert 2 <= len(Answering.requests) <= 4


def test_add_writes_again_if_the_existing_feedback_is_erased_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """The insert finds a row that the read no longer finds: the result must not be a replay."""
    outcomes: list[Exception | None] = [ResourceExistsError(), None]

    def create(*_: object) -> None:
        if (outcome := outcomes.pop(0)) is not None:
            raise outcome

    def gone(*_: object) -> None:
        raise ResourceNotFoundError

    monkeypatch.setattr(TableClient, "create_entity", create)
    monkeypatch.setattr(TableClient, "get_entity", gone)
    assert TableFeedbackStore(read_settings(ENDPOINT)).add(FEEDBACK) == "created"
    assert outcomes == []


def test_purge_says_which_records_of_incidents_are_left(tables: Settings) -> None:
    incidents = TableIncidentStore(tables)
    incidents._create_table()
    incidents.mark_reported([Subject("alert", None)], NOW - 30 * HOUR)
    assert incidents.purge(NOW, after(0)) == Purged(0, NOW - 30 * HOUR)
    assert incidents.purge(NOW, never) == Purged(1, None)
