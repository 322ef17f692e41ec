"""The tables: in Azurite, and where it cannot go: managed identity, and faults of the SDK."""

import json
import subprocess
import sys
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import batched
from threading import Thread
from typing import Any, ClassVar, Literal

import msgspec
import pytest
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError, ServiceResponseError
from azure.data.tables import TableClient
from msgspec.structs import replace

from cloud.settings import Settings, read
from cloud.table_storage import TableFeedbackStore, TableIncidentStore, _row
from devhost.azurite import Azurite
from feedback.incident import ALERTS, Claim, Subject
from feedback.receipt import Receipt
from feedback.record import Feedback, Purged, hour_at, purge, record
from sentiment.errors import IncidentInProgress, StoreUnavailable
from tests.support.paths import ROOT

NOW = datetime(2026, 11, 22, tzinfo=UTC)
FEEDBACK = record(Receipt("lite@1", 0.9, "positive", "0" * 32, NOW, "id"), False, NOW)
ENDPOINT = {"RECEIPT_KEY": "k" * 32, "TABLES_ENDPOINT": "https://account.table.core.example"}


@pytest.fixture
def tables(azurite: Azurite, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings with tables of their own, which nobody has made yet. However slow this machine is, they answer."""
    monkeypatch.setattr(
        "cloud.table_storage._PATIENCE", {"retry_total": 0, "connection_timeout": 20, "read_timeout": 20}
    )
    names = {"FEEDBACK_TABLE": f"f{uuid.uuid4().hex}", "INCIDENTS_TABLE": f"i{uuid.uuid4().hex}"}
    return read({"RECEIPT_KEY": "k" * 32, "TABLES_CONNECTION_STRING": azurite.connection_string, **names})


def row(number: int, predicted: datetime = NOW, **changes: Any) -> Feedback:
    receipt = Receipt("lite@1", 0.9, "positive", "0" * 32, predicted, f"{number}.signature")
    return replace(record(receipt, correct=False, received_at=predicted), **changes)


def fill(store: TableFeedbackStore, rows: list[Feedback]) -> None:
    """Rows of one hour, in transactions, as the store itself would write them."""
    store._make_table()
    for batch in batched(rows, 100, strict=False):
        store._table.submit_transaction([("create", _row(each)) for each in batch])


def test_what_is_wrong_is_found_by_when_it_was_said(tables: Settings) -> None:
    store = TableFeedbackStore(tables)
    since, until, little = NOW, NOW + timedelta(minutes=15), timedelta(milliseconds=1)
    predicted_since = NOW - timedelta(days=30)
    there = {
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
    assert list(store.wrong(predicted_since, since, until)) == []  # and no table yet
    for feedback in (*there.values(), *others):
        store.add(feedback)
    found = list(store.wrong(predicted_since, since, until))
    assert found[0] == there["old"]  # its hour is before the others'
    assert sorted(found[1:], key=lambda row: row.received_at) == [there["first"], there["last"]]
    assert msgspec.json.encode(found[0]) == msgspec.json.encode(there["old"])


def test_a_day_is_read_in_the_order_of_its_hours(tables: Settings) -> None:
    store = TableFeedbackStore(tables)
    assert list(store.of_day("2026-11-22")) == []  # no table yet
    hours = [-1, 0, 5, 23, 24]
    there = [row(number, NOW + timedelta(hours=hour)) for number, hour in enumerate(hours)]
    for feedback in reversed(there):
        store.add(feedback)
    assert list(store.of_day("2026-11-22")) == there[1:4]


def test_a_flood_is_read_and_purged_over_several_pages(tables: Settings) -> None:
    store = TableFeedbackStore(tables)
    rows = [row(number) for number in range(1_100)]
    fill(store, rows)
    assert sorted(store.wrong(NOW, NOW, NOW), key=lambda row: row.digest) == sorted(rows, key=lambda row: row.digest)
    assert list(store.purge(hour_at(NOW + timedelta(hours=1)))) == [(hour_at(NOW), 100)] * 11
    assert list(store.wrong(NOW, NOW, NOW)) == []


def test_expired_feedback_is_purged_by_the_hour(tables: Settings) -> None:
    store = TableFeedbackStore(tables)
    assert purge(store, hour_at(NOW), lambda: False) == Purged(0, 0, None)  # no table yet
    hour = timedelta(hours=1)
    kept = [row(1, NOW), row(2, NOW + hour)]
    fill(store, [row(number, NOW - 2 * hour) for number in range(250)])
    fill(store, [row(number, NOW - timedelta(seconds=1)) for number in range(3)])
    for feedback in kept:
        store.add(feedback)
    batches = store.purge(hour_at(NOW))
    assert next(batches) == (hour_at(NOW - 2 * hour), 100)  # and then it is killed
    assert list(store.purge(hour_at(NOW))) == [
        (hour_at(NOW - 2 * hour), 100),
        (hour_at(NOW - 2 * hour), 50),
        (hour_at(NOW - hour), 3),
    ]
    assert sorted(store.wrong(NOW - 3 * hour, NOW - 3 * hour, NOW + hour), key=lambda row: row.hour) == kept


def test_a_purge_ends_when_its_time_is_up(tables: Settings) -> None:
    store = TableFeedbackStore(tables)
    for number, days in enumerate((3, 2, 1)):
        store.add(row(number, NOW - timedelta(days=days)))
    clock = iter([False, True])
    assert purge(store, hour_at(NOW), lambda: next(clock)) == Purged(2, 2, hour_at(NOW - timedelta(days=2)))
    assert purge(store, hour_at(NOW), lambda: False) == Purged(1, 1, None)


def test_a_row_that_is_gone_does_not_stop_a_purge(tables: Settings) -> None:
    """Somebody erases it after it was listed: the store refuses the whole batch."""
    store = TableFeedbackStore(tables)
    rows = sorted((row(number) for number in range(150)), key=lambda row: row.digest)
    fill(store, rows)
    batches = store.purge(hour_at(NOW + timedelta(hours=1)))
    assert next(batches) == (hour_at(NOW), 100)
    store.erase(rows[-1].hour, rows[-1].digest)
    assert list(batches) == [(hour_at(NOW), 50)]
    assert list(store.wrong(NOW, NOW, NOW)) == []


def losing_the_first_reply[**P, T](call: Callable[P, T]) -> Callable[P, T]:
    """`call`, which is carried out each time, and whose caller first hears nothing of it."""
    lost: list[T] = []

    def loses(*arguments: P.args, **options: P.kwargs) -> T:
        result = call(*arguments, **options)
        if not lost:
            lost.append(result)
            raise ServiceResponseError("the connection broke")
        return result

    return loses


def test_a_purge_whose_reply_was_lost_goes_on(tables: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    store = TableFeedbackStore(tables)
    fill(store, [row(number) for number in range(3)])
    monkeypatch.setattr(TableClient, "submit_transaction", losing_the_first_reply(TableClient.submit_transaction))
    assert list(store.purge(hour_at(NOW + timedelta(hours=1)))) == [(hour_at(NOW), 3)]
    assert list(store.wrong(NOW, NOW, NOW)) == []


def test_a_claim_keeps_others_out_until_it_is_released(tables: Settings) -> None:
    store = TableIncidentStore(tables)
    for _ in range(2):
        claim = store.claim("a", NOW)
        with pytest.raises(IncidentInProgress):
            store.claim("a", NOW + timedelta(seconds=59))
        store.release(store.claim("b", NOW))
        store.release(claim)


def test_a_claim_that_ran_out_is_taken_over_and_its_holder_can_no_longer_release_it(tables: Settings) -> None:
    store = TableIncidentStore(tables)
    dead, later = store.claim("a", NOW), NOW + timedelta(minutes=1)
    alive = store.claim("a", later)
    store.release(dead)
    with pytest.raises(IncidentInProgress):
        store.claim("a", later)
    store.release(alive)
    store.claim("a", later)


def test_of_many_at_once_one_gets_the_claim(tables: Settings) -> None:
    store = TableIncidentStore(tables)

    def claims(_: int) -> bool:
        try:
            return isinstance(store.claim("a", NOW), Claim)
        except IncidentInProgress:
            return False

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(claims, range(16))) == [False] * 15 + [True]


def test_of_two_that_take_a_claim_over_one_gets_it(tables: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other is faster by a hair: both have seen that the claim ran out."""
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
def test_a_claim_whose_reply_was_lost_is_ours(
    tables: Settings, monkeypatch: pytest.MonkeyPatch, lost: Literal["create_entity", "update_entity", "delete_entity"]
) -> None:
    store = TableIncidentStore(tables)
    store.claim("a" if lost == "update_entity" else "b", NOW - timedelta(minutes=1))
    monkeypatch.setattr(TableClient, lost, losing_the_first_reply(getattr(TableClient, lost)))
    store.release(store.claim("a", NOW))
    store.claim("a", NOW)


def test_what_is_reported_is_known_by_its_hour(tables: Settings) -> None:
    store = TableIncidentStore(tables)
    assert list(store.reported("2026-11-22T13", "2026-11-22T15")) == []  # no table yet
    claim = store.claim("a", NOW)
    hours = [Subject(f"2026-11-22T{hour}", str(hour)) for hour in (15, 12, 16, 14, 13)]
    for _ in range(2):  # to say it twice does no harm
        store.mark_reported([*hours, Subject(ALERTS, "alert")], NOW)
    assert set(store.reported("2026-11-22T13", "2026-11-22T15")) == {"13", "14", "15"}
    assert set(store.reported(ALERTS, ALERTS)) == {"alert"}
    store.release(claim)


def test_a_flood_is_noted_once_though_a_reply_is_lost(tables: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    store = TableIncidentStore(tables)
    store.claim("a", NOW)
    flood = [Subject(f"2026-11-22T{13 + number % 2}", f"{number:032}") for number in range(5_000)]
    monkeypatch.setattr(TableClient, "upsert_entity", losing_the_first_reply(TableClient.upsert_entity))
    store.mark_reported(flood, NOW)
    known = list(store.reported("2026-11-22T13", "2026-11-22T14"))
    assert sorted(known) == [subject.digest for subject in flood]


def test_what_is_old_is_forgotten_claims_too(tables: Settings) -> None:
    store = TableIncidentStore(tables)
    assert list(store.purge(NOW)) == []  # no table yet
    for name, at in (("old", NOW - timedelta(milliseconds=1)), ("new", NOW)):
        store.claim(name, at)
        store.mark_reported([Subject(ALERTS, name), Subject(hour_at(NOW), name)], at)
    assert list(store.purge(NOW)) == [1, 1, 1]
    assert list(store.reported(hour_at(NOW), ALERTS)) == ["new", "new"]
    with pytest.raises(IncidentInProgress):
        store.claim("new", NOW)
    store.claim("old", NOW)


def test_an_endpoint_is_reached_by_managed_identity() -> None:
    store = TableFeedbackStore(read(ENDPOINT | {"MANAGED_IDENTITY_CLIENT_ID": "an-id", "FEEDBACK_TABLE": "other"}))
    with store._table as client:
        assert client.url == "https://account.table.core.example"
        assert client.table_name == "other"
        assert type(client.credential).__name__ == "ManagedIdentityCredential"


def test_the_sdk_is_imported_with_the_first_feedback() -> None:
    code = f"""
import sys
from cloud.settings import read
from cloud.table_storage import TableFeedbackStore
store = TableFeedbackStore(read({ENDPOINT!r}))
before = "azure.data.tables" in sys.modules, "azure.identity" in sys.modules
store._table
print(before, "azure.data.tables" in sys.modules, "azure.identity" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "(False, False) True True"


def test_a_reply_that_breaks_off_is_an_unavailable_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """azure-data-tables 12.7 then raises AttributeError from its own error handling."""
    store = TableFeedbackStore(read(ENDPOINT))

    def breaks_off(*_: object) -> None:
        raise AttributeError("'NoneType' object has no attribute 'http_response'")

    monkeypatch.setattr(TableClient, "create_entity", breaks_off)
    with pytest.raises(StoreUnavailable) as caught:
        store.add(FEEDBACK)
    assert caught.value.retry_after > 0


class Answering(BaseHTTPRequestHandler):
    """A store that gives every request the same answer."""

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

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize(("status", "code"), [(503, "ServerBusy"), (404, "TableNotFound"), (403, "Forbidden")])
def test_a_store_that_will_not_is_given_up_soon(monkeypatch: pytest.MonkeyPatch, status: int, code: str) -> None:
    """However long it asks us to wait, and however often its table comes and goes."""
    monkeypatch.setattr(Answering, "status", status)
    monkeypatch.setattr(Answering, "code", code)
    monkeypatch.setattr(Answering, "requests", [])
    with HTTPServer(("127.0.0.1", 0), Answering) as server:
        Thread(target=server.serve_forever).start()
        account = f"AccountName=a;AccountKey=a2V5;TableEndpoint=http://127.0.0.1:{server.server_port}/a;"
        store = TableFeedbackStore(
            read({"RECEIPT_KEY": "k" * 32, "TABLES_CONNECTION_STRING": f"DefaultEndpointsProtocol=http;{account}"})
        )
        with store._table, pytest.raises(StoreUnavailable):
            store.add(FEEDBACK)
        server.shutdown()
    assert 2 <= len(Answering.requests) <= 4


def test_feedback_that_is_erased_between_two_calls_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """The insert finds a row, the look finds none: it must not be called a replay."""
    outcomes: list[Exception | None] = [ResourceExistsError(), None]

    def create(*_: object) -> None:
        if (outcome := outcomes.pop(0)) is not None:
            raise outcome

    def gone(*_: object) -> None:
        raise ResourceNotFoundError

    monkeypatch.setattr(TableClient, "create_entity", create)
    monkeypatch.setattr(TableClient, "get_entity", gone)
    assert TableFeedbackStore(read(ENDPOINT)).add(FEEDBACK) == "created"
    assert outcomes == []
