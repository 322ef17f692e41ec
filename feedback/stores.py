"""Where feedback and incidents are kept, as protocols.

A store on another database is one module in `cloud/` that implements these two protocols; `cloud/stores.py` chooses.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime
from typing import Literal, NamedTuple, Protocol

from .record import Feedback


class PredictionKey(Protocol):
    """What identifies a prediction. `Receipt` and `Feedback` both have it."""

    @property
    def digest(self) -> str: ...
    @property
    def predicted_at(self) -> datetime: ...


class Purged(NamedTuple):
    rows: int  # that are deleted
    left_since: datetime | None  # if time ran out: what is as old as that, or newer, may be left


class FeedbackStore(Protocol):
    """Every method may block for seconds, and raises StoreUnavailable if the store does not respond in time."""

    def add(self, feedback: Feedback) -> Literal["created", "replayed"]:
        """Store feedback exactly once. If there is some on the prediction, nothing changes.

        Raises FeedbackConflict if that differs: `Feedback.is_replay_of` decides.
        """
        ...

    def erase(self, prediction: PredictionKey) -> None:
        """Delete the feedback on a prediction, if any."""
        ...

    def reported_wrong(
        self, predicted_since: datetime, received_since: datetime, received_until: datetime
    ) -> Iterator[Feedback]:
        """Yield the feedback that says a prediction was wrong, roughly in the order of the predictions.

        Both ends of each interval are included.
        """
        ...

    def of_day(self, day: date) -> Iterator[Feedback]:
        """Yield the feedback on the predictions of a UTC day, roughly in the order of the predictions."""
        ...

    def purge(self, before: datetime, time_is_up: Callable[[], bool]) -> Purged:
        """Delete the feedback on predictions made before `before`, roughly oldest first, until `time_is_up`.

        The next call deletes what this one leaves. What cannot be deleted does not keep the rest: the error is raised
        at the end. `time_is_up` is called in several threads.
        """
        ...


class Subject(NamedTuple):
    """What a report is about: a prediction that was reported wrong, or an alert without predictions."""

    digest: str  # of the receipt or of the alert
    received_at: datetime | None  # when the feedback on the prediction was received; None for an alert


class Claim(NamedTuple):
    """The exclusive right to report on a topic."""

    topic: str
    version: str  # of the stored claim: it changes when another call takes the claim over


class IncidentStore(Protocol):
    """What has been reported, and who is reporting. Every method may block for seconds and raises StoreUnavailable."""

    def claim(self, topic: str, now: datetime) -> Claim:
        """Claim a topic for a limited time. Raises IncidentInProgress if another call holds the claim."""
        ...

    def release_claim(self, claim: Claim) -> None:
        """Release a claim, so that the next call can take it at once."""
        ...

    def reported_predictions(self, since: datetime, until: datetime) -> Iterator[str]:
        """Yield at least the digests of the reported predictions whose feedback was received in the interval."""
        ...

    def reported_alerts(self) -> Iterator[str]:
        """Yield the digests of the reported alerts."""
        ...

    def mark_reported(self, subjects: Iterable[Subject], now: datetime) -> None:
        """Mark subjects as reported. Marking them twice is harmless."""
        ...

    def purge(self, before: datetime, time_is_up: Callable[[], bool]) -> Purged:
        """Delete what was reported or claimed before `before`, until `time_is_up`."""
        ...


def start_of_hour(moment: datetime) -> datetime:
    """Return when the hour of `moment` began. Retention counts in whole hours.

    So the purge and the export agree on what has expired, although one runs some minutes after the other.
    """
    return moment.replace(minute=0, second=0, microsecond=0)
