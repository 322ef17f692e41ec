"""Feedback in Azure Table Storage, or in Azurite on a laptop.

The SDK costs 90 ms and 18 MB to import (azure.identity 75 ms more): the first feedback pays for it, not a cold start.
"""

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from sentiment.errors import FeedbackConflict, StoreUnavailable
from sentiment.feedback import Feedback

from .settings import Settings

if TYPE_CHECKING:
    from azure.data.tables import TableClient

TRIES = 2
RETRY_AFTER = 5  # seconds

# A person waits: no call may take more than TRIES times 1.4 s. The SDK's own retries would go on for minutes, and for
# as long as the server's Retry-After asks.
_PATIENCE: dict[str, Any] = {"retry_total": 0, "connection_timeout": 0.7, "read_timeout": 0.7}


class TableFeedbackStore:
    """The FeedbackStore of `sentiment.feedback`. Safe to call from several threads; every call blocks."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def add(self, feedback: Feedback) -> Literal["created", "replayed"]:
        from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError

        for _ in range(TRIES):
            try:
                _patiently(lambda: self._table.create_entity(_row(feedback)))
            except ResourceNotFoundError:  # the table: the first feedback of a new account makes it
                self._make_table()
            except ResourceExistsError:
                if (there := self._find(feedback)) is not None:
                    return _compare(feedback, there)
            else:
                return "created"
        raise StoreUnavailable("The feedback table comes and goes.", RETRY_AFTER)

    def erase(self, hour: str, digest: str) -> None:
        _patiently(lambda: self._table.delete_entity(hour, digest))  # silent where there is none

    def _find(self, feedback: Feedback) -> Feedback | None:
        """What is stored for that prediction; None if it was erased in the meantime."""
        from azure.core.exceptions import ResourceNotFoundError

        try:
            row = _patiently(lambda: self._table.get_entity(feedback.hour, feedback.digest))
        except ResourceNotFoundError:
            return None
        columns = {name: row[name] for name in Feedback.__struct_fields__ if name in row}
        return Feedback(hour=row["PartitionKey"], digest=row["RowKey"], **columns)

    def _make_table(self) -> None:
        from azure.core.exceptions import ResourceExistsError

        try:
            _patiently(lambda: self._table.create_table())
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

        credential = ManagedIdentityCredential(client_id=settings.managed_identity_client_id, **_PATIENCE)
        assert settings.tables_endpoint  # settings.read sees to it that one of the two is set
        return TableClient(settings.tables_endpoint, settings.feedback_table, credential=credential, **_PATIENCE)


def _row(feedback: Feedback) -> dict[str, Any]:
    columns = {name: getattr(feedback, name) for name in feedback.__struct_fields__}
    row = {"PartitionKey": columns.pop("hour"), "RowKey": columns.pop("digest")}
    return row | {name: value for name, value in columns.items() if value is not None}


def _compare(feedback: Feedback, there: Feedback) -> Literal["replayed"]:
    if not feedback.says_the_same_as(there):
        raise FeedbackConflict("A different feedback is already stored for this prediction; erase it first.")
    return "replayed"


def _patiently[T](call: Callable[[], T]) -> T:
    """The result of a call of the SDK, tried again if it got no answer. Every write here is safe to repeat.

    Raises what the store answered (ResourceExistsError, ResourceNotFoundError), or StoreUnavailable.
    """
    from azure.core.exceptions import AzureError, ResourceExistsError, ResourceNotFoundError

    for remaining in reversed(range(TRIES)):
        try:
            return call()
        except (ResourceExistsError, ResourceNotFoundError):
            raise
        except (AzureError, AttributeError) as error:  # the latter is the SDK's own, when a reply breaks off half-way
            if not remaining:
                message = f"The feedback store does not answer: {type(error).__name__}."
                raise StoreUnavailable(message, RETRY_AFTER) from error
    raise AssertionError("unreachable")
