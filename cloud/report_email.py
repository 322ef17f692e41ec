"""The report on an incident as an e-mail: summary and table of predictions in plain text and HTML, JSON attached."""

import html
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from feedback.errors import MailUnavailable
from feedback.incident import Incident, report_id
from feedback.record import Feedback

from .foreign_text import foreign, single_line

# Of a whole mail, as it is sent: that of the first attempt, and of the second one. 5,000 reports without words are 1.6
# MB. From the smaller size on, the facts of a report have room.
MAX_MAIL_BYTES = 4_000_000
MIN_REPORT_BYTES = 1_000_000

# The parts of a report that grow, before they are encoded. Base64 makes 1.37 bytes of one, quoted-printable up to 3.2,
# so together they take 0.85 of the maximum. Facts, link and headers have limits of their own and need less than the
# rest.
ATTACHMENT_SHARE = 0.5
ROWS_SHARE = 0.05  # plain text and HTML together

MAX_LISTED = 100  # predictions in the mail itself
MAX_TALLIED = 5  # labels, or models, that are counted by name
MAX_DESCRIPTION_CHARACTERS = 500
MAX_NAME_CHARACTERS = 80  # of a label, a model or its version
MAX_FACT_CHARACTERS = 1024  # of the alert, in the attachment

COLUMNS = ("Reported (UTC)", "Predicted (UTC)", "Label", "P(positive)", "Model", "Version", "Text", "Comment")

log = logging.getLogger("buzzguard.mail")


class ReportEmail(NamedTuple):
    id: str  # the same whenever the same is reported
    subject: str  # one line
    plain: str
    html: str | None = None
    attachment: bytes | None = None  # JSON


class MailRefused(MailUnavailable):
    """The server does not take this mail, perhaps for its size or for what is in it. Another one may pass."""


class Mailer(Protocol):
    def send(self, email: ReportEmail) -> None:
        """Send an e-mail to the team. Raises MailUnavailable, or MailRefused; may block for seconds."""
        ...


class EmailReporter:
    """The IncidentReporter of `feedback.incident` that sends e-mails."""

    def __init__(self, mailer: Mailer) -> None:
        self._mailer = mailer

    def send(self, incident: Incident, predictions: Sequence[Feedback], truncated: bool) -> None:
        """Send the report. If the server refuses it, send a smaller one; at last a notice in our own words only.

        So nothing that somebody writes keeps an incident from being reported.
        """
        refused = None
        for max_bytes in (MAX_MAIL_BYTES, MIN_REPORT_BYTES):
            email = render_report(incident, predictions, truncated, max_bytes)
            if email == refused:  # it is small already
                break
            try:
                self._mailer.send(email)
            except MailRefused as refusal:
                log.warning("A report of at most %d bytes is refused, a smaller mail follows: %s", max_bytes, refusal)
                refused = email
            else:
                return
        self._mailer.send(render_notice(incident, predictions, truncated))


def render_report(
    incident: Incident, predictions: Sequence[Feedback], truncated: bool = False, max_bytes: int = MAX_MAIL_BYTES
) -> ReportEmail:
    """Return the e-mail about an incident and the predictions behind it.

    Whatever is in it, it has at most `max_bytes` when it is sent (which must be MIN_REPORT_BYTES or more), and says
    what it leaves out. `truncated`: there may be more predictions than these.
    """
    attachment, attached = _attachment(incident, predictions, truncated, int(max_bytes * ATTACHMENT_SHARE))
    rows = _list_rows(predictions, int(max_bytes * ROWS_SHARE))
    count = _count(predictions, truncated)
    summary = _summary(incident, predictions, count)
    if len(rows) < len(predictions):
        summary.append(_left_out(len(rows), attached, len(predictions)))
    facts = {name: foreign(fact) for name, fact in _facts(incident).items()}
    closing = _closing(incident)
    return ReportEmail(
        id=report_id(incident, predictions),
        subject=_subject(incident, count),
        plain=_plain(summary, rows, facts, closing, incident.link),
        html=_html(summary, rows, facts, closing, incident.link),
        attachment=attachment,
    )


def render_notice(incident: Incident, predictions: Sequence[Feedback], truncated: bool = False) -> ReportEmail:
    """Return a short e-mail that only counts the predictions. No word in it is from a person or from the alert."""
    count = _count(predictions, truncated)
    lines = ["The mail server does not accept the report on this alert. This notice replaces it."]
    if predictions:
        first, last = predictions[0].received_at, predictions[-1].received_at
        lines += [
            f"{count} reported as wrong, {first:%Y-%m-%d %H:%M:%S} to {last:%Y-%m-%d %H:%M:%S} UTC.",
            "No later report repeats them: the feedback table has them, with their comments.",
        ]
    return ReportEmail(report_id(incident, predictions), _subject(incident, count), "\n".join(lines) + "\n")


def _subject(incident: Incident, count: str) -> str:
    """Return the subject. Its words are our own: whoever knows the incident key could send any alert."""
    severity = f" {incident.severity}" if incident.severity in ("Sev0", "Sev1", "Sev2", "Sev3", "Sev4") else ""
    if incident.is_bad_prediction_burst and incident.window:
        since, until = incident.window
        # Without the date, which the mail has anyway: most mail clients show about 78 columns of a subject.
        return f"[Buzzguard{severity}] {count} reported wrong, {since:%H:%M} to {until:%H:%M} UTC"
    return f"[Buzzguard{severity}] {incident.known_rule or 'An alert'} fired"


def _summary(incident: Incident, predictions: Sequence[Feedback], count: str) -> list[str]:
    """Return the lines at the top of the e-mail."""
    description = []
    if incident.description:
        description.append(f"The alert says: “{foreign(incident.description, MAX_DESCRIPTION_CHARACTERS)}”")
    if not incident.is_bad_prediction_burst:
        rule = f"The alert {incident.known_rule}" if incident.known_rule else "An alert of an unknown rule"
        return [f"{rule} has fired.", *description]
    if incident.window is None:
        return ["Predictions were reported as wrong. The alert does not say when, so none is listed.", *description]
    since, until = (f"{moment:%Y-%m-%d %H:%M}" for moment in incident.window)
    labels = _tally(Counter(row.label for row in predictions), _name)
    models = _tally(Counter(row.model for row in predictions), lambda model: "@".join(map(_name, _split_model(model))))
    return [
        f"{count} reported as wrong, {since} to {until} UTC.",
        *description,
        "What an earlier report lists is not repeated.",
        f"Answered: {labels}. By model: {models}.",
    ]


def _left_out(listed: int, attached: int, predictions: int) -> str:
    has = "has them all" if attached == predictions else f"has the first {attached:,}: more do not fit into a mail"
    return f"Below are the first {listed}; the attachment {has}."


def _closing(incident: Incident) -> list[str]:
    """Return the lines at the end of the e-mail."""
    lines = ["Addresses that others wrote are broken, so that nobody follows them by mistake: [.] is a dot."]
    if incident.has_foreign_link:
        lines.append("The alert brought a link that does not lead to Azure's portal. It is left out.")
    return lines


def _facts(incident: Incident) -> dict[str, str]:
    """Return what the alert says about itself, as it says it."""
    facts = {
        "Rule": incident.rule,
        "Severity": incident.severity,
        "Fired": incident.fired_at,
        "Alert": incident.alert_id,
    }
    return {name: fact for name, fact in facts.items() if fact}


class _Row(NamedTuple):
    """One prediction in the e-mail."""

    plain: str
    html: str


def _list_rows(predictions: Sequence[Feedback], max_bytes: int) -> list[_Row]:
    """Return the first predictions: at most MAX_LISTED, and as many as fit into `max_bytes` of UTF-8."""
    rows: list[_Row] = []
    for number, prediction in enumerate(predictions[:MAX_LISTED], 1):
        cells = _cells(prediction)
        plain = "\n   ".join(f"{name}: {cell}" for name, cell in zip(COLUMNS, cells, strict=True))
        row = _Row(f"{number}. {plain}", _table_row(cells))
        if (max_bytes := max_bytes - len("".join(row).encode())) < 0:
            break
        rows.append(row)
    return rows


_LINK_TITLE = "The query's results in the portal"


def _plain(
    summary: Sequence[str], rows: Sequence[_Row], facts: dict[str, str], closing: Sequence[str], link: str | None
) -> str:
    parts = ["\n".join(summary), *(row.plain for row in rows)]
    parts.append("\n".join(f"{name}: {fact}" for name, fact in facts.items()))
    if link:
        parts.append(f"{_LINK_TITLE}: {link}")
    return "\n\n".join([*parts, "\n".join(closing)]) + "\n"


_FONT = "font-family:Segoe UI,Arial,sans-serif;font-size:14px;color:#222222"
_CELL = f"{_FONT};border:1px solid #cccccc;padding:4px 8px;vertical-align:top;text-align:left"
# Apple's clients make links of telephone numbers and dates unless told not to.
_HEAD = '<head><meta charset="utf-8"><meta name="format-detection" content="telephone=no,date=no,address=no"></head>'


def _html(
    summary: Sequence[str], rows: Sequence[_Row], facts: dict[str, str], closing: Sequence[str], link: str | None
) -> str:
    """Return HTML for Outlook, which renders like a word processor: only tables and inline styles work."""
    parts = [_paragraph(html.escape(line)) for line in summary]
    if rows:
        head = "".join(f'<th bgcolor="#eeeeee" style="{_CELL}">{name}</th>' for name in COLUMNS)
        parts.append(_table([f"<tr>{head}</tr>", *(row.html for row in rows)]))
    parts += ["<br>", _table([_table_row(fact) for fact in facts.items()])]
    if link:
        parts.append(_paragraph(f'<a href="{html.escape(link)}">{html.escape(_LINK_TITLE)}</a>'))
    parts += [_paragraph(html.escape(line)) for line in closing]
    return f"<!DOCTYPE html><html>{_HEAD}<body>{''.join(parts)}</body></html>\n"


def _paragraph(content: str) -> str:
    return f'<p style="{_FONT}">{content}</p>'


def _table(rows: Sequence[str]) -> str:
    style = "border-collapse:collapse"
    return f'<table cellpadding="0" cellspacing="0" border="0" style="{style}">\n{"\n".join(rows)}\n</table>\n'


def _table_row(cells: Iterable[str]) -> str:
    return "<tr>" + "".join(f'<td style="{_CELL}">{html.escape(cell)}</td>' for cell in cells) + "</tr>"


def _cells(row: Feedback) -> tuple[str, ...]:
    """Return what the e-mail shows of a prediction, in the order of COLUMNS."""
    return (
        f"{row.received_at:%Y-%m-%d %H:%M:%S}",
        f"{row.predicted_at:%Y-%m-%d %H:%M:%S}",
        _name(row.label),
        f"{row.probability:.4g}",
        *(_name(part) for part in _split_model(row.model)),
        _missing_text(row) if row.text is None else foreign(row.text),
        "" if row.comment is None else foreign(row.comment),
    )


def _missing_text(row: Feedback) -> str:
    return "(another text)" if row.text_matches is False else "(not shared)"


def _split_model(model: str) -> tuple[str, str]:
    """Return name and version."""
    name, _, version = model.rpartition("@")
    return name, version


def _name(text: str) -> str:
    return foreign(text, MAX_NAME_CHARACTERS)


def _attachment(
    incident: Incident, predictions: Sequence[Feedback], truncated: bool, max_bytes: int
) -> tuple[bytes, int]:
    """Return JSON and how many predictions are in it: the first, as many as fit into about `max_bytes`."""
    free, attached = max_bytes, list[bytes]()
    for row in predictions:
        encoded = msgspec.json.encode(_to_json(row))
        if (free := free - len(encoded) - 2) < 0:
            break
        attached.append(encoded)
    content = {
        "alert": {name.lower(): single_line(fact, MAX_FACT_CHARACTERS) for name, fact in _facts(incident).items()},
        "window": incident.window,
        "reports": len(predictions),
        "complete": len(attached) == len(predictions) and not truncated,
        "predictions": msgspec.Raw(b"[\n" + b",\n".join(attached) + b"\n]"),  # a line for each
    }
    return msgspec.json.encode(content) + b"\n", len(attached)


def _to_json(row: Feedback) -> dict[str, Any]:
    name, version = _split_model(row.model)
    fields = {
        "receipt": row.digest,
        "label": row.label,
        "probability": row.probability,
        "model": name,
        "version": version,
        "predicted_at": row.predicted_at,
        "received_at": row.received_at,
        "text": row.text,
        "text_matches": row.text_matches,
        "comment": row.comment,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _count(predictions: Sequence[Feedback], truncated: bool) -> str:
    more = " or more" if truncated else ""
    return f"{len(predictions):,}{more} prediction{'' if len(predictions) == 1 else 's'}"


def _tally(counts: Counter[str], name: Callable[[str], str]) -> str:
    """Return the most common values with their numbers, and how often others occur."""
    tallied = [f"{name(value)} {count:,}" for value, count in counts.most_common(MAX_TALLIED)]
    others = counts.total() - sum(count for _, count in counts.most_common(MAX_TALLIED))
    return ", ".join([*tallied, f"others {others:,}"] if others else tallied)
