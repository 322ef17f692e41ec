"""The feedback store where no Azurite can go: managed identity, and faults of the SDK."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import ClassVar

import pytest
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.data.tables import TableClient

from cloud.settings import read
from cloud.tables import TableFeedbackStore
from sentiment.errors import StoreUnavailable
from sentiment.feedback import record
from sentiment.receipt import Receipt
from tests.conftest import ROOT

NOW = datetime(2026, 11, 22, tzinfo=UTC)
FEEDBACK = record(Receipt("lite@1", 0.9, "positive", "0" * 32, NOW, "id"), False, NOW)
ENDPOINT = {"RECEIPT_KEY": "k" * 32, "TABLES_ENDPOINT": "https://account.table.core.example"}


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
from cloud.tables import TableFeedbackStore
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
