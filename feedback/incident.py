"""Report an incident to the team: claim it, find the predictions behind it, send the report, mark them as reported."""

import hashlib
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Literal, NamedTuple, Protocol

import msgspec

from .errors import StoreUnavailable
from .record import Feedback
from .stores import Claim, FeedbackStore, IncidentStore, Subject

BAD_PREDICTION_BURST = "bad-prediction-burst"  # the alert rule in infra/alerts.json that has predictions behind it
WINDOW_MARGIN = timedelta(minutes=1)  # telemetry lags the stored row by seconds, and Azure rounds the window to seconds
MAX_PREDICTIONS = 10_000  # in a report
MAX_TEXT_CHARACTERS = 1_000  # of a text or comment in a report: as many as a person can send
RULES = (  # the names in infra/alerts.json and infra/availability.json
    BAD_PREDICTION_BURST,
    "error-rate",
    "latency",
    "probability-drift",
    "unknown-words-drift",
    "feedback-disagreement",
    "purge-behind",
    "no-purge",
    "daily-cap",
    "no-heartbeat",
    "availability",
)

log = logging.getLogger("buzzguard.incident")


class Incident(NamedTuple):
    """An alert that fired or resolved."""

    alert_id: str  # firing again makes another
    rule: str
    is_fired: bool
    is_bad_prediction_burst: bool
    severity: str | None
    fired_at: str | None  # as the monitoring service writes it
    description: str | None
    window: tuple[datetime, datetime] | None  # what the rule evaluated, UTC; None if unknown
    link: str | None  # to the results of the rule's query, in the portal
    has_foreign_link: bool = False  # the alert has a link that leads elsewhere

    @property
    def known_rule(self) -> str | None:
        """Return the name of the rule if it is one of ours, with whatever prefix a deployment gives it."""
        return next((name for name in RULES if self.rule.lower().endswith(name)), None)

    @property
    def digest(self) -> str:
        """Return an identifier that fits into a key: 32 hexadecimal digits."""
        return _digest(self.alert_id)


class IncidentReporter(Protocol):
    def send(self, incident: Incident, predictions: Sequence[Feedback], truncated: bool) -> None:
        """Send the report on an incident and the predictions behind it.

        `truncated`: there may be more predictions. Raises MailUnavailable; may block for seconds.
        """
        ...


class ReportOutcome(NamedTuple):
    status: Literal["sent", "replayed"]
    predictions: int  # in the report


def report_incident(
    incident: Incident,
    feedback: FeedbackStore,
    incidents: IncidentStore,
    reporter: IncidentReporter,
    receipt_age: timedelta,
    now: datetime,
) -> ReportOutcome:
    """Report an alert that fired, and each prediction behind it once, whichever alert it is behind.

    A stateless rule fires as long as it sees a burst, and calls may overlap. So only one call at a time reports
    predictions, only those not reported yet, and marks them as reported once the report is sent. A failure before
    that leaves everything to the next call. A failure after it sends a report twice, never not at all.

    `receipt_age` is how long after a prediction feedback on it is accepted.
    """
    claim = incidents.claim(BAD_PREDICTION_BURST if incident.is_bad_prediction_burst else incident.digest, now)
    try:
        predictions = _find_unreported(incident, feedback, incidents, receipt_age)
        if predictions is None:
            log.debug("Alert %s: nothing is left to report", incident.digest)
            return ReportOutcome("replayed", 0)
        reporter.send(incident, predictions, truncated=len(predictions) == MAX_PREDICTIONS)
        _mark_reported(incidents, incident, predictions, now)
        return ReportOutcome("sent", len(predictions))
    finally:
        _release(incidents, claim)


def report_id(incident: Incident, predictions: Sequence[Feedback]) -> str:
    """Return an id that is the same whenever the same is reported."""
    return _digest("".join(row.digest for row in predictions)) if predictions else incident.digest


def _find_unreported(
    incident: Incident, feedback: FeedbackStore, incidents: IncidentStore, receipt_age: timedelta
) -> list[Feedback] | None:
    """Return the predictions that were reported wrong in the alert's window, by the time of the feedback.

    At most MAX_PREDICTIONS; empty if the alert itself is all there is to report; None if nothing is left to report.
    """
    if not incident.is_bad_prediction_burst or incident.window is None:
        return None if incident.digest in incidents.reported_alerts() else []
    since, until = incident.window[0] - WINDOW_MARGIN, incident.window[1] + WINDOW_MARGIN
    known = set(incidents.reported_predictions(since, until))
    wrong = feedback.reported_wrong(since - receipt_age, since, until)
    found = islice((_shorten(row) for row in wrong if row.digest not in known), MAX_PREDICTIONS)
    return sorted(found, key=lambda row: row.received_at) or None


def _shorten(row: Feedback) -> Feedback:
    """Cut text and comment. Masking can make eighteen characters of one, and all rows of a report are in memory."""
    return msgspec.structs.replace(row, text=_cut(row.text), comment=_cut(row.comment))


def _cut(text: str | None) -> str | None:
    if text is None or len(text) <= MAX_TEXT_CHARACTERS:
        return text
    return text[: MAX_TEXT_CHARACTERS - 1] + "…"


def _mark_reported(
    incidents: IncidentStore, incident: Incident, predictions: Sequence[Feedback], now: datetime
) -> None:
    subjects = [Subject(row.digest, row.received_at) for row in predictions] or [Subject(incident.digest, None)]
    try:
        incidents.mark_reported(subjects, now)
    except StoreUnavailable as error:  # the report is sent: an error would make the action group call again
        log.warning("Alert %s is reported but not marked as reported: %s", incident.digest, error)


def _release(incidents: IncidentStore, claim: Claim) -> None:
    try:
        incidents.release_claim(claim)
    except StoreUnavailable as error:
        log.warning("No other call can report %s until its claim expires: %s", claim.topic, error)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
