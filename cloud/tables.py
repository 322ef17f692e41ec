"""Feedback in Azure Table Storage, or in Azurite on a laptop.

The SDK costs 90 ms and 18 MB to import (azure.identity 75 ms more): the first feedback pays for it, not a cold start.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from sentiment.errors import FeedbackConflict, StoreUnavailable
from sentiment.feedback import Feedback

from .settings import Settings

if TYPE_CHECKING:
    from azure.data.tables import TableClient

RETRY_AFTER = 5  # seconds

# The SDK would try for minutes. A person waits: a second for a connection, twice, and a second for an answer.
_PATIENCE: dict[str, Any] = {
    "retry_total": 1,
    "retry_backoff_factor": 0.1,
    "connection_timeout": 1,
    "read_timeout": 1,
}


class TableFeedbackStore:
    """The FeedbackStore of `sentiment.feedback`. Safe to call from several threads; every call blocks."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def add(self, feedback: Feedback) -> Literal["created", "replayed"]:
        from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError

        with _unavailable():
            try:
                self._insert(feedback)
            except ResourceNotFoundError:  # the table: the first feedback of a new account makes it
                self._make_table()
                return self.add(feedback)
            except ResourceExistsError:
                return self._compare(feedback)
        return "created"

    def erase(self, hour: str, digest: str) -> None:
        with _unavailable():
            self._table.delete_entity(hour, digest)  # silent where there is none

    def _insert(self, feedback: Feedback) -> None:
        fields = msgspec.structs.asdict(feedback)
        row = {"PartitionKey": fields.pop("hour"), "RowKey": fields.pop("digest")}
        self._table.create_entity(row | {name: value for name, value in fields.items() if value is not None})

    def _compare(self, feedback: Feedback) -> Literal["created", "replayed"]:
        """A row is there already: the same feedback sent again, or a different one."""
        from azure.core.exceptions import ResourceNotFoundError

        try:
            row = self._table.get_entity(feedback.hour, feedback.digest)
        except ResourceNotFoundError:  # erased between the two calls
            return self.add(feedback)
        columns = {name: row[name] for name in Feedback.__struct_fields__ if name in row}
        there = Feedback(hour=row["PartitionKey"], digest=row["RowKey"], **columns)
        if not feedback.says_the_same_as(there):
            raise FeedbackConflict("A different feedback is already stored for this prediction; erase it first.")
        return "replayed"

    def _make_table(self) -> None:
        from azure.core.exceptions import ResourceExistsError

        try:
            self._table.create_table()
        except ResourceExistsError:
            pass  # another call was faster

    @cached_property
    def _table(self) -> "TableClient":
        from azure.data.tables import TableClient

        settings = self._settings
        if settings.tables_connection_string:
            return TableClient.from_connection_string(
                settings.tables_connection_string, settings.feedback_table, **_PATIENCE
            )
        from azure.identity import ManagedIdentityCredential

        credential = ManagedIdentityCredential(client_id=settings.managed_identity_client_id)
        assert settings.tables_endpoint  # settings.read sees to it that one of the two is set
        return TableClient(settings.tables_endpoint, settings.feedback_table, credential=credential, **_PATIENCE)


@contextmanager
def _unavailable() -> Iterator[None]:
    """Whatever keeps the store from answering becomes StoreUnavailable."""
    from azure.core.exceptions import AzureError

    try:
        yield
    except (AzureError, AttributeError) as error:  # the latter is the SDK's when a reply breaks off in the middle
        raise StoreUnavailable(f"The feedback store does not answer: {type(error).__name__}.", RETRY_AFTER) from error
