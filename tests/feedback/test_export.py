"""What is restored after a loss, whatever happened before: Hypothesis tells the stories.

Table and container are dictionaries here; the real ones are in test_blobs.py and tests/e2e/test_export.py.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Literal

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule
from msgspec.structs import replace

from feedback.export import Erasures, export, restore
from feedback.receipt import Receipt
from feedback.record import Feedback, hour_at, record
from sentiment.errors import FeedbackConflict

START = datetime(2026, 11, 22, 3, 30, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
RETENTION = 3 * DAY


class Table:
    """A FeedbackStore, as far as it is needed here."""

    def __init__(self) -> None:
        self.rows: dict[str, Feedback] = {}

    def add(self, feedback: Feedback) -> Literal["created", "replayed"]:
        there = self.rows.setdefault(feedback.digest, feedback)
        if not feedback.says_the_same_as(there):
            raise FeedbackConflict("A different one is there.")
        return "created" if there is feedback else "replayed"

    def erase(self, hour: str, digest: str) -> None:
        self.rows.pop(digest, None)

    def of_day(self, day: str) -> Iterator[Feedback]:
        yield from [row for row in self.rows.values() if row.hour.startswith(day)]


class Copy:
    """A FeedbackExport."""

    def __init__(self) -> None:
        self.files: dict[str, tuple[datetime, list[Feedback]]] = {}
        self.notes: dict[tuple[str, str], datetime] = {}
        self.now = START

    def days(self) -> dict[str, datetime]:
        return {day: written for day, (written, _) in self.files.items()}

    def read(self, day: str) -> list[Feedback]:
        return self.files[day][1]

    def write(self, day: str, rows: Iterable[Feedback]) -> None:
        self.files[day] = self.now, list(rows)

    def delete(self, day: str) -> None:
        del self.files[day]

    def note_erasure(self, hour: str, digest: str, at: datetime) -> None:
        self.notes[hour, digest] = at

    def erasures(self) -> Erasures:
        return dict(self.notes)

    def forget_erasure(self, hour: str, digest: str) -> None:
        del self.notes[hour, digest]

    def rows(self) -> list[Feedback]:
        return [row for _, rows in self.files.values() for row in rows]


def row(number: int, predicted: datetime, received: datetime, correct: bool = True) -> Feedback:
    return record(Receipt("lite@1", 0.9, "positive", "0" * 32, predicted, f"{number}.id"), correct, received)


class Story(RuleBasedStateMachine):
    """Some people, nine predictions, bad luck."""

    predictions = st.integers(0, 8)

    def __init__(self) -> None:
        super().__init__()
        self.table, self.copy, self.now = Table(), Copy(), START
        self.predicted: dict[int, datetime] = {}
        self.valid: dict[str, Feedback] = {}  # what the table is to hold
        self.safe: dict[str, Feedback] = {}  # what a night has seen, and may be restored

    @property
    def since(self) -> datetime:
        return self.now - RETENTION

    def pass_time(self, by: timedelta) -> None:
        self.now += by
        self.copy.now = self.now
        for kept in (self.valid, self.safe):
            for row in [row for row in kept.values() if row.hour < hour_at(self.since)]:
                del kept[row.digest]

    @rule(number=predictions, correct=st.booleans(), ago=st.integers(0, 50))
    def give(self, number: int, correct: bool, ago: int) -> None:
        self.pass_time(timedelta(microseconds=1))
        predicted = self.predicted.setdefault(number, self.now - ago * HOUR)
        given = row(number, predicted, self.now, correct)
        if given.hour >= hour_at(self.since) and given.digest not in self.table.rows:
            self.table.add(given)
            self.valid[given.digest] = given

    @rule(number=predictions, breaks_off=st.booleans())
    def erase(self, number: int, breaks_off: bool) -> None:
        self.pass_time(timedelta(microseconds=1))
        erased = row(number, self.predicted.get(number, self.now), self.now)
        self.copy.note_erasure(erased.hour, erased.digest, self.now)
        if not breaks_off:
            self.table.erase(erased.hour, erased.digest)
        for kept in (self.valid, self.safe):
            kept.pop(erased.digest, None)

    @rule(purged=st.booleans())
    def night(self, purged: bool) -> None:
        self.pass_time(DAY)
        if purged:
            self.table.rows = {d: row for d, row in self.table.rows.items() if row.hour >= hour_at(self.since)}
        exported = export(self.table, self.copy, self.since, self.now, lambda: False)  # type: ignore[arg-type]
        lost = self.safe.keys() - self.valid.keys()
        self.safe |= self.valid
        assert (exported.rows, exported.lost) == (len(self.safe), len(lost))
        assert {row.digest: row for row in self.copy.rows()} == self.safe
        assert all(hour >= hour_at(self.since) for hour, _ in self.copy.notes)

    @rule()
    def lose(self) -> None:
        self.table.rows.clear()
        self.valid.clear()

    @rule(again=st.booleans())
    def restore(self, again: bool) -> None:
        for _ in range(1 + again):
            restore(self.table, self.copy, self.since)  # type: ignore[arg-type]
        self.valid = self.safe | self.valid
        assert {d: row for d, row in self.table.rows.items() if row.hour >= hour_at(self.since)} == self.valid


TestStories = Story.TestCase


def test_what_is_erased_just_before_it_is_put_back_is_erased_after_it() -> None:
    """By a person, while a restore is under way."""
    table, copy = Table(), Copy()
    given = row(1, START, START)
    copy.write(given.hour[:10], [given])

    class Interrupted(Copy):
        def read(self, day: str) -> list[Feedback]:
            self.note_erasure(given.hour, given.digest, START + HOUR)
            return super().read(day)

    interrupted = Interrupted()
    interrupted.files = copy.files
    assert restore(table, interrupted, START - RETENTION) == {"restored": 1, "there": 0}  # type: ignore[arg-type]
    assert table.rows == {}


def test_what_is_erased_while_the_table_is_copied_is_not_taken_for_lost() -> None:
    class Changing(Table):
        def of_day(self, day: str) -> Iterator[Feedback]:
            copy.note_erasure(given.hour, given.digest, START + HOUR)
            self.erase(given.hour, given.digest)
            return super().of_day(day)

    table, copy = Changing(), Copy()
    given = row(1, START, START)
    copy.write(given.hour[:10], [given])
    assert export(table, copy, START, START, lambda: False).lost == 0  # type: ignore[arg-type]
    assert copy.rows() == []


def test_a_night_that_is_too_short_begins_where_the_copy_is_oldest() -> None:
    table, copy, days = Table(), Copy(), []
    for night in range(8):  # a day each, of four
        copy.now = START + RETENTION + night * HOUR
        exported = export(table, copy, START, START + RETENTION, lambda: True)  # type: ignore[arg-type]
        assert (exported.days, exported.left) == (1, 3)
        days += [day for day, written in copy.days().items() if written == copy.now]
    assert days == [hour_at(START + n * DAY)[:10] for n in range(4)] * 2


def test_the_table_knows_better_than_the_copy() -> None:
    table, copy = Table(), Copy()
    new = row(1, START, START + HOUR, correct=False)
    table.add(new)
    copy.write(new.hour[:10], [replace(new, correct=True)])
    export(table, copy, START, START, lambda: False)  # type: ignore[arg-type]
    assert copy.rows() == [new]
