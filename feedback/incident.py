"""An alert becomes a report: what Azure Monitor says, the predictions behind it, the letter that tells the team."""

import hashlib
import html
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Annotated, Any, Literal, NamedTuple, Protocol

import msgspec
from msgspec import Meta, Struct

from sentiment.errors import StoreUnavailable

from .record import Feedback, FeedbackStore, hour_at

RULE = "bad-prediction-burst"  # the rule of infra/alerts.json behind which there are predictions
MARGIN = timedelta(minutes=1)  # a record is written seconds after its row, and Azure names its window in whole seconds
MOST = 10_000  # predictions read for a report: beyond, it says "or more"
LISTED = 100  # predictions in the letter itself
LARGEST = 5_000_000  # bytes of predictions attached: in base64, well below the 10 MB that a mail may have

log = logging.getLogger("buzzguard.incident")


class Essentials(Struct, frozen=True, rename="camel"):
    """What every alert has, whatever the service that raised it. Unknown fields are left aside."""

    alert_id: Annotated[
        str, Meta(min_length=1, max_length=1024, description="Of the alert that fired: firing again makes another.")
    ]
    alert_rule: str
    monitor_condition: Annotated[str, Meta(description="Fired, or Resolved, which is ignored.")]
    alert_rule_id: str | None = None
    severity: str | None = None
    fired_date_time: str | None = None
    description: str | None = None


class AlertData(Struct, frozen=True, rename="camel"):
    essentials: Essentials
    alert_context: Annotated[dict[str, Any] | None, Meta(description="As the monitoring service has it.")] = None


class Alert(Struct, frozen=True, rename="camel"):
    """Azure Monitor's common alert schema:
    https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-common-schema"""

    schema_id: Literal["azureMonitorCommonAlertSchema"]
    data: AlertData

    @property
    def fired(self) -> bool:
        return self.data.essentials.monitor_condition == "Fired"

    @property
    def digest(self) -> str:
        """A name for this alert that is fit to be a key: 32 hexadecimal digits."""
        return _digest(self.data.essentials.alert_id)

    @property
    def of_predictions(self) -> bool:
        """Whether the rule is the one that watches bad predictions, whatever a deployment put around its name."""
        essentials = self.data.essentials
        return RULE in f"{essentials.alert_rule} {essentials.alert_rule_id}".lower()

    @property
    def window(self) -> tuple[datetime, datetime] | None:
        """What the rule looked at, from and to; None if the alert does not say."""
        match self.data.alert_context:
            case {"condition": {"windowStartTime": str(start), "windowEndTime": str(end)}}:
                since, until = _moment(start), _moment(end)
                return (since, until) if since and until else None
        return None

    @property
    def link(self) -> str | None:
        """To the query's results in the portal."""
        match self.data.alert_context:
            case {"condition": {"allOf": [{"linkToFilteredSearchResultsUI": str(link)}, *_]}}:
                return _line(link) if link.startswith("https://") else None
        return None


class Subject(NamedTuple):
    """What a report is about: a prediction, or an alert that has none behind it."""

    hour: str  # UTC, in which the prediction was reported wrong; of an alert ALERTS
    digest: str  # of the receipt, or of the alert


ALERTS = "alerts"  # in the place of an hour: an alert is known by its digest alone, whenever it is told


class Claim(NamedTuple):
    """This call, and no other, is to report on that topic."""

    topic: str  # RULE, of all predictions; of an alert without any its digest
    etag: str  # of the claim as it is stored


class Letter(NamedTuple):
    id: str  # the same whenever the same is reported
    subject: str  # one line
    plain: str
    html: str
    attachment: bytes  # JSON


class IncidentStore(Protocol):
    """What is reported, and who is reporting. Every method raises StoreUnavailable; calls may block for seconds."""

    def claim(self, topic: str, now: datetime) -> Claim:
        """Take a topic over, for some time. Raises IncidentInProgress if another call has it."""
        ...

    def release(self, claim: Claim) -> None:
        """The next call may take the topic over at once."""
        ...

    def reported(self, first: str, last: str) -> Iterator[str]:
        """The digests of what is reported in the hours from `first` to `last`, both included; ALERTS counts as one."""
        ...

    def mark_reported(self, subjects: Iterable[Subject], now: datetime) -> None:
        """They are reported, for good. To mark them twice does no harm."""
        ...

    def purge(self, before: datetime) -> Iterator[int]:
        """Forget what was reported or claimed before that time, a batch at a time; yields the number in each."""
        ...


class Mailer(Protocol):
    def send(self, letter: Letter) -> None:
        """Raises MailUnavailable; may block for seconds."""
        ...


class Outcome(NamedTuple):
    status: Literal["sent", "replayed"]
    reports: int  # predictions in the letter


def report(
    alert: Alert,
    feedback: FeedbackStore,
    incidents: IncidentStore,
    mailer: Mailer,
    receipt_age: timedelta,
    now: datetime,
) -> Outcome:
    """Tell the team of an alert that fired, and of each prediction behind it once, whichever alert it is behind.

    A rule without state fires as long as it sees a burst, and calls may come at the same time. So one call at a time
    reports predictions, only those that are not yet, and notes them when the letter is out. What fails before that
    leaves everything to the next call; what fails after it has a letter sent twice, never none.
    `receipt_age` is how long after a prediction it may be given feedback.
    """
    claim = incidents.claim(RULE if alert.of_predictions else alert.digest, now)
    try:
        found = _unreported(alert, feedback, incidents, receipt_age)
        if found is None:
            log.debug("Alert %s: nothing is left to report", alert.digest)
            return Outcome("replayed", 0)
        mailer.send(write(alert, found))
        _mark_reported(incidents, alert, found, now)
        return Outcome("sent", len(found))
    finally:
        _release(incidents, claim)


def _unreported(
    alert: Alert, feedback: FeedbackStore, incidents: IncidentStore, receipt_age: timedelta
) -> list[Feedback] | None:
    """What the letter is to list, in the order of the reports, at most MOST: the predictions reported as wrong in the
    alert's window. None if nothing is left to report."""
    if not alert.of_predictions or alert.window is None:
        return None if alert.digest in incidents.reported(ALERTS, ALERTS) else []
    since, until = alert.window[0] - MARGIN, alert.window[1] + MARGIN
    known = set(incidents.reported(hour_at(since), hour_at(until)))
    wrong = feedback.wrong(since - receipt_age, since, until)
    found = islice((row for row in wrong if row.digest not in known), MOST)
    return sorted(found, key=lambda row: row.received_at) or None


def _mark_reported(incidents: IncidentStore, alert: Alert, found: Sequence[Feedback], now: datetime) -> None:
    subjects = [Subject(hour_at(row.received_at), row.digest) for row in found] or [Subject(ALERTS, alert.digest)]
    try:
        incidents.mark_reported(subjects, now)
    except StoreUnavailable as error:
        log.warning("Alert %s is reported, but it is not stored that it is: %s", alert.digest, error)


def _release(incidents: IncidentStore, claim: Claim) -> None:
    try:
        incidents.release(claim)
    except StoreUnavailable as error:
        log.warning("Nobody else reports %s until this claim runs out: %s", claim.topic, error)


def write(alert: Alert, found: Sequence[Feedback]) -> Letter:
    """The letter about an alert and the predictions behind it."""
    facts, lines = _facts(alert), _lines(alert, found)
    return Letter(
        _digest("".join(row.digest for row in found)) if found else alert.digest,
        _line(_subject(alert, found))[:200],
        _plain(lines, facts, alert.link, found[:LISTED]),
        _html(lines, facts, alert.link, found[:LISTED]),
        _attachment(alert, facts, found),
    )


def _subject(alert: Alert, found: Sequence[Feedback]) -> str:
    essentials = alert.data.essentials
    tag = f"[Buzzguard {essentials.severity or ''}".strip() + "]"
    if alert.of_predictions and alert.window:
        since, until = alert.window
        when = f"{since:%H:%M} to {until:%H:%M} UTC"  # of the day of the mail: most headers have 78 columns
        return f"{tag} {_count(found)} reported wrong, {when}"
    return f"{tag} {essentials.alert_rule} fired"


def _lines(alert: Alert, found: Sequence[Feedback]) -> list[str]:
    """The summary."""
    description = [_line(alert.data.essentials.description)] if alert.data.essentials.description else []
    if not alert.of_predictions:
        return [f"The alert {_line(alert.data.essentials.alert_rule)} has fired.", *description]
    if alert.window is None:
        return ["Predictions were reported as wrong. The alert does not say when, so none is listed.", *description]
    since, until = (f"{moment:%Y-%m-%d %H:%M}" for moment in alert.window)
    lines = [
        f"{_count(found)} reported as wrong, {since} to {until} UTC.",
        *description,
        "What an earlier report lists is not repeated.",
        f"Answered: {_tally(row.label for row in found)}. By model: {_tally(row.model for row in found)}.",
    ]
    if len(found) > LISTED:
        lines.append(f"Below are the first {LISTED}; the attachment has them all, up to {LARGEST // 10**6} MB.")
    return lines


def _facts(alert: Alert) -> dict[str, str]:
    essentials = alert.data.essentials
    facts = {
        "Rule": essentials.alert_rule,
        "Severity": essentials.severity,
        "Fired": essentials.fired_date_time,
        "Alert": essentials.alert_id,
    }
    return {name: _line(fact) for name, fact in facts.items() if fact}


def _plain(lines: Sequence[str], facts: dict[str, str], link: str | None, listed: Sequence[Feedback]) -> str:
    parts = ["\n".join(lines)]
    for number, row in enumerate(listed, 1):
        cells = _cells(row)
        parts.append(f"{number}. " + "\n   ".join(f"{name}: {cell}" for name, cell in cells.items()))
    parts.append("\n".join(f"{name}: {fact}" for name, fact in facts.items()))
    if link:
        parts.append(f"The query's results in the portal: {link}")
    return "\n\n".join(parts) + "\n"


_FONT = "font-family:Segoe UI,Arial,sans-serif;font-size:14px;color:#222222"
_CELL = f"{_FONT};border:1px solid #cccccc;padding:4px 8px;vertical-align:top;text-align:left"


def _html(lines: Sequence[str], facts: dict[str, str], link: str | None, listed: Sequence[Feedback]) -> str:
    """For Outlook, which renders like a word processor: tables, and styles in the elements."""
    parts = [f'<p style="{_FONT}">{html.escape(line)}</p>' for line in lines]
    if listed:
        head = "".join(f'<th bgcolor="#eeeeee" style="{_CELL}">{name}</th>' for name in _cells(listed[0]))
        rows = [_table_row(_cells(row).values()) for row in listed]
        parts.append(_table([f"<tr>{head}</tr>", *rows]))
    parts += ["<br>", _table([_table_row(fact) for fact in facts.items()])]
    if link:
        parts.append(f'<p style="{_FONT}"><a href="{html.escape(link)}">The query\'s results in the portal</a></p>')
    return f'<!DOCTYPE html><html><head><meta charset="utf-8"></head><body>{"".join(parts)}</body></html>\n'


def _table(rows: Sequence[str]) -> str:
    style = "border-collapse:collapse"
    return f'<table cellpadding="0" cellspacing="0" border="0" style="{style}">\n{"\n".join(rows)}\n</table>\n'


def _table_row(cells: Any) -> str:
    return "<tr>" + "".join(f'<td style="{_CELL}">{html.escape(cell)}</td>' for cell in cells) + "</tr>"


def _cells(row: Feedback) -> dict[str, str]:
    """What people are shown of a prediction."""
    name, _, version = row.model.rpartition("@")
    return {
        "Reported (UTC)": f"{row.received_at:%Y-%m-%d %H:%M:%S}",
        "Predicted (UTC)": f"{row.predicted_at:%Y-%m-%d %H:%M:%S}",
        "Label": _line(row.label),
        "P(positive)": f"{row.probability:.4g}",
        "Model": _line(name),
        "Version": _line(version),
        "Text": "(not shared)" if row.text is None else _line(row.text),
        "Comment": "" if row.comment is None else _line(row.comment),
    }


def _attachment(alert: Alert, facts: dict[str, str], found: Sequence[Feedback]) -> bytes:
    """JSON: the alert, its window, and every prediction that there is room for."""
    room, predictions = LARGEST, []
    for row in found:
        prediction = msgspec.json.encode(_prediction(row))
        if (room := room - len(prediction)) < 0:
            break
        predictions.append(msgspec.Raw(prediction))
    content = {
        "alert": {name.lower(): fact for name, fact in facts.items()},
        "window": alert.window,
        "reports": len(found),
        "complete": len(predictions) == len(found) < MOST,
        "predictions": predictions,
    }
    return msgspec.json.format(msgspec.json.encode(content), indent=1)


def _prediction(row: Feedback) -> dict[str, Any]:
    name, _, version = row.model.rpartition("@")
    prediction = {
        "receipt": row.digest,
        "label": row.label,
        "probability": row.probability,
        "model": name,
        "version": version,
        "predicted_at": row.predicted_at,
        "received_at": row.received_at,
        "text": row.text,
        "comment": row.comment,
    }
    return {field: value for field, value in prediction.items() if value is not None}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _count(found: Sequence[Feedback]) -> str:
    more = " or more" if len(found) == MOST else ""
    return f"{len(found):,}{more} prediction{'' if len(found) == 1 else 's'}"


def _tally(values: Iterator[str]) -> str:
    return ", ".join(f"{_line(value)} {count:,}" for value, count in Counter(values).most_common())


def _line(text: str) -> str:
    """`text` on one line, without what cannot be seen: fit for a header."""
    return "".join(c for c in " ".join(text.split()) if c.isprintable())


def _moment(text: str) -> datetime | None:
    """A time as Azure writes it, in UTC; None if it is none, as the year 1 is for .NET."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if not 2000 < moment.year < 9999:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
