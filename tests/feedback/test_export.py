"""Export and restore against dictionaries, with Hypothesis choosing what happens in between.

The real table and container are tested in tests/cloud and tests/e2e/test_export.py.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Literal

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule
from msgspec.structs import replace

from feedback.errors import FeedbackConflict
from feedback.export import Erasure, Erasures, export_feedback, restore_feedback
from feedback.receipt import Receipt
from feedback.record import Feedback, build_feedback
from feedback.stores import PredictionKey, start_of_hour

START = datetime(2026, 11, 22, 3, 30, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
RETENTION = 3 * DAY


class InMemoryStore:
    """The methods of a FeedbackStore that the export needs."""

    def __init__(self) -> None:
        self.rows: dict[str, Feedback] = {}

    def add(self, feedback: Feedback) -> Literal["created", "replayed"]:
        existing = self.rows.setdefault(feedback.digest, feedback)
        if not feedback.is_replay_of(existing):
            raise FeedbackConflict("Different feedback exists.")
        return "created" if existing is feedback else "replayed"

    def erase(self, prediction: PredictionKey) -> None:
        self.rows.pop(prediction.digest, None)

    def of_day(self, day: date) -> Iterator[Feedback]:
        yield from [row for row in self.rows.values() if row.predicted_at.date() == day]


class InMemoryExport:
    """A FeedbackExport. Like the container's, its erasures know the hour of a prediction only."""

    def __init__(self) -> None:
        self.files: dict[date, tuple[datetime, list[Feedback]]] = {}
        self.notes: dict[str, Erasure] = {}
        self.now = START

    def written_days(self) -> dict[date, datetime]:
        return {day: written for day, (written, _) in self.files.items()}

    def read_day(self, day: date) -> list[Feedback]:
        return self.files[day][1]

    def write_day(self, day: date, rows: Iterable[Feedback]) -> None:
        self.files[day] = self.now, list(rows)

    def delete_day(self, day: date) -> None:
        del self.files[day]

    def note_erasure(self, prediction: PredictionKey, erased_at: datetime) -> None:
        hour = start_of_hour(prediction.predicted_at)
        self.notes[prediction.digest] = Erasure(prediction.digest, hour, erased_at)

    def erasures(self) -> Erasures:
        return dict(self.notes)

    def forget_erasure(self, prediction: PredictionKey) -> None:
        del self.notes[prediction.digest]

    def rows(self) -> list[Feedback]:
        return [row for _, rows in self.files.values() for row in rows]


def build_row(number: int, predicted: datetime, received: datetime, correct: bool = True) -> Feedback:
    return build_feedback(Receipt("lite@1", 0.9, "positive", "0" * 32, predicted, f"{number}.id"), correct, received)


class ExportMachine(RuleBasedStateMachine):
    """People give and take back feedback on nine predictions, nights pass, and the table gets lost."""

    predictions = st.integers(0, 8)

    def __init__(self) -> None:
        super().__init__()
        self.store, self.archive, self.now = InMemoryStore(), InMemoryExport(), START
        self.predicted: dict[int, datetime] = {}
        self.expected: dict[str, Feedback] = {}  # what the store should hold
        self.exported: dict[str, Feedback] = {}  # what a night has exported and may be restored

    @property
    def since(self) -> datetime:
        return self.now - RETENTION

    @property
    def cutoff(self) -> datetime:
        return start_of_hour(self.since)

    def pass_time(self, by: timedelta) -> None:
        self.now += by
        self.archive.now = self.now
        for rows in (self.expected, self.exported):
            for row in [row for row in rows.values() if row.predicted_at < self.cutoff]:
                del rows[row.digest]

    @rule(number=predictions, correct=st.booleans(), ago=st.integers(0, 50))
    def give(self, number: int, correct: bool, ago: int) -> None:
        self.pass_time(timedelta(microseconds=1))
        predicted = self.predicted.setdefault(number, self.now - ago * HOUR)
        given = build_row(number, predicted, self.now, correct)
        if given.predicted_at >= self.cutoff and given.digest not in self.store.rows:
            self.store.add(given)
            self.expected[given.digest] = given

    @rule(number=predictions, is_interrupted=st.booleans())
    def erase(self, number: int, is_interrupted: bool) -> None:
        self.pass_time(timedelta(microseconds=1))
        erased = build_row(number, self.predicted.get(number, self.now), self.now)
        self.archive.note_erasure(erased, self.now)
        if not is_interrupted:
            self.store.erase(erased)
        for rows in (self.expected, self.exported):
            rows.pop(erased.digest, None)

    @rule(is_purged=st.booleans())
    def night(self, is_purged: bool) -> None:
        self.pass_time(DAY)
        if is_purged:
            self.store.rows = {d: row for d, row in self.store.rows.items() if row.predicted_at >= self.cutoff}
        result = export_feedback(self.store, self.archive, self.since, self.now, lambda: False)  # type: ignore[arg-type]
        lost = self.exported.keys() - self.expected.keys()
        self.exported |= self.expected
        assert (result.rows, result.lost) == (len(self.exported), len(lost))
        assert {row.digest: row for row in self.archive.rows()} == self.exported
        assert all(note.predicted_at >= self.cutoff for note in self.archive.notes.values())

    @rule()
    def lose_table(self) -> None:
        self.store.rows.clear()
        self.expected.clear()

    @rule(is_repeated=st.booleans())
    def restore(self, is_repeated: bool) -> None:
        for _ in range(1 + is_repeated):
            restore_feedback(self.store, self.archive, self.since)  # type: ignore[arg-type]
        self.expected = self.exported | self.expected
        assert {d: row for d, row in self.store.rows.items() if row.predicted_at >= self.cutoff} == self.expected


TestExportMachine = ExportMachine.TestCase


def test_restore_erases_what_is_erased_while_it_runs() -> None:
    store, archive = InMemoryStore(), InMemoryExport()
    row = build_row(1, START, START)
    archive.write_day(row.predicted_at.date(), [row])

    class Interrupted(InMemoryExport):
        def read_day(self, day: date) -> list[Feedback]:
            self.note_erasure(row, START + HOUR)
            return super().read_day(day)

    interrupted = Interrupted()
    interrupted.files = archive.files
    counts = restore_feedback(store, interrupted, START - RETENTION)  # type: ignore[arg-type]
    assert counts == {"restored": 1, "existing": 0}
    assert store.rows == {}


def test_row_erased_during_an_export_does_not_count_as_lost() -> None:
    class Changing(InMemoryStore):
        def of_day(self, day: date) -> Iterator[Feedback]:
            archive.note_erasure(row, START + HOUR)
            self.erase(row)
            return super().of_day(day)

    store, archive = Changing(), InMemoryExport()
    row = build_row(1, START, START)
    archive.write_day(row.predicted_at.date(), [row])
    assert export_feedback(store, archive, START, START, lambda: False).lost == 0  # type: ignore[arg-type]
    assert archive.rows() == []


def test_export_starts_with_the_day_that_was_exported_longest_ago() -> None:
    store, archive, days = InMemoryStore(), InMemoryExport(), []
    for night in range(8):  # each has time for one day of four
        archive.now = START + RETENTION + night * HOUR
        result = export_feedback(store, archive, START, START + RETENTION, lambda: True)  # type: ignore[arg-type]
        assert (result.days, result.left) == (1, 3)
        days += [day for day, written in archive.written_days().items() if written == archive.now]
    assert days == [START.date() + n * DAY for n in range(4)] * 2


def test_export_prefers_the_table_to_the_copy() -> None:
    store, archive = InMemoryStore(), InMemoryExport()
    new = build_row(1, START, START + HOUR, correct=False)
    store.add(new)
    archive.write_day(new.predicted_at.date(), [replace(new, correct=True)])
    export_feedback(store, archive, START, START, lambda: False)  # type: ignore[arg-type]
    assert archive.rows() == [new]
