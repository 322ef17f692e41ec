"""The export of feedback in an Azure Blob Storage container: `feedback/DAY.jsonl` and `erasures/HOUR/DIGEST`.

The SDK takes 90 ms and 16 MB to import: only an erasure and the nightly export pay for it, and only in an app that
exports.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import date, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from feedback.errors import ExportError, StoreUnavailable
from feedback.export import Erasure, Erasures
from feedback.record import Feedback
from feedback.stores import PredictionKey

from .azure_storage import (
    MAX_ATTEMPTS,
    REQUEST_TIMEOUT_SECONDS,
    RETRY_AFTER_SECONDS,
    CredentialFactory,
    format_hour,
    managed_identity,
    parse_hour,
)
from .settings import Settings

if TYPE_CHECKING:
    from azure.storage.blob import BlobProperties, ContainerClient

DAY_TIMEOUT_SECONDS = 6  # to read or write a part of a day, or to list blobs

_DAY = re.compile(r"feedback/(\d{4}-\d\d-\d\d)\.jsonl")
_ERASURE = re.compile(r"erasures/(\d{4}-\d\d-\d\dT\d\d)/([^/]+)")


class BlobFeedbackExport:
    """The FeedbackExport of `feedback.export`. Thread-safe; every call blocks."""

    def __init__(self, settings: Settings, credential: CredentialFactory = managed_identity) -> None:
        self._settings = settings
        self._credential = credential

    def written_days(self) -> dict[date, datetime]:
        return {date.fromisoformat(day): blob.last_modified for (day,), blob in self._list("feedback/", _DAY)}

    def read_day(self, day: date) -> list[Feedback]:
        name = _day_name(day)
        with _raising_store_unavailable():
            lines = self._container.download_blob(name, read_timeout=DAY_TIMEOUT_SECONDS).readall()
        try:
            return msgspec.json.Decoder(Feedback).decode_lines(lines)
        except msgspec.DecodeError as error:
            raise ExportError(f"{name} in the export's container was not written by this app: {error}") from error

    def write_day(self, day: date, rows: Iterable[Feedback]) -> None:
        from azure.storage.blob import ContentSettings

        lines = msgspec.json.Encoder().encode_lines(_to_json(row) for row in rows)
        content_settings = ContentSettings(content_type="application/x-ndjson")
        with _raising_store_unavailable():  # atomic: the blob is replaced when its last part has arrived
            self._container.upload_blob(
                _day_name(day),
                lines,
                overwrite=True,
                content_settings=content_settings,
                read_timeout=DAY_TIMEOUT_SECONDS,
            )

    def delete_day(self, day: date) -> None:
        self._delete(_day_name(day))

    def note_erasure(self, prediction: PredictionKey, erased_at: datetime) -> None:
        with _raising_store_unavailable():
            self._container.upload_blob(
                _erasure_name(prediction), b"", overwrite=True, metadata={"erased_at": erased_at.isoformat()}
            )

    def erasures(self) -> Erasures:
        return {
            digest: Erasure(digest, parse_hour(hour), _erased_at(blob))
            for (hour, digest), blob in self._list("erasures/", _ERASURE)
        }

    def forget_erasure(self, prediction: PredictionKey) -> None:
        self._delete(_erasure_name(prediction))

    def _delete(self, name: str) -> None:
        from azure.core.exceptions import ResourceNotFoundError

        with _raising_store_unavailable(), suppress(ResourceNotFoundError):  # another call deleted it first
            self._container.delete_blob(name)

    def _list(self, prefix: str, pattern: re.Pattern[str]) -> "Iterator[tuple[tuple[str, ...], BlobProperties]]":
        """Yield the blobs under `prefix` with the groups of `pattern`. Names that do not match are not ours."""
        with _raising_store_unavailable():
            for blob in self._container.list_blobs(prefix, include=["metadata"], read_timeout=DAY_TIMEOUT_SECONDS):
                if match := pattern.fullmatch(blob.name):
                    yield match.groups(), blob

    @cached_property
    def _container(self) -> "ContainerClient":
        from azure.storage.blob import ContainerClient, LinearRetry

        url = self._settings.export_container_url
        assert url
        return ContainerClient.from_container_url(
            url,
            credential=None if "?" in url else self._credential(self._settings),  # after the "?" there is a SAS
            retry_policy=LinearRetry(backoff=0, retry_total=MAX_ATTEMPTS - 1, random_jitter_range=0),
            connection_timeout=REQUEST_TIMEOUT_SECONDS,
            read_timeout=REQUEST_TIMEOUT_SECONDS,
        )


def _to_json(row: Feedback) -> dict[str, Any]:
    """Return a line of the file: the hour of the prediction, then the fields of the row."""
    return {"hour": format_hour(row.predicted_at), **msgspec.structs.asdict(row)}


def _day_name(day: date) -> str:
    return f"feedback/{day.isoformat()}.jsonl"


def _erasure_name(prediction: PredictionKey) -> str:
    return f"erasures/{format_hour(prediction.predicted_at)}/{prediction.digest}"


def _erased_at(blob: "BlobProperties") -> datetime:
    """Return the time by the app's clock, like all times of feedback.

    A note that an administrator uploaded by hand has only the storage's time.
    """
    erased_at = (blob.metadata or {}).get("erased_at")
    return datetime.fromisoformat(erased_at) if erased_at else blob.last_modified


@contextmanager
def _raising_store_unavailable() -> Iterator[None]:
    """Turn every error of the SDK into StoreUnavailable."""
    from azure.core.exceptions import AzureError

    try:
        yield
    except AzureError as error:
        code = getattr(error, "error_code", None) or type(error).__name__  # the storage's own code, if it replied
        message = f"The container of the export cannot be used: {getattr(code, 'value', code)}."
        raise StoreUnavailable(message, RETRY_AFTER_SECONDS) from error
