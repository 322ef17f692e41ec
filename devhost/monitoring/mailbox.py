"""A local SMTP server's mailbox: it keeps the e-mails that it receives, in memory."""

from collections import deque
from collections.abc import Callable
from datetime import datetime
from email import message_from_bytes, policy
from email.message import EmailMessage, MIMEPart
from typing import TYPE_CHECKING, Any

from msgspec import Struct

if TYPE_CHECKING:
    from aiosmtpd.smtp import SMTP, Envelope, Session

MAX_MAILS = 200  # the oldest are dropped first
MAX_MAILBOX_BYTES = 50_000_000  # of all mails together, as they arrived
MAX_MAIL_BYTES = 10_000_000  # as in Azure Communication Services


class Mail(Struct, frozen=True, kw_only=True):
    """One received e-mail."""

    number: int  # from 1, in the order of arrival
    received: datetime  # UTC
    recipients: tuple[str, ...]  # of the SMTP envelope, which can differ from the To header
    message: EmailMessage
    size: int  # bytes, as it arrived

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
        """File name and text of each attachment."""
        return [
            (part.get_filename() or "unnamed", _decode(part))
            for part in self.message.iter_attachments()
            if isinstance(part, MIMEPart)
        ]

    def _body(self, subtype: str) -> str:
        part = self.message.get_body((subtype,))
        return "" if part is None else _decode(part)

    @property
    def summary(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "received": self.received.isoformat(timespec="seconds"),
            "from": str(self.message["from"]),
            "to": list(self.recipients),
            "subject": self.subject,
            "text": self.text,
            "html": self.html,
            "attachments": [{"name": name, "content": content} for name, content in self.attachments],
        }


class Mailbox:
    """A handler for aiosmtpd that accepts every e-mail and keeps the last ones: MAX_MAILS, MAX_MAILBOX_BYTES."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._mails: deque[Mail] = deque()
        self._count = 0
        self._bytes = 0

    @property
    def mails(self) -> tuple[Mail, ...]:
        """All e-mails, the oldest first."""
        return tuple(self._mails)

    async def handle_DATA(self, server: "SMTP", session: "Session", envelope: "Envelope") -> str:  # noqa: N802
        content = envelope.content
        assert isinstance(content, bytes)  # aiosmtpd returns str only with decode_data
        self._count += 1
        self._mails.append(
            Mail(
                number=self._count,
                received=self._clock(),
                recipients=tuple(envelope.rcpt_tos),
                message=message_from_bytes(content, policy=policy.default),
                size=len(content),
            )
        )
        self._bytes += len(content)
        while len(self._mails) > MAX_MAILS or self._bytes > MAX_MAILBOX_BYTES:
            self._bytes -= self._mails.popleft().size
        return "250 OK"


def _decode(part: MIMEPart) -> str:
    """Return the text of a part. Never raise: replace what cannot be decoded."""
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes):
        return ""
    try:
        return content.decode(part.get_content_charset("utf-8"), "replace")
    except LookupError:  # unknown charset
        return content.decode("utf-8", "replace")
