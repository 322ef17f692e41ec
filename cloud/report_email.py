"""The report on an incident as an e-mail: summary and table of predictions in plain text and HTML, JSON attached."""

import html
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from feedback.incident import Incident, report_id
from feedback.record import Feedback

MAX_LISTED = 100  # predictions in the e-mail itself
MAX_ATTACHMENT_BYTES = 5_000_000  # in base64 still well below the 10 MB that a mail may have
MAX_SUBJECT_LENGTH = 200  # characters


class ReportEmail(NamedTuple):
    id: str  # the same whenever the same is reported
    subject: str  # one line
    plain: str
    html: str
    attachment: bytes  # JSON


class Mailer(Protocol):
    def send(self, email: ReportEmail) -> None:
        """Send an e-mail to the team. Raises MailUnavailable; may block for seconds."""
        ...


class EmailReporter:
    """The IncidentReporter of `feedback.incident` that sends e-mails."""

    def __init__(self, mailer: Mailer) -> None:
        self._mailer = mailer

    def send(self, incident: Incident, predictions: Sequence[Feedback], truncated: bool) -> None:
        self._mailer.send(render_report(incident, predictions, truncated))


def render_report(incident: Incident, predictions: Sequence[Feedback], truncated: bool = False) -> ReportEmail:
    """Return the e-mail about an incident and the predictions behind it.

    `truncated`: there may be more predictions than these.
    """
    count = _count(predictions, truncated)
    facts, summary = _facts(incident), _summary(incident, predictions, count)
    link = _single_line(incident.link) if incident.link else None
    return ReportEmail(
        id=report_id(incident, predictions),
        subject=_single_line(_subject(incident, count))[:MAX_SUBJECT_LENGTH],
        plain=_plain(summary, facts, link, predictions[:MAX_LISTED]),
        html=_html(summary, facts, link, predictions[:MAX_LISTED]),
        attachment=_attachment(incident, facts, predictions, truncated),
    )


def _subject(incident: Incident, count: str) -> str:
    tag = f"[Buzzguard {incident.severity or ''}".strip() + "]"
    if incident.is_bad_prediction_burst and incident.window:
        since, until = incident.window
        # Without the date, which the mail has anyway: most mail clients show about 78 columns of a subject.
        return f"{tag} {count} reported wrong, {since:%H:%M} to {until:%H:%M} UTC"
    return f"{tag} {incident.rule} fired"


def _summary(incident: Incident, predictions: Sequence[Feedback], count: str) -> list[str]:
    """Return the lines at the top of the e-mail."""
    description = [_single_line(incident.description)] if incident.description else []
    if not incident.is_bad_prediction_burst:
        return [f"The alert {_single_line(incident.rule)} has fired.", *description]
    if incident.window is None:
        return ["Predictions were reported as wrong. The alert does not say when, so none is listed.", *description]
    since, until = (f"{moment:%Y-%m-%d %H:%M}" for moment in incident.window)
    labels, models = (_tally(row.label for row in predictions), _tally(row.model for row in predictions))
    lines = [
        f"{count} reported as wrong, {since} to {until} UTC.",
        *description,
        "What an earlier report lists is not repeated.",
        f"Answered: {labels}. By model: {models}.",
    ]
    if len(predictions) > MAX_LISTED:
        megabytes = MAX_ATTACHMENT_BYTES // 10**6
        lines.append(f"Below are the first {MAX_LISTED}; the attachment has them all, up to {megabytes} MB.")
    return lines


def _facts(incident: Incident) -> dict[str, str]:
    facts = {
        "Rule": incident.rule,
        "Severity": incident.severity,
        "Fired": incident.fired_at,
        "Alert": incident.alert_id,
    }
    return {name: _single_line(fact) for name, fact in facts.items() if fact}


def _plain(summary: Sequence[str], facts: dict[str, str], link: str | None, listed: Sequence[Feedback]) -> str:
    parts = ["\n".join(summary)]
    for number, row in enumerate(listed, 1):
        parts.append(f"{number}. " + "\n   ".join(f"{name}: {cell}" for name, cell in _cells(row).items()))
    parts.append("\n".join(f"{name}: {fact}" for name, fact in facts.items()))
    if link:
        parts.append(f"The query's results in the portal: {link}")
    return "\n\n".join(parts) + "\n"


_FONT = "font-family:Segoe UI,Arial,sans-serif;font-size:14px;color:#222222"
_CELL = f"{_FONT};border:1px solid #cccccc;padding:4px 8px;vertical-align:top;text-align:left"


def _html(summary: Sequence[str], facts: dict[str, str], link: str | None, listed: Sequence[Feedback]) -> str:
    """Return HTML for Outlook, which renders like a word processor: only tables and inline styles work."""
    parts = [f'<p style="{_FONT}">{html.escape(line)}</p>' for line in summary]
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


def _table_row(cells: Iterable[str]) -> str:
    return "<tr>" + "".join(f'<td style="{_CELL}">{html.escape(cell)}</td>' for cell in cells) + "</tr>"


def _cells(row: Feedback) -> dict[str, str]:
    """Return what the e-mail shows of a prediction, by column."""
    name, _, version = row.model.rpartition("@")
    return {
        "Reported (UTC)": f"{row.received_at:%Y-%m-%d %H:%M:%S}",
        "Predicted (UTC)": f"{row.predicted_at:%Y-%m-%d %H:%M:%S}",
        "Label": _single_line(row.label),
        "P(positive)": f"{row.probability:.4g}",
        "Model": _single_line(name),
        "Version": _single_line(version),
        "Text": _single_line(row.text) if row.text is not None else _missing_text(row),
        "Comment": "" if row.comment is None else _single_line(row.comment),
    }


def _missing_text(row: Feedback) -> str:
    return "(another text)" if row.is_text_shared else "(not shared)"


def _attachment(incident: Incident, facts: dict[str, str], predictions: Sequence[Feedback], truncated: bool) -> bytes:
    """Return JSON: the alert, its window, and as many predictions as fit into MAX_ATTACHMENT_BYTES."""
    free, attached = MAX_ATTACHMENT_BYTES, []
    for row in predictions:
        encoded = msgspec.json.encode(_to_json(row))
        if (free := free - len(encoded)) < 0:
            break
        attached.append(msgspec.Raw(encoded))
    content = {
        "alert": {name.lower(): fact for name, fact in facts.items()},
        "window": incident.window,
        "reports": len(predictions),
        "complete": len(attached) == len(predictions) and not truncated,
        "predictions": attached,
    }
    return msgspec.json.format(msgspec.json.encode(content), indent=1)


def _to_json(row: Feedback) -> dict[str, Any]:
    name, _, version = row.model.rpartition("@")
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


def _tally(values: Iterable[str]) -> str:
    return ", ".join(f"{_single_line(value)} {count:,}" for value, count in Counter(values).most_common())


def _single_line(text: str) -> str:
    """Return `text` on one line without invisible characters, safe for a header."""
    return "".join(c for c in " ".join(text.split()) if c.isprintable())
