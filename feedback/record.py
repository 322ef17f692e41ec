"""What a person said of a prediction, and where it is kept."""

import re
import unicodedata
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import cache
from typing import Literal, NamedTuple, Protocol

import msgspec

from sentiment.text import TextSpec

from .receipt import Receipt


class Feedback(msgspec.Struct, frozen=True, kw_only=True):
    """One row: one prediction, and whether it was right. Everything personal is masked before it gets here."""

    hour: str  # UTC day and hour of the prediction, 2026-11-22T05: the partition, by which old rows are purged
    digest: str  # of the receipt: the row, so that a retry hits the same one
    correct: bool
    label: str
    probability: float
    model: str
    predicted_at: datetime
    received_at: datetime
    text: str | None = None
    comment: str | None = None

    def says_the_same_as(self, other: "Feedback") -> bool:
        """Whether `other` is this feedback sent again, whenever that was."""
        return msgspec.structs.replace(other, received_at=self.received_at) == self


class FeedbackStore(Protocol):
    """Every method raises StoreUnavailable when the store does not answer in time; calls may block for seconds."""

    def add(self, feedback: Feedback) -> Literal["created", "replayed"]:
        """Keep a feedback exactly once. Raises FeedbackConflict if a different one is there for that prediction."""
        ...

    def erase(self, hour: str, digest: str) -> None:
        """Forget the feedback on a prediction, if there is any."""
        ...

    def wrong(self, predicted_since: datetime, received_since: datetime, until: datetime) -> Iterator[Feedback]:
        """The feedback received from `received_since` to `until` that calls a prediction made since `predicted_since`
        wrong, both ends included, in the order of the predictions' hours."""
        ...

    def of_day(self, day: str) -> Iterator[Feedback]:
        """The feedback on predictions of a UTC day, 2026-11-22, in the order of hours and digests."""
        ...

    def purge(self, before: str) -> Iterator[tuple[str, int]]:
        """Forget the feedback on predictions of the hours before `before`, the oldest hour first, a batch at a time.

        Yields the hour and the number of rows of each batch that is gone: who stops there goes on there next time.
        """
        ...


class Purged(NamedTuple):
    rows: int
    hours: int  # of which there were rows
    reached: str | None  # the hour that may not be done, if time ran out


def purge(store: FeedbackStore, before: str, time_is_up: Callable[[], bool]) -> Purged:
    """Forget the feedback on predictions of the hours before `before`, as far as time allows."""
    rows, hours = 0, set()
    for hour, count in store.purge(before):
        rows += count
        hours.add(hour)
        if time_is_up():
            return Purged(rows, len(hours), hour)
    return Purged(rows, len(hours), None)


def record(
    receipt: Receipt, correct: bool, received_at: datetime, text: str | None = None, comment: str | None = None
) -> Feedback:
    """The row for a feedback. `text` and `comment` are scrubbed here and nowhere else."""
    return Feedback(
        hour=hour_of(receipt),
        digest=receipt.digest,
        correct=correct,
        label=receipt.label,
        probability=receipt.probability,
        model=receipt.model,
        predicted_at=receipt.predicted_at,
        received_at=received_at,
        text=scrub(text),
        comment=scrub(comment),
    )


def hour_of(receipt: Receipt) -> str:
    return hour_at(receipt.predicted_at)


def hour_at(moment: datetime) -> str:
    """The partition of predictions made at `moment` (UTC)."""
    return moment.strftime("%Y-%m-%dT%H")


def scrub(text: str | None) -> str | None:
    """`text` with links, e-mail addresses, @names and long numbers masked, however they are written."""
    if text is None:
        return None
    text = TextSpec(lowercase=False).clean(text)
    text = unicodedata.normalize("NFKC", text)  # an "&#64;" and a "＠" are an "@"
    for mask, pattern in _personal():
        text = pattern.sub(mask, text)
    return text


@cache
def _personal() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """What masks what, compiled with the first feedback. In this order: an e-mail address holds an "@name", a link may
    hold anything."""
    return (
        ("<url>", re.compile(r"(?:https?://|www\.)\S+|\b(?:[a-z0-9-]{1,63}\.){1,4}[a-z]{2,12}/\S*", re.IGNORECASE)),
        ("<email>", re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}")),
        ("<mention>", re.compile(r"@\w+")),
        ("<number>", re.compile(r"\+?\(?\d(?:[ ()./-]{0,2}\d){6,}+")),  # of a phone, a card, a booking
    )
