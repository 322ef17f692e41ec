"""Web pages at /mailbox that show the received e-mails, also as JSON."""

import html
import re
from collections.abc import Awaitable, Callable, Iterator

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from devhost.host.local_requests import is_cross_site
from devhost.host.problems import problem

from .mailbox import Mail, Mailbox

type _Page = Callable[[Request], Awaitable[Response]]

_PAGE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_EMAIL_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'"
_NUMBER = re.compile(r"[0-9]{1,9}")
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


class MailboxPages:
    """The pages of one mailbox. Pages of other sites get 403."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    @property
    def routes(self) -> list[Route]:
        return [
            Route("/mailbox", _same_site(self._list)),
            Route("/mailbox.json", _same_site(self._json)),
            Route("/mailbox/{number}", _same_site(self._show)),
            Route("/mailbox/{number}/html", _same_site(self._html)),
            Route("/mailbox/{number}/{attachment}", _same_site(self._attachment)),
        ]

    async def _list(self, request: Request) -> Response:
        if "application/json" in request.headers.get("accept", ""):
            return await self._json(request)
        rows = [
            f'<tr><td>{mail.received:%H:%M:%S}<td><a href="/mailbox/{mail.number}">{html.escape(mail.subject)}</a>'
            f"<br>{html.escape(str(mail.message['from'] or ''))}"
            for mail in reversed(self._mailbox.mails)
        ]
        return _page("Mailbox", f"<table>{''.join(rows)}</table>" if rows else "<p>No e-mail yet.</p>")

    async def _json(self, request: Request) -> Response:
        mails = [mail.summary for mail in self._mailbox.mails]
        return JSONResponse(mails, headers={"x-content-type-options": "nosniff"})

    async def _show(self, request: Request) -> Response:
        if (mail := self._find(request)) is None:
            return _not_found()
        return _page(mail.subject, "".join(_parts(mail)))

    async def _html(self, request: Request) -> Response:
        """The HTML of an e-mail. Its policy stops scripts and requests, because anybody can have written it."""
        mail = self._find(request)
        return HTMLResponse(mail.html, headers=_headers(_EMAIL_POLICY)) if mail else _not_found()

    async def _attachment(self, request: Request) -> Response:
        mail, index = self._find(request), _number(request, "attachment")
        if mail is None or index is None or index >= len(mail.attachments):
            return _not_found()
        headers = {**_headers(_EMAIL_POLICY), "content-disposition": "attachment"}
        return PlainTextResponse(mail.attachments[index][1], headers=headers)

    def _find(self, request: Request) -> Mail | None:
        number = _number(request, "number")
        return next((mail for mail in self._mailbox.mails if mail.number == number), None)


def _number(request: Request, name: str) -> int | None:
    """Return a number in the path, or None if it is no number, or too long for that of a mail."""
    text = request.path_params[name]
    return int(text) if _NUMBER.fullmatch(text) else None


def _same_site(page: _Page) -> _Page:
    async def respond(request: Request) -> Response:
        return problem(403) if is_cross_site(request) else await page(request)

    return respond


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
        yield f'<iframe sandbox src="/mailbox/{mail.number}/html" title="The e-mail as HTML"></iframe>'
    if mail.text:
        yield f"<pre>{html.escape(mail.text)}</pre>"


def _page(title: str, body: str) -> Response:
    title = html.escape(title)
    head = f"{_HEAD}<title>{title}</title><style>{_STYLE}</style>"
    return HTMLResponse(f"{head}<h1>{title}</h1>{body}", headers=_headers(_PAGE_POLICY))


def _headers(policy: str) -> dict[str, str]:
    return {"content-security-policy": policy, "x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}


def _not_found() -> Response:
    return problem(404, detail="This e-mail does not exist.")
