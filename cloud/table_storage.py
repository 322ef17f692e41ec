"""Feedback and incidents in Azure Table Storage, or in Azurite on a laptop.

The SDK costs 90 ms and 18 MB to import (azure.identity 75 ms more): the first feedback pays for it, not a cold start.
"""

import uuid
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from functools import cached_property, partial
from itertools import batched, groupby
from typing import TYPE_CHECKING, Any, Literal

from feedback.incident import Claim, Subject
from feedback.record import Feedback, hour_at
from sentiment.errors import FeedbackConflict, IncidentInProgress, StoreUnavailable

from .identity import Credential, managed_identity
from .settings import Settings

if TYPE_CHECKING:
    from azure.data.tables import TableClient, TableEntity

TRIES = 2
RETRY_AFTER = 5  # seconds
BATCH = 100  # rows: the most that a transaction takes
DIGESTS = 900  # in a row: a column has room for 32,768 characters
CLAIM = timedelta(minutes=1)  # functionTimeout in host.json: who claimed something longer ago is dead

# A person waits: no call may take more than TRIES times 1.4 s. The SDK's own retries would go on for minutes, and for
# as long as the server's Retry-After asks.
_PATIENCE: dict[str, Any] = {"retry_total": 0, "connection_timeout": 0.7, "read_timeout": 0.7}
_OF_A_SCAN = 6  # seconds to read a page or to write a batch; the service itself gives up after 5


class _Store:
    """A table. Safe to call from several threads; every call blocks."""

    def __init__(self, settings: Settings, table: str, credential: Credential = managed_identity) -> None:
        self._settings = settings
        self._name = table
        self._credential = credential

    def _make_table(self) -> None:
        from azure.core.exceptions import ResourceExistsError

        try:
            _patiently(lambda: self._table.create_table())
        except ResourceExistsError:
            pass  # another call was faster

    def _get(self, partition: str, row: str) -> "TableEntity | None":
        from azure.core.exceptions import ResourceNotFoundError

        try:
            return _patiently(lambda: self._table.get_entity(partition, row))
        except ResourceNotFoundError:
            return None

    def _pages(self, condition: str, **query: Any) -> "Iterator[list[TableEntity]]":
        """The rows that fulfil an OData filter, by partition and row key, a thousand or fewer at a time."""
        from azure.core.exceptions import ResourceNotFoundError

        pages = self._table.query_entities(condition, read_timeout=_OF_A_SCAN, **query).by_page()
        try:
            while (page := _patiently(lambda: next(pages, None))) is not None:
                yield list(page)
        except ResourceNotFoundError:
            pass  # no table yet: no rows

    def _purge(self, condition: str, parameters: dict[str, Any]) -> Iterator[tuple[str, int]]:
        """Deletes the rows that fulfil a filter; yields partition and number of rows of each batch."""
        for page in self._pages(condition, parameters=parameters, select=["PartitionKey", "RowKey"]):
            for partition, rows in groupby(page, lambda row: str(row["PartitionKey"])):
                for batch in batched(rows, BATCH, strict=False):
                    self._delete(batch)
                    yield partition, len(batch)

    def _delete(self, rows: "tuple[TableEntity, ...]") -> None:
        """Deletes rows of one partition in a transaction; those that are gone already, one by one."""
        from azure.data.tables import TableTransactionError

        try:
            _patiently(
                lambda: self._table.submit_transaction([("delete", row) for row in rows], read_timeout=_OF_A_SCAN)
            )
        except TableTransactionError:  # it wants every row to be there, and one was erased or our reply was lost
            for row in rows:
                _patiently(partial(self._table.delete_entity, row))

    @cached_property
    def _table(self) -> "TableClient":
        from azure.data.tables import TableClient

        settings = self._settings
        if settings.tables_connection_string:
            return TableClient.from_connection_string(settings.tables_connection_string, self._name, **_PATIENCE)
        assert settings.tables_endpoint  # settings.read sees to it that one of the two is set
        credential = self._credential(settings)
        return TableClient(settings.tables_endpoint, self._name, credential=credential, **_PATIENCE)


class TableFeedbackStore(_Store):
    """The FeedbackStore of `feedback.record`."""

    def __init__(self, settings: Settings, credential: Credential = managed_identity) -> None:
        super().__init__(settings, settings.feedback_table, credential)

    def add(self, feedback: Feedback) -> Literal["created", "replayed"]:
        from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError

        for _ in range(TRIES):
            try:
                _patiently(lambda: self._table.create_entity(_row(feedback)))
            except ResourceNotFoundError:  # the table: the first feedback of a new account makes it
                self._make_table()
            except ResourceExistsError:
                if (there := self._get(feedback.hour, feedback.digest)) is not None:  # else erased in the meantime
                    return _compare(feedback, _feedback(there))
            else:
                return "created"
        raise StoreUnavailable("The feedback table comes and goes.", RETRY_AFTER)

    def erase(self, hour: str, digest: str) -> None:
        _patiently(lambda: self._table.delete_entity(hour, digest))  # silent where there is none

    def wrong(self, predicted_since: datetime, received_since: datetime, until: datetime) -> Iterator[Feedback]:
        condition = (
            "PartitionKey ge @first and PartitionKey le @last and correct eq false"
            " and received_at ge @since and received_at le @until"
        )
        hours = {"first": hour_at(predicted_since), "last": hour_at(until)}
        for page in self._pages(condition, parameters={**hours, "since": received_since, "until": until}):
            yield from map(_feedback, page)

    def of_day(self, day: str) -> Iterator[Feedback]:
        condition = "PartitionKey ge @first and PartitionKey le @last"
        for page in self._pages(condition, parameters={"first": f"{day}T00", "last": f"{day}T23"}):
            yield from map(_feedback, page)

    def purge(self, before: str) -> Iterator[tuple[str, int]]:
        return self._purge("PartitionKey lt @before", {"before": before})


class TableIncidentStore(_Store):
    """The IncidentStore of `feedback.incident`: a partition an hour, with the digests of what is reported, one of
    alerts, and one of claims. `at` is when a row was written."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, settings.incidents_table)

    def claim(self, topic: str, now: datetime) -> Claim:
        from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError

        row = {**_claim(topic), "at": now, "claimant": uuid.uuid4().hex}
        for _ in range(TRIES):
            try:
                return Claim(topic, _patiently(lambda: self._table.create_entity(row))["etag"])
            except ResourceNotFoundError:  # the table
                self._make_table()
            except ResourceExistsError:
                there = self._get(*_claim(topic).values())
                if there is not None and (etag := self._contend(row, there)):  # else released in the meantime
                    return Claim(topic, etag)
        raise StoreUnavailable("The claim changes hands all the time.", RETRY_AFTER)

    def _contend(self, row: dict[str, Any], there: "TableEntity") -> str | None:
        """The ETag of the claim where there is one already; None if another call was faster to take it over."""
        from azure.core import MatchConditions
        from azure.core.exceptions import ResourceModifiedError, ResourceNotFoundError
        from azure.data.tables import UpdateMode

        etag = str(there.metadata["etag"])
        if there["claimant"] == row["claimant"]:  # our own write, whose answer was lost
            return etag
        if there["at"] > row["at"] - CLAIM:
            raise IncidentInProgress("Another call is reporting at this moment.", RETRY_AFTER)
        condition: dict[str, Any] = {"etag": etag, "match_condition": MatchConditions.IfNotModified}
        try:
            return str(_patiently(lambda: self._table.update_entity(row, UpdateMode.REPLACE, **condition))["etag"])
        except (ResourceModifiedError, ResourceNotFoundError):
            return None

    def release(self, claim: Claim) -> None:
        from azure.core import MatchConditions
        from azure.core.exceptions import ResourceModifiedError

        condition: dict[str, Any] = {"etag": claim.etag, "match_condition": MatchConditions.IfNotModified}
        try:
            _patiently(lambda: self._table.delete_entity(_claim(claim.topic), **condition))
        except ResourceModifiedError:
            pass  # another call has taken it over: it is not ours to give back

    def reported(self, first: str, last: str) -> Iterator[str]:
        condition = "PartitionKey ge @first and PartitionKey le @last"
        for page in self._pages(condition, parameters={"first": first, "last": last}):
            for row in page:
                yield from row["digests"].split()

    def mark_reported(self, subjects: Iterable[Subject], now: datetime) -> None:
        for hour, members in groupby(sorted(subjects), lambda subject: subject.hour):
            for batch in batched((member.digest for member in members), DIGESTS, strict=False):
                keys = {"PartitionKey": hour, "RowKey": uuid.uuid4().hex}
                row = {**keys, "at": now, "digests": " ".join(batch)}
                _patiently(partial(self._table.upsert_entity, row))

    def purge(self, before: datetime) -> Iterator[int]:
        for _, rows in self._purge("at lt @before", {"before": before}):
            yield rows


def _row(feedback: Feedback) -> dict[str, Any]:
    columns = {name: getattr(feedback, name) for name in feedback.__struct_fields__}
    row = {"PartitionKey": columns.pop("hour"), "RowKey": columns.pop("digest")}
    return row | {name: value for name, value in columns.items() if value is not None}


def _feedback(row: "TableEntity") -> Feedback:
    columns = {name: _plain(row[name]) for name in Feedback.__struct_fields__ if name in row}
    return Feedback(hour=row["PartitionKey"], digest=row["RowKey"], **columns)


def _plain(value: Any) -> Any:
    """A column's value; the SDK has a datetime of its own, which encoders do not know."""
    return datetime.combine(value.date(), value.timetz()) if isinstance(value, datetime) else value


def _claim(topic: str) -> dict[str, str]:
    """The keys of a row."""
    return {"PartitionKey": "claims", "RowKey": topic}


def _compare(feedback: Feedback, there: Feedback) -> Literal["replayed"]:
    if not feedback.says_the_same_as(there):
        raise FeedbackConflict("A different feedback is already stored for this prediction; erase it first.")
    return "replayed"


def _patiently[T](call: Callable[[], T]) -> T:
    """The result of a call of the SDK, tried again if it got no answer. Every write here is safe to repeat.

    Raises what the store answered (the row or the table is there, is not there, was changed; a transaction was
    refused), or StoreUnavailable.
    """
    from azure.core.exceptions import AzureError, ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
    from azure.data.tables import TableTransactionError

    for remaining in reversed(range(TRIES)):
        try:
            return call()
        except (ResourceExistsError, ResourceNotFoundError, ResourceModifiedError, TableTransactionError):
            raise
        except (AzureError, AttributeError) as error:  # the latter is the SDK's own, when a reply breaks off half-way
            if not remaining:
                message = f"The feedback store does not answer: {type(error).__name__}."
                raise StoreUnavailable(message, RETRY_AFTER) from error
    raise AssertionError("unreachable")
