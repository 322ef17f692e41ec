"""A copy of the feedback outside the table: a file for each day of predictions, and a note of each erasure.

A row leaves the copy when it is erased or too old, never because the table has it no longer. So the night after a table
was lost does not lose the copy, too.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple, Protocol

from sentiment.errors import FeedbackConflict

from .record import Feedback, FeedbackStore, hour_at

THREADS = 8  # that put rows back: each waits for the table most of the time
NEVER = datetime.min.replace(tzinfo=UTC)

type Erasures = Mapping[tuple[str, str], datetime]  # hour and digest of what was erased -> when
type Outcome = Literal["restored", "there", "different", "erased", "expired"]


class FeedbackExport(Protocol):
    """A day is a UTC day of predictions, 2026-11-22. Every method raises StoreUnavailable and may block for seconds."""

    def days(self) -> dict[str, datetime]:
        """The days that are written, and when each was."""
        ...

    def read(self, day: str) -> list[Feedback]:
        """The rows of a day that is written. Raises ExportError if the file was not written by this app."""
        ...

    def write(self, day: str, rows: Iterable[Feedback]) -> None:
        """Replace the rows of a day, all or none."""
        ...

    def delete(self, day: str) -> None:
        """Forget a day, if it is there."""
        ...

    def note_erasure(self, hour: str, digest: str, at: datetime) -> None:
        """Feedback on this prediction that was received until then is erased."""
        ...

    def erasures(self) -> Erasures:
        """All that were noted, and the last time of each."""
        ...

    def forget_erasure(self, hour: str, digest: str) -> None:
        """Forget a note, if it is there."""
        ...


class Exported(NamedTuple):
    rows: int
    days: int
    lost: int  # rows of the copy that the table has no longer, and should have
    left: int  # days for which there was no time


def export(
    store: FeedbackStore, archive: FeedbackExport, since: datetime, until: datetime, time_is_up: Callable[[], bool]
) -> Exported:
    """Copy the feedback on predictions from the hour of `since` to the day of `until`, as far as time allows: what was
    copied longest ago comes first. What is older leaves the copy."""
    first = hour_at(since)
    written = archive.days()
    for day in written:
        if day < first[:10]:
            archive.delete(day)
    erasures = archive.erasures()
    rows = lost = 0
    days = sorted(_days(since, until), key=lambda day: written.get(day, NEVER))
    for done, day in enumerate(days, start=1):
        there = {row.digest: row for row in _erase_noted(store, day, erasures)}
        copied = {row.digest: row for row in archive.read(day)} if day in written else {}
        if copied.keys() - there.keys():
            erasures = archive.erasures()  # once more: a row may have been erased this minute
        kept = [row for row in (copied | there).values() if row.hour >= first and not _erased(row, erasures)]
        archive.write(day, sorted(kept, key=lambda row: (row.hour, row.digest)))
        rows += len(kept)
        lost += sum(row.digest not in there for row in kept)
        if time_is_up():
            return Exported(rows, done, lost, len(days) - done)
    for hour, digest in erasures:
        if hour < first:
            archive.forget_erasure(hour, digest)
    return Exported(rows, len(days), lost, 0)


def restore(store: FeedbackStore, archive: FeedbackExport, since: datetime) -> Counter[Outcome]:
    """Put back what the table lacks of the copy, but for what was erased or is older than the hour of `since`, and
    erase what was noted. What is in the table stays as it is. May be repeated, whenever it was broken off."""
    first = hour_at(since)
    counts: Counter[Outcome] = Counter()
    erasures = archive.erasures()

    def put_back(row: Feedback) -> Outcome:
        if row.hour < first:
            return "expired"
        if _erased(row, erasures):
            return "erased"
        try:
            return "restored" if store.add(row) == "created" else "there"
        except FeedbackConflict:
            return "different"

    with ThreadPoolExecutor(THREADS) as pool:
        for day in sorted(archive.days()):
            there, copied = set(_erase_noted(store, day, erasures)), archive.read(day)
            missing = [row for row in copied if row not in there]
            counts.update(pool.map(put_back, missing))
            counts["there"] += len(copied) - len(missing)
    erasures = archive.erasures()  # once more: a row may have been erased just before it was put back
    for day in sorted({hour[:10] for hour, _ in erasures}):
        _erase_noted(store, day, erasures)
    return counts


def _erase_noted(store: FeedbackStore, day: str, erasures: Erasures) -> list[Feedback]:
    """Erase the rows of a day whose erasure was noted, and that are there still or again; return the others."""
    rows = []
    for row in store.of_day(day):
        if _erased(row, erasures):
            store.erase(row.hour, row.digest)
        else:
            rows.append(row)
    return rows


def _erased(row: Feedback, erasures: Erasures) -> bool:
    """Whether this very row was: who takes a feedback back may give another."""
    return row.received_at <= erasures.get((row.hour, row.digest), NEVER)


def _days(since: datetime, until: datetime) -> list[str]:
    first = since.date()
    return [(first + timedelta(days=n)).isoformat() for n in range((until.date() - first).days + 1)]
