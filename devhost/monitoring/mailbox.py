"""Mail on a laptop: an SMTP server that keeps what it gets, and pages that show it."""

import html
from collections import deque
from collections.abc import Callable, Iterator
from datetime import datetime
from email import message_from_bytes, policy
from email.message import EmailMessage, MIMEPart
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from aiosmtpd.smtp import SMTP, Envelope, Session

_MOST = 200  # mails; the oldest go first
LARGEST = 10_000_000  # bytes of a mail: Azure Communication Services takes no more

_PAGE = "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; base-uri 'none'; frame-ancestors 'none'"
_FOREIGN = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'"
_HEAD = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
"""
_STYLE = """
:root{color-scheme:light dark}
body{font:15px/1.5 system-ui;margin:2em auto;max-width:60em;padding:0 1em}
h1,td+td,pre{overflow-wrap:anywhere}td{padding:0 1.5em .3em 0;vertical-align:top}
iframe{width:100%;height:36em;border:1px solid #8888;box-sizing:border-box;color-scheme:light;background:#fff}
pre{white-space:pre-wrap;background:#8882;padding:1em}
"""


class Mail(Struct, frozen=True):
    """One mail as it came."""

    number: int  # from 1, in the order of arrival
    received: datetime  # UTC
    to: tuple[str, ...]  # who was to get it, whatever its header says
    message: EmailMessage

    @property
    def subject(self) -> str:
        return str(self.message["subject"] or "(no subject)")

    @property
    def text(self) -> str:
        return self._body("plain")

    @property
    def html(self) -> str:
        return self._body("html")

    @property
    def attachments(self) -> list[tuple[str, str]]:
        """File name and content of each, as text."""
        return [
            (part.get_filename() or "unnamed", _content(part))
            for part in self.message.iter_attachments()
            if isinstance(part, MIMEPart)
        ]

    def _body(self, kind: str) -> str:
        part = self.message.get_body((kind,))
        return "" if part is None else _content(part)

    @property
    def summary(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "received": self.received.isoformat(timespec="seconds"),
            "from": str(self.message["from"]),
            "to": list(self.to),
            "subject": self.subject,
            "text": self.text,
            "html": self.html,
            "attachments": [{"name": name, "content": content} for name, content in self.attachments],
        }


def _content(part: MIMEPart) -> str:
    """The text of a part, whatever is wrong with it."""
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes):
        return ""
    try:
        return content.decode(part.get_content_charset("utf-8"), "replace")
    except LookupError:  # a charset that nobody knows
        return content.decode("utf-8", "replace")


class Mailbox:
    """Takes every mail, as aiosmtpd hands it over, and keeps the last of them in memory."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._mails: deque[Mail] = deque(maxlen=_MOST)
        self._count = 0

    @property
    def mails(self) -> tuple[Mail, ...]:
        """The oldest first."""
        return tuple(self._mails)

    async def handle_DATA(self, server: "SMTP", session: "Session", envelope: "Envelope") -> str:  # noqa: N802
        content = envelope.content
        assert isinstance(content, bytes)  # what it is unless the server is told to decode
        message = message_from_bytes(content, policy=policy.default)
        self._count += 1
        self._mails.append(Mail(self._count, self._clock(), tuple(envelope.rcpt_tos), message))
        return "250 OK"

    @property
    def routes(self) -> list[Route]:
        return [
            Route("/mailbox", self._list),
            Route("/mailbox.json", self._json),
            Route("/mailbox/{number:int}", self._show),
            Route("/mailbox/{number:int}/html", self._html),
            Route("/mailbox/{number:int}/{attachment:int}", self._attachment),
        ]

    async def _list(self, request: Request) -> Response:
        if "application/json" in request.headers.get("accept", ""):
            return await self._json(request)
        rows = [
            f'<tr><td>{mail.received:%H:%M:%S}<td><a href="/mailbox/{mail.number}">{html.escape(mail.subject)}</a>'
            f"<br>{html.escape(str(mail.message['from'] or ''))}"
            for mail in reversed(self.mails)
        ]
        return _page("Mailbox", f"<table>{''.join(rows)}</table>" if rows else "<p>No mail yet.</p>")

    async def _json(self, request: Request) -> Response:
        return JSONResponse([mail.summary for mail in self.mails])

    async def _show(self, request: Request) -> Response:
        if (mail := self._find(request)) is None:
            return _gone()
        return _page(mail.subject, "".join(_parts(mail)))

    async def _html(self, request: Request) -> Response:
        """The HTML of a mail as it came: whoever wrote it, it can do nothing and fetch nothing."""
        mail = self._find(request)
        return HTMLResponse(mail.html, headers=_headers(_FOREIGN)) if mail else _gone()

    async def _attachment(self, request: Request) -> Response:
        mail, index = self._find(request), request.path_params["attachment"]
        if mail is None or index >= len(mail.attachments):
            return _gone()
        headers = {**_headers(_FOREIGN), "content-disposition": "attachment"}
        return PlainTextResponse(mail.attachments[index][1], headers=headers)

    def _find(self, request: Request) -> Mail | None:
        return next((mail for mail in self.mails if mail.number == request.path_params["number"]), None)


def _parts(mail: Mail) -> Iterator[str]:
    yield '<p><a href="/mailbox">Mailbox</a></p><table>'
    for name in ("from", "to"):
        if value := mail.message[name]:
            yield f"<tr><td>{name}<td>{html.escape(str(value))}"
    yield f"<tr><td>received<td>{mail.received:%Y-%m-%d %H:%M:%S} UTC"
    for index, (name, _) in enumerate(mail.attachments):
        yield f'<tr><td>attached<td><a href="/mailbox/{mail.number}/{index}">{html.escape(name)}</a>'
    yield "</table>"
    if mail.html:
        yield f'<iframe sandbox src="/mailbox/{mail.number}/html" title="The mail as HTML"></iframe>'
    if mail.text:
        yield f"<pre>{html.escape(mail.text)}</pre>"


def _page(title: str, body: str) -> Response:
    title = html.escape(title)
    head = f"{_HEAD}<title>{title}</title><style>{_STYLE}</style>"
    return HTMLResponse(f"{head}<h1>{title}</h1>{body}", headers=_headers(_PAGE))


def _headers(policy: str) -> dict[str, str]:
    return {"content-security-policy": policy, "x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}


def _gone() -> Response:
    return PlainTextResponse("There is no such mail.", 404)
