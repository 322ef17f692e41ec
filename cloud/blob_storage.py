"""The export of feedback in a container of Azure Blob Storage: `feedback/DAY.jsonl`, `erasures/HOUR/DIGEST`.

The SDK takes 90 ms and 16 MB to import: only an erasure and the nightly export pay for it, and only where there is one.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec

from feedback.export import Erasures
from feedback.record import Feedback
from sentiment.errors import ExportError, StoreUnavailable

from .identity import Credential, managed_identity
from .settings import Settings

if TYPE_CHECKING:
    from azure.storage.blob import BlobProperties, ContainerClient

TRIES = 2
RETRY_AFTER = 5  # seconds

_PATIENCE = 0.7  # seconds, to connect and to wait for an answer: a person waits until an erasure is noted
_OF_A_DAY = 6  # seconds to read or write a piece of a day, and to list
_DAY = re.compile(r"feedback/(\d{4}-\d\d-\d\d)\.jsonl")
_ERASURE = re.compile(r"erasures/([^/]+)/([^/]+)")


class BlobFeedbackExport:
    """The FeedbackExport of `feedback.export`. Safe to call from several threads; every call blocks."""

    def __init__(self, settings: Settings, credential: Credential = managed_identity) -> None:
        self._settings = settings
        self._credential = credential

    def days(self) -> dict[str, datetime]:
        return {day: blob.last_modified for (day,), blob in self._list("feedback/", _DAY)}

    def read(self, day: str) -> list[Feedback]:
        with _answering():
            lines = self._container.download_blob(_name(day), read_timeout=_OF_A_DAY).readall()
        try:
            return msgspec.json.Decoder(Feedback).decode_lines(lines)
        except msgspec.DecodeError as error:
            raise ExportError(f"{_name(day)} in the export's container was not written by this app: {error}") from error

    def write(self, day: str, rows: Iterable[Feedback]) -> None:
        from azure.storage.blob import ContentSettings

        lines = msgspec.json.Encoder().encode_lines(rows)
        kind = ContentSettings(content_type="application/x-ndjson")
        with _answering():  # a blob is replaced at once, when the last of it has arrived
            self._container.upload_blob(
                _name(day), lines, overwrite=True, content_settings=kind, read_timeout=_OF_A_DAY
            )

    def delete(self, day: str) -> None:
        self._delete(_name(day))

    def note_erasure(self, hour: str, digest: str, at: datetime) -> None:
        with _answering():
            self._container.upload_blob(
                f"erasures/{hour}/{digest}", b"", overwrite=True, metadata={"erased_at": at.isoformat()}
            )

    def erasures(self) -> Erasures:
        return {(hour, digest): _erased_at(blob) for (hour, digest), blob in self._list("erasures/", _ERASURE)}

    def forget_erasure(self, hour: str, digest: str) -> None:
        self._delete(f"erasures/{hour}/{digest}")

    def _delete(self, name: str) -> None:
        from azure.core.exceptions import ResourceNotFoundError

        with _answering(), suppress(ResourceNotFoundError):  # another call was faster
            self._container.delete_blob(name)

    def _list(self, start: str, name: re.Pattern[str]) -> "Iterator[tuple[tuple[str, ...], BlobProperties]]":
        """The blobs whose names begin with `start`, by the groups of `name`; those that do not match are not ours."""
        with _answering():
            for blob in self._container.list_blobs(start, include=["metadata"], read_timeout=_OF_A_DAY):
                if found := name.fullmatch(blob.name):
                    yield found.groups(), blob

    @cached_property
    def _container(self) -> "ContainerClient":
        from azure.storage.blob import ContainerClient, LinearRetry

        url = self._settings.export_container_url
        assert url
        return ContainerClient.from_container_url(
            url,
            credential=None if "?" in url else self._credential(self._settings),
            retry_policy=LinearRetry(backoff=0, retry_total=TRIES - 1, random_jitter_range=0),
            connection_timeout=_PATIENCE,
            read_timeout=_PATIENCE,
        )


def _name(day: str) -> str:
    return f"feedback/{day}.jsonl"


def _erased_at(blob: "BlobProperties") -> datetime:
    """By the app's clock, as all times of feedback are; a note that an administrator left has the storage's."""
    noted = (blob.metadata or {}).get("erased_at")
    return datetime.fromisoformat(noted) if noted else blob.last_modified


@contextmanager
def _answering() -> Iterator[None]:
    from azure.core.exceptions import AzureError

    try:
        yield
    except AzureError as error:
        code = getattr(error, "error_code", None) or type(error).__name__  # the former, where the storage answered
        message = f"The container of the export cannot be used: {getattr(code, 'value', code)}."
        raise StoreUnavailable(message, RETRY_AFTER) from error
