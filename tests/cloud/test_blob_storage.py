"""The export in a container of Azurite, and where that cannot go: managed identity, a storage that does not answer."""

import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import ClassVar

import pytest
from azure.storage.blob import ContainerClient
from msgspec.structs import replace

from cloud.blob_storage import BlobFeedbackExport
from cloud.settings import Settings, read
from feedback.receipt import Receipt
from feedback.record import Feedback, record
from sentiment.errors import ExportError, StoreUnavailable
from tests.support.paths import ROOT

NOW = datetime(2026, 11, 22, 5, 6, 7, 8, tzinfo=UTC)
DAY, HOUR, DIGEST = "2026-11-22", "2026-11-22T05", "0" * 32
SETTINGS = {"RECEIPT_KEY": "k" * 32, "TABLES_CONNECTION_STRING": "AccountName=nobody"}


def settings(url: str) -> Settings:
    return read(SETTINGS | {"EXPORT_CONTAINER_URL": url})


@pytest.fixture
def copy(container: ContainerClient, monkeypatch: pytest.MonkeyPatch) -> BlobFeedbackExport:
    monkeypatch.setattr("cloud.blob_storage._PATIENCE", 20)  # however slow this machine is
    return BlobFeedbackExport(settings(container.url))


def row(number: int) -> Feedback:
    receipt = Receipt("lite@1", 0.9, "positive", "0" * 32, NOW, f"{number}.id")
    return record(receipt, False, NOW, text="zwei\nZeilen “…”", comment="no")


def test_a_day_is_read_as_it_was_last_written(copy: BlobFeedbackExport) -> None:
    for rows in ([row(1)], [replace(row(2), text=None), row(3)], []):
        copy.write(DAY, rows)
        assert copy.read(DAY) == rows
    before = datetime.now(UTC) - timedelta(minutes=1)
    assert [(day, written > before) for day, written in copy.days().items()] == [(DAY, True)]
    for _ in range(2):
        copy.delete(DAY)
        assert copy.days() == {}


def test_a_day_is_lines_of_json_that_any_tool_reads(copy: BlobFeedbackExport, container: ContainerClient) -> None:
    copy.write(DAY, [row(1), row(2)])
    lines = container.download_blob(f"feedback/{DAY}.jsonl", encoding="utf-8").readall().splitlines()
    assert len(lines) == 2 and all(line.startswith('{"hour":"2026-11-22T05","digest":"') for line in lines)


def test_an_erasure_is_noted_without_a_word(copy: BlobFeedbackExport, container: ContainerClient) -> None:
    assert copy.erasures() == {}
    for later in range(2):
        copy.note_erasure(HOUR, DIGEST, NOW + timedelta(microseconds=later))
    assert copy.erasures() == {(HOUR, DIGEST): NOW + timedelta(microseconds=1)}
    assert container.download_blob(f"erasures/{HOUR}/{DIGEST}").readall() == b""
    for _ in range(2):
        copy.forget_erasure(HOUR, DIGEST)
        assert copy.erasures() == {}


def test_a_note_that_an_administrator_left_counts_from_when_it_was_left(
    copy: BlobFeedbackExport, container: ContainerClient
) -> None:
    container.upload_blob(f"erasures/{HOUR}/{DIGEST}", b"erased")
    (at,) = copy.erasures().values()
    assert abs(datetime.now(UTC) - at) < timedelta(minutes=1)


def test_what_else_lies_in_the_container_is_left_alone(copy: BlobFeedbackExport, container: ContainerClient) -> None:
    for name in ("feedback/read me.txt", f"feedback/old/{DAY}.jsonl", f"{DAY}.jsonl", "erasures/why"):
        container.upload_blob(name, b"")
    assert (copy.days(), copy.erasures()) == ({}, {})


def test_a_file_that_the_app_did_not_write_is_named(copy: BlobFeedbackExport, container: ContainerClient) -> None:
    container.upload_blob(f"feedback/{DAY}.jsonl", b'{"hour": 5}\n')
    with pytest.raises(ExportError, match=rf"feedback/{DAY}\.jsonl .* not written by this app: Expected `str`"):
        copy.read(DAY)


def test_a_container_is_reached_by_managed_identity_unless_its_url_opens_it() -> None:
    url = "https://account.blob.example/feedback-export"
    for addition, credential in (("", "ManagedIdentityCredential"), ("?sig=s", "NoneType")):
        with BlobFeedbackExport(settings(url + addition))._container as client:
            assert (client.url.partition("?")[0], client.container_name) == (url, "feedback-export")
            assert type(client.credential).__name__ == credential


def test_the_sdk_is_imported_with_the_first_erasure() -> None:
    code = f"""
import sys
from cloud.settings import read
from cloud.blob_storage import BlobFeedbackExport
copy = BlobFeedbackExport(read({SETTINGS | {"EXPORT_CONTAINER_URL": "https://a.example/c"}!r}))
before = "azure.storage" in sys.modules, "azure.identity" in sys.modules
copy._container
print(before, "azure.storage" in sys.modules, "azure.identity" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "(False, False) True True"


class Refusing(BaseHTTPRequestHandler):
    """A storage that gives every request the same answer."""

    requests: ClassVar[list[str]] = []
    status: ClassVar[int] = 503
    code: ClassVar[str] = ""

    def do_PUT(self) -> None:
        Refusing.requests.append(self.path)
        self.send_response(self.status)
        for name, value in (("Retry-After", "60"), ("Content-Length", "0"), ("x-ms-error-code", self.code)):
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize(
    ("status", "code", "tries"),
    [
        (503, "ServerBusy", 2),
        (404, "ContainerNotFound", 1),
        (403, "AuthorizationPermissionMismatch", 1),
        (403, "NewerThanTheSdk", 1),
    ],
)
def test_a_storage_that_will_not_is_given_up_soon(
    monkeypatch: pytest.MonkeyPatch, status: int, code: str, tries: int
) -> None:
    """However long it asks us to wait. The log has its own word for why."""
    monkeypatch.setattr(Refusing, "status", status)
    monkeypatch.setattr(Refusing, "code", code)
    monkeypatch.setattr(Refusing, "requests", [])
    with HTTPServer(("127.0.0.1", 0), Refusing) as server:
        Thread(target=server.serve_forever).start()
        copy = BlobFeedbackExport(settings(f"http://127.0.0.1:{server.server_port}/account/container?sig=s"))
        start = time.monotonic()
        with copy._container, pytest.raises(StoreUnavailable) as caught:
            copy.note_erasure(HOUR, DIGEST, NOW)
        server.shutdown()
    assert str(caught.value) == f"The container of the export cannot be used: {code}."
    assert caught.value.retry_after > 0 and time.monotonic() - start < 30
    assert len(Refusing.requests) == tries
