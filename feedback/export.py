"""Keep a copy of the feedback outside its table: one file per day of predictions, and one note per erasure.

A row leaves the copy when it is erased or expires, never because the table no longer has it. Otherwise the night after
the table was lost would empty the copy, too.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Literal, NamedTuple, Protocol

from .errors import FeedbackConflict
from .record import Feedback
from .stores import FeedbackStore, PredictionKey, start_of_hour

RESTORE_THREADS = 8  # each waits for the table most of the time
NEVER = datetime.min.replace(tzinfo=UTC)


class Erasure(NamedTuple):
    """The feedback on this prediction that was received up to `erased_at` is erased."""

    digest: str
    predicted_at: datetime  # UTC, to the hour
    erased_at: datetime  # UTC


type Erasures = Mapping[str, Erasure]  # by digest
type RestoreOutcome = Literal["restored", "existing", "different", "erased", "expired"]


class FeedbackExport(Protocol):
    """A day is a UTC day of predictions. Every method raises StoreUnavailable and may block for seconds."""

    def written_days(self) -> dict[date, datetime]:
        """Return the days that have a file, and when each was written."""
        ...

    def read_day(self, day: date) -> list[Feedback]:
        """Return the rows of a day that has a file. Raises ExportError if this app did not write it."""
        ...

    def write_day(self, day: date, rows: Iterable[Feedback]) -> None:
        """Replace the rows of a day, all or none."""
        ...

    def delete_day(self, day: date) -> None:
        """Delete the file of a day, if it exists."""
        ...

    def note_erasure(self, prediction: PredictionKey, erased_at: datetime) -> None:
        """Note that the feedback on this prediction received up to `erased_at` is erased."""
        ...

    def erasures(self) -> Erasures:
        """Return the last erasure of each prediction."""
        ...

    def forget_erasure(self, prediction: PredictionKey) -> None:
        """Delete the note of an erasure, if it exists."""
        ...


class ExportResult(NamedTuple):
    rows: int
    days: int
    lost: int  # rows of the copy that the table should have, and has no longer
    left: int  # days that are not done because time ran out


def export_feedback(
    store: FeedbackStore, archive: FeedbackExport, since: datetime, until: datetime, time_is_up: Callable[[], bool]
) -> ExportResult:
    """Copy the feedback on predictions from the hour of `since` to the day of `until`, as far as time allows.

    The days that were copied longest ago come first. What is older than `since` leaves the copy.
    """
    since = start_of_hour(since)
    written = archive.written_days()
    for day in written:
        if day < since.date():
            archive.delete_day(day)
    erasures = archive.erasures()
    rows = lost = 0
    days = sorted(_days(since, until), key=lambda day: written.get(day, NEVER))
    for done, day in enumerate(days, start=1):
        stored = {row.digest: row for row in _erase_noted(store, day, erasures)}
        copied = {row.digest: row for row in archive.read_day(day)} if day in written else {}
        if copied.keys() - stored.keys():
            erasures = archive.erasures()  # read again: a row may have been erased meanwhile
        kept = [
            row for row in (copied | stored).values() if row.predicted_at >= since and not _is_erased(row, erasures)
        ]
        archive.write_day(day, sorted(kept, key=lambda row: (start_of_hour(row.predicted_at), row.digest)))
        rows += len(kept)
        lost += sum(row.digest not in stored for row in kept)
        if time_is_up():
            return ExportResult(rows, done, lost, len(days) - done)
    for erasure in erasures.values():
        if erasure.predicted_at < since:
            archive.forget_erasure(erasure)
    return ExportResult(rows, len(days), lost, 0)


def restore_feedback(store: FeedbackStore, archive: FeedbackExport, since: datetime) -> Counter[RestoreOutcome]:
    """Add the rows of the copy that the store lacks, unless they are erased or older than the hour of `since`.

    Rows that the store has stay as they are, unless their erasure was noted: then they are erased. May be interrupted
    and repeated.
    """
    since = start_of_hour(since)
    counts: Counter[RestoreOutcome] = Counter()
    erasures = archive.erasures()

    def restore(row: Feedback) -> RestoreOutcome:
        if row.predicted_at < since:
            return "expired"
        if _is_erased(row, erasures):
            return "erased"
        try:
            return "restored" if store.add(row) == "created" else "existing"
        except FeedbackConflict:
            return "different"

    with ThreadPoolExecutor(RESTORE_THREADS) as pool:
        for day in sorted(archive.written_days()):
            stored, copied = set(_erase_noted(store, day, erasures)), archive.read_day(day)
            missing = [row for row in copied if row not in stored]
            counts.update(pool.map(restore, missing))
            counts["existing"] += len(copied) - len(missing)
    erasures = archive.erasures()  # read again: a row may have been erased just before it was restored
    for day in sorted({erasure.predicted_at.date() for erasure in erasures.values()}):
        _erase_noted(store, day, erasures)
    return counts


def _erase_noted(store: FeedbackStore, day: date, erasures: Erasures) -> list[Feedback]:
    """Erase the stored rows of a day whose erasure was noted, and return the other rows."""
    rows = []
    for row in store.of_day(day):
        if _is_erased(row, erasures):
            store.erase(row)
        else:
            rows.append(row)
    return rows


def _is_erased(row: Feedback, erasures: Erasures) -> bool:
    """Return whether this very row was erased. New feedback after an erasure is another row."""
    erasure = erasures.get(row.digest)
    return erasure is not None and row.received_at <= erasure.erased_at


def _days(since: datetime, until: datetime) -> list[date]:
    first = since.date()
    return [first + timedelta(days=n) for n in range((until.date() - first).days + 1)]
