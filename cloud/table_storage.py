"""Feedback and incidents in Azure Table Storage, or in Azurite on a laptop.

The SDK takes 90 ms and 18 MB to import (azure.identity 75 ms more). So it is imported with the first feedback, not
during a cold start.
"""

import logging
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from functools import cached_property, partial
from itertools import batched, groupby
from typing import TYPE_CHECKING, Any, Literal

from feedback.errors import FeedbackConflict, IncidentInProgress, StoreUnavailable
from feedback.receipt import MAX_CLOCK_SKEW
from feedback.record import Feedback
from feedback.stores import Claim, PredictionKey, Purged, Subject, start_of_hour

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
    from azure.data.tables import TableClient, TableEntity

SCAN_TIMEOUT_SECONDS = 6  # to read a page or to write a batch; the service itself gives up after 5

MAX_TRANSACTION_ROWS = 100  # a limit of the service
PURGE_THREADS = 8  # a transaction mostly waits for the service
MAX_DIGESTS_PER_ROW = 900  # 33 characters each; a column holds 32,768
CLAIM_TTL = timedelta(minutes=1)  # functionTimeout in host.json: after it the holder of a claim is dead

ALERTS_PARTITION = "alerts"
CLAIMS_PARTITION = "claims"

log = logging.getLogger("buzzguard.tables")


def _call_with_retry[T](call: Callable[[], T]) -> T:
    """Return the result of a call of the SDK, repeated if no reply came. Every write here is safe to repeat.

    The SDK's own retries are off: they would go on for minutes, and as long as the server's Retry-After asks.
    Raises the SDK's error for a reply that means something (exists, not found, modified, transaction refused), and
    StoreUnavailable for every other failure.
    """
    from azure.core.exceptions import AzureError, ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
    from azure.data.tables import TableTransactionError

    for remaining in reversed(range(MAX_ATTEMPTS)):
        try:
            return call()
        except (ResourceExistsError, ResourceNotFoundError, ResourceModifiedError, TableTransactionError):
            raise
        except (AzureError, AttributeError) as error:  # AttributeError: a bug of the SDK when a reply breaks off
            if not remaining:
                message = f"The feedback store does not answer: {type(error).__name__}."
                raise StoreUnavailable(message, RETRY_AFTER_SECONDS) from error
    raise AssertionError("unreachable")


class _Table:
    """One table. Thread-safe; every call blocks."""

    def __init__(self, settings: Settings, table: str, credential: CredentialFactory = managed_identity) -> None:
        self._settings = settings
        self._name = table
        self._credential = credential

    def _create_table(self) -> None:
        from azure.core.exceptions import ResourceExistsError

        try:
            _call_with_retry(lambda: self._client.create_table())
        except ResourceExistsError:
            pass  # another call created it first

    def _get(self, partition: str, row: str) -> "TableEntity | None":
        from azure.core.exceptions import ResourceNotFoundError

        try:
            return _call_with_retry(lambda: self._client.get_entity(partition, row))
        except ResourceNotFoundError:
            return None

    def _pages(self, condition: str, **query: Any) -> "Iterator[list[TableEntity]]":
        """Yield the rows that match an OData filter, by partition and row key, in pages of up to 1,000."""
        from azure.core.exceptions import ResourceNotFoundError

        pages = self._client.query_entities(condition, read_timeout=SCAN_TIMEOUT_SECONDS, **query).by_page()
        try:
            while (page := _call_with_retry(lambda: next(pages, None))) is not None:
                yield list(page)
        except ResourceNotFoundError:
            pass  # the table does not exist yet

    def _purge(
        self, condition: str, parameters: dict[str, Any], time_is_up: Callable[[], bool]
    ) -> "tuple[int, TableEntity | None]":
        """Delete the rows that match a filter, PURGE_THREADS transactions at a time, until `time_is_up`.

        Return how many are deleted and, if time ran out, the first row that may be left. Rows that
        cannot be deleted do not keep the others: the first error is raised at the end.
        """
        deleted, errors = 0, dict[str, Exception]()  # by partition

        def delete(batch: "tuple[TableEntity, ...]") -> int:
            if time_is_up():
                return 0
            try:
                self._delete(batch)
            except Exception as error:
                errors.setdefault(batch[0]["PartitionKey"], error)
                return 0
            return len(batch)

        left = None
        with ThreadPoolExecutor(PURGE_THREADS, "purge") as threads:
            for page in self._pages(condition, parameters=parameters, select=["PartitionKey", "RowKey", "at"]):
                batches = list(_transactions(page))
                done = list(threads.map(delete, batches))
                deleted += sum(done)
                if time_is_up():
                    unfinished = [batch for batch, rows in zip(batches, done, strict=True) if not rows] or batches[-1:]
                    left = unfinished[0][0] if unfinished else None  # the last page may be empty
                    break
        for partition, error in errors.items():  # here, where the log belongs to the trace of the caller
            log.error("Rows of %s cannot be deleted: %s", partition, type(error).__name__)
        if errors:
            raise next(iter(errors.values()))
        return deleted, left

    def _delete(self, rows: "tuple[TableEntity, ...]") -> None:
        """Delete rows of one partition in a transaction, or one by one if some are already gone."""
        from azure.data.tables import TableTransactionError

        operations = [("delete", row) for row in rows]
        try:
            _call_with_retry(lambda: self._client.submit_transaction(operations, read_timeout=SCAN_TIMEOUT_SECONDS))
        except TableTransactionError:  # refused as a whole: a row was erased meanwhile, or our reply was lost
            for row in rows:
                _call_with_retry(partial(self._client.delete_entity, row))

    @cached_property
    def _client(self) -> "TableClient":
        from azure.data.tables import TableClient

        options: dict[str, Any] = {
            "retry_total": 0,
            "connection_timeout": REQUEST_TIMEOUT_SECONDS,
            "read_timeout": REQUEST_TIMEOUT_SECONDS,
        }
        settings = self._settings
        if settings.tables_connection_string:
            return TableClient.from_connection_string(settings.tables_connection_string, self._name, **options)
        assert settings.tables_endpoint  # read_settings requires one of the two
        return TableClient(settings.tables_endpoint, self._name, credential=self._credential(settings), **options)


class TableFeedbackStore(_Table):
    """The FeedbackStore of `feedback.stores`: a partition per hour of predictions, a row per receipt."""

    def __init__(self, settings: Settings, credential: CredentialFactory = managed_identity) -> None:
        super().__init__(settings, settings.feedback_table, credential)

    def add(self, feedback: Feedback) -> Literal["created", "replayed"]:
        from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError

        row = _to_row(feedback)
        attempts = 0

        def create() -> None:
            nonlocal attempts
            attempts += 1
            self._client.create_entity(row)

        for _ in range(MAX_ATTEMPTS):
            try:
                _call_with_retry(create)
            except ResourceNotFoundError:  # the table: the first feedback of a new account creates it
                self._create_table()
            except ResourceExistsError:
                existing = self._get(row["PartitionKey"], row["RowKey"])
                if existing is None:  # erased meanwhile: try again
                    continue
                stored = _to_feedback(existing)
                if not feedback.is_replay_of(stored):
                    message = "A different feedback is already stored for this prediction; erase it first."
                    raise FeedbackConflict(message) from None
                is_own = attempts > 1 and stored.received_at == feedback.received_at  # the reply to it was lost
                return "created" if is_own else "replayed"
            else:
                return "created"
        raise StoreUnavailable("The feedback table is being deleted and created again.", RETRY_AFTER_SECONDS)

    def erase(self, prediction: PredictionKey) -> None:
        partition = format_hour(prediction.predicted_at)
        _call_with_retry(lambda: self._client.delete_entity(partition, prediction.digest))  # no error if there is none

    def reported_wrong(
        self, predicted_since: datetime, received_since: datetime, received_until: datetime
    ) -> Iterator[Feedback]:
        condition = (
            "PartitionKey ge @first and PartitionKey le @last and correct eq false"
            " and received_at ge @since and received_at le @until"
        )
        parameters = {
            "first": format_hour(predicted_since),
            "last": format_hour(received_until + MAX_CLOCK_SKEW),  # feedback comes after its prediction
            "since": received_since,
            "until": received_until,
        }
        for page in self._pages(condition, parameters=parameters):
            yield from map(_to_feedback, page)

    def of_day(self, day: date) -> Iterator[Feedback]:
        condition = "PartitionKey ge @first and PartitionKey le @last"
        for page in self._pages(condition, parameters={"first": f"{day}T00", "last": f"{day}T23"}):
            yield from map(_to_feedback, page)

    def purge(self, before: datetime, time_is_up: Callable[[], bool]) -> Purged:
        """As in `FeedbackStore`; if `before` is not the start of an hour, the rows of that hour stay."""
        rows, left = self._purge("PartitionKey lt @before", {"before": format_hour(before)}, time_is_up)
        return Purged(rows, None if left is None else parse_hour(left["PartitionKey"]))


class TableIncidentStore(_Table):
    """The IncidentStore of `feedback.stores`.

    One partition per hour with the digests of reported predictions, one of alerts and one of claims. `at` is the time
    a row was written.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, settings.incidents_table)

    def claim(self, topic: str, now: datetime) -> Claim:
        from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError

        row = {**_claim_keys(topic), "at": now, "claimant": uuid.uuid4().hex}
        for _ in range(MAX_ATTEMPTS):
            try:
                return Claim(topic, _call_with_retry(lambda: self._client.create_entity(row))["etag"])
            except ResourceNotFoundError:  # the table
                self._create_table()
            except ResourceExistsError:
                existing = self._get(*_claim_keys(topic).values())
                if existing is None:  # released meanwhile: try again
                    continue
                if etag := self._take_over_claim(row, existing):
                    return Claim(topic, etag)
        raise StoreUnavailable("Other calls keep taking the claim over.", RETRY_AFTER_SECONDS)

    def _take_over_claim(self, row: dict[str, Any], existing: "TableEntity") -> str | None:
        """Return the ETag of the claim once it is ours, or None if another call took it over first.

        Raises IncidentInProgress if the existing claim is still valid.
        """
        from azure.core.exceptions import ResourceModifiedError, ResourceNotFoundError
        from azure.data.tables import UpdateMode

        etag = str(existing.metadata["etag"])
        if existing["claimant"] == row["claimant"]:  # our own write, whose reply was lost
            return etag
        if existing["at"] > row["at"] - CLAIM_TTL:
            raise IncidentInProgress("Another call is reporting at this moment.", RETRY_AFTER_SECONDS)
        replace = partial(self._client.update_entity, row, UpdateMode.REPLACE, **_if_unmodified(etag))
        try:
            return str(_call_with_retry(replace)["etag"])
        except (ResourceModifiedError, ResourceNotFoundError):
            return None

    def release_claim(self, claim: Claim) -> None:
        from azure.core.exceptions import ResourceModifiedError

        delete = partial(self._client.delete_entity, _claim_keys(claim.topic), **_if_unmodified(claim.version))
        try:
            _call_with_retry(delete)
        except ResourceModifiedError:
            pass  # another call has taken the claim over

    def reported_predictions(self, since: datetime, until: datetime) -> Iterator[str]:
        return self._digests(format_hour(since), format_hour(until))

    def reported_alerts(self) -> Iterator[str]:
        return self._digests(ALERTS_PARTITION, ALERTS_PARTITION)

    def _digests(self, first: str, last: str) -> Iterator[str]:
        condition = "PartitionKey ge @first and PartitionKey le @last"
        for page in self._pages(condition, parameters={"first": first, "last": last}):
            for row in page:
                yield from row["digests"].split()

    def mark_reported(self, subjects: Iterable[Subject], now: datetime) -> None:
        keys = sorted((_subject_partition(subject), subject.digest) for subject in subjects)
        for partition, members in groupby(keys, lambda key: key[0]):
            for batch in batched((digest for _, digest in members), MAX_DIGESTS_PER_ROW, strict=False):
                row = {"PartitionKey": partition, "RowKey": uuid.uuid4().hex, "at": now, "digests": " ".join(batch)}
                _call_with_retry(partial(self._client.upsert_entity, row))

    def purge(self, before: datetime, time_is_up: Callable[[], bool]) -> Purged:
        rows, left = self._purge("at lt @before", {"before": before}, time_is_up)
        return Purged(rows, None if left is None else start_of_hour(_to_plain(left["at"])))


def _transactions(page: "list[TableEntity]") -> "Iterator[tuple[TableEntity, ...]]":
    """Yield the rows of a page as transactions take them: of one partition, and not too many."""
    for _, rows in groupby(page, lambda row: row["PartitionKey"]):
        yield from batched(rows, MAX_TRANSACTION_ROWS, strict=False)


def _subject_partition(subject: Subject) -> str:
    return ALERTS_PARTITION if subject.received_at is None else format_hour(subject.received_at)


def _claim_keys(topic: str) -> dict[str, str]:
    return {"PartitionKey": CLAIMS_PARTITION, "RowKey": topic}


def _if_unmodified(etag: str) -> dict[str, Any]:
    """Return the options that make the SDK raise ResourceModifiedError if the row has changed since `etag`."""
    from azure.core import MatchConditions

    return {"etag": etag, "match_condition": MatchConditions.IfNotModified}


def _to_row(feedback: Feedback) -> dict[str, Any]:
    columns = {name: getattr(feedback, name) for name in feedback.__struct_fields__}
    row = {"PartitionKey": format_hour(feedback.predicted_at), "RowKey": columns.pop("digest")}
    return row | {name: value for name, value in columns.items() if value is not None}


def _to_feedback(row: "TableEntity") -> Feedback:
    columns = {name: _to_plain(row[name]) for name in Feedback.__struct_fields__ if name in row}
    return Feedback(digest=row["RowKey"], **columns)


def _to_plain(value: Any) -> Any:
    """Return a column's value, with the SDK's own datetime as a plain one: encoders do not know the former."""
    return datetime.combine(value.date(), value.timetz()) if isinstance(value, datetime) else value
