"""The export in Azurite's blobs; and what Azurite cannot show: managed identity, and a storage that refuses."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from typing import ClassVar

import pytest
from azure.storage.blob import ContainerClient
from msgspec.structs import replace

from cloud.blob_storage import BlobFeedbackExport
from cloud.settings import Settings, read_settings
from feedback.errors import ExportError, StoreUnavailable
from feedback.export import Erasure
from feedback.receipt import Receipt
from feedback.record import Feedback, build_feedback
from tests.support.http_server import serve_http
from tests.support.paths import ROOT

NOW = datetime(2026, 11, 22, 5, 6, 7, 8, tzinfo=UTC)
DAY, HOUR = NOW.date(), datetime(2026, 11, 22, 5, tzinfo=UTC)
SETTINGS = {"RECEIPT_KEY": "k" * 32, "TABLES_CONNECTION_STRING": "AccountName=nobody"}


def settings(url: str) -> Settings:
    return read_settings(SETTINGS | {"EXPORT_CONTAINER_URL": url})


@pytest.fixture
def archive(container: ContainerClient, monkeypatch: pytest.MonkeyPatch) -> BlobFeedbackExport:
    monkeypatch.setattr("cloud.blob_storage.REQUEST_TIMEOUT_SECONDS", 20)  # this machine may be slow
    return BlobFeedbackExport(settings(container.url))


def row(number: int) -> Feedback:
    receipt = Receipt("lite@1", 0.9, "positive", "0" * 32, NOW, f"{number}.id")
    return build_feedback(receipt, False, NOW, text="zwei\nZeilen “…”", comment="no")


def test_reads_a_day_as_it_was_last_written(archive: BlobFeedbackExport) -> None:
    for rows in ([row(1)], [replace(row(2), text=None), row(3)], []):
        archive.write_day(DAY, rows)
        assert archive.read_day(DAY) == rows
    before = datetime.now(UTC) - timedelta(minutes=1)
    assert [(day, written > before) for day, written in archive.written_days().items()] == [(DAY, True)]
    for _ in range(2):
        archive.delete_day(DAY)
        assert archive.written_days() == {}


def test_day_is_a_file_of_json_lines(archive: BlobFeedbackExport, container: ContainerClient) -> None:
    archive.write_day(DAY, [row(1), row(2)])
    lines = container.download_blob(f"feedback/{DAY}.jsonl", encoding="utf-8").readall().splitlines()
    assert [list(json.loads(line)) for line in lines] == [["hour", *Feedback.__struct_fields__]] * 2
    assert all(line.startswith('{"hour":"2026-11-22T05","digest":"') for line in lines)


def test_note_of_an_erasure_is_an_empty_blob(archive: BlobFeedbackExport, container: ContainerClient) -> None:
    prediction = row(1)
    assert archive.erasures() == {}
    for later in range(2):
        archive.note_erasure(prediction, NOW + timedelta(microseconds=later))
    erasure = Erasure(prediction.digest, HOUR, NOW + timedelta(microseconds=1))
    assert archive.erasures() == {prediction.digest: erasure}
    assert container.download_blob(f"erasures/2026-11-22T05/{prediction.digest}").readall() == b""
    for _ in range(2):
        archive.forget_erasure(erasure)
        assert archive.erasures() == {}


def test_note_without_metadata_has_the_time_of_its_blob(
    archive: BlobFeedbackExport, container: ContainerClient
) -> None:
    """An administrator may upload one by hand."""
    container.upload_blob("erasures/2026-11-22T05/some-digest", b"erased")
    (erasure,) = archive.erasures().values()
    assert (erasure.digest, erasure.predicted_at) == ("some-digest", HOUR)
    assert abs(datetime.now(UTC) - erasure.erased_at) < timedelta(minutes=1)


def test_ignores_other_blobs_in_the_container(archive: BlobFeedbackExport, container: ContainerClient) -> None:
    for name in (
        "feedback/read me.txt",
        f"feedback/old/{DAY}.jsonl",
        f"{DAY}.jsonl",
        "erasures/why",
        "erasures/then/why",
    ):
        container.upload_blob(name, b"")
    assert (archive.written_days(), archive.erasures()) == ({}, {})


def test_names_a_file_that_the_app_did_not_write(archive: BlobFeedbackExport, container: ContainerClient) -> None:
    container.upload_blob(f"feedback/{DAY}.jsonl", b'{"digest": 5}\n')
    with pytest.raises(ExportError, match=rf"feedback/{DAY}\.jsonl .* not written by this app: Expected `str`"):
        archive.read_day(DAY)


def test_container_is_used_with_managed_identity_unless_its_url_has_a_sas() -> None:
    url = "https://account.blob.example/feedback-export"
    for addition, credential in (("", "ManagedIdentityCredential"), ("?sig=s", "NoneType")):
        with BlobFeedbackExport(settings(url + addition))._container as client:
            assert (client.url.partition("?")[0], client.container_name) == (url, "feedback-export")
            assert type(client.credential).__name__ == credential


def test_sdk_is_imported_with_the_first_erasure() -> None:
    code = f"""
import sys
from cloud.settings import read_settings
from cloud.blob_storage import BlobFeedbackExport
archive = BlobFeedbackExport(read_settings({SETTINGS | {"EXPORT_CONTAINER_URL": "https://a.example/c"}!r}))
before = "azure.storage" in sys.modules, "azure.identity" in sys.modules
archive._container
print(before, "azure.storage" in sys.modules, "azure.identity" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "(False, False) True True"


class Refusing(BaseHTTPRequestHandler):
    """A blob service that gives every request the same reply."""

    requests: ClassVar[list[str]] = []
    status: ClassVar[int] = 503
    code: ClassVar[str] = ""

    def do_PUT(self) -> None:
        Refusing.requests.append(self.path)
        self.send_response(self.status)
        for name, value in (("Retry-After", "60"), ("Content-Length", "0"), ("x-ms-error-code", self.code)):
            self.send_header(name, value)
        self.end_headers()


@pytest.mark.parametrize(
    ("status", "code", "attempts"),
    [
        (503, "ServerBusy", 2),
        (404, "ContainerNotFound", 1),
        (403, "AuthorizationPermissionMismatch", 1),
        (403, "NewerThanTheSdk", 1),
    ],
)
def test_refusing_service_raises_store_unavailable_after_few_requests(
    monkeypatch: pytest.MonkeyPatch, status: int, code: str, attempts: int
) -> None:
    """Whatever its Retry-After asks for. The message has the error code of the service."""
    monkeypatch.setattr(Refusing, "status", status)
    monkeypatch.setattr(Refusing, "code", code)
    monkeypatch.setattr(Refusing, "requests", [])
    pauses: list[float] = []
    monkeypatch.setattr("time.sleep", pauses.append)
    with serve_http(Refusing) as address:
        archive = BlobFeedbackExport(settings(f"{address}/account/container?sig=s"))
        with archive._container, pytest.raises(StoreUnavailable) as caught:
            archive.note_erasure(row(1), NOW)
    assert str(caught.value) == f"The container of the export cannot be used: {code}."
    assert caught.value.retry_after > 0 and sum(pauses) < 30
    assert len(Refusing.requests) == attempts
