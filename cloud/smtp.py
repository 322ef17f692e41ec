"""Send e-mails by SMTP: through the relay of Azure Communication Services, or any other server.

https://learn.microsoft.com/azure/communication-services/quickstarts/email/send-email-smtp/smtp-authentication
"""

import logging
import re
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from feedback.errors import MailUnavailable

from .report_email import MailRefused, ReportEmail
from .settings import MailSettings

if TYPE_CHECKING:
    import smtplib
    from email.message import EmailMessage

TIMEOUT_SECONDS = 5  # of each step of the SMTP conversation
RETRY_AFTER_SECONDS = 5

# Codes for a mail that is too large (RFC 1870 and older), and their form in enhanced status codes (RFC 3463).
_TOO_LARGE = (523, 552)
_TOO_LARGE_ENHANCED = r"\b5\.(2\.3|3\.4)\b"

log = logging.getLogger("buzzguard.mail")


class SmtpMailer:
    """The Mailer of `cloud.report_email`.

    The session is encrypted and the server's certificate verified before anything is sent, unless SMTP_SECURITY is
    `none`.
    """

    def __init__(self, settings: MailSettings) -> None:
        self._settings = settings

    def send(self, email: ReportEmail) -> None:
        # Imported lazily: only a report needs it.
        import smtplib

        message = compose(email, self._settings.sender, self._settings.to)
        size = len(message.as_bytes())
        try:
            with closing(self._connect()) as server:
                _check_size(server, size)
                refused = server.send_message(message)
                with suppress(OSError):  # already sent: ignore errors from QUIT
                    server.quit()
        # Every SMTPException is an OSError. A host name like "a..b" raises UnicodeError.
        except (OSError, UnicodeError) as error:
            code = f" {error.smtp_code}" if isinstance(error, smtplib.SMTPResponseException) else ""
            detail = f"The mail server does not take the report: {type(error).__name__}{code}."
            if (max_bytes := _max_bytes_after(error, size)) is not None:
                raise MailRefused(detail, RETRY_AFTER_SECONDS, max_bytes) from error
            raise MailUnavailable(detail, RETRY_AFTER_SECONDS) from error
        if refused:
            recipients = len(self._settings.to)
            log.error("The mail server takes the report, but not for %d of %d recipients.", len(refused), recipients)

    def _connect(self) -> "smtplib.SMTP":
        """Return a session with the server: encrypted and logged in, as the settings say."""
        import smtplib
        import ssl

        settings = self._settings
        domain = settings.sender.partition("@")[2]  # for EHLO: without it, smtplib looks up this machine's name first
        if settings.security == "tls":
            context = ssl.create_default_context()
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                settings.host, settings.port, domain, timeout=TIMEOUT_SECONDS, context=context
            )
        else:
            server = smtplib.SMTP(settings.host, settings.port, domain, TIMEOUT_SECONDS)
        try:
            if settings.security == "starttls":
                _encrypt(server)
            if settings.user and settings.password:
                server.login(settings.user, settings.password)
            server.ehlo_or_helo_if_needed()
        except BaseException:
            server.close()
            raise
        return server


def _encrypt(server: "smtplib.SMTP") -> None:
    """Encrypt the session. Raises MailUnavailable if the server, or somebody between us and it, does not offer that."""
    import ssl

    server.ehlo_or_helo_if_needed()
    if not server.has_extn("starttls"):
        detail = "The mail server offers no STARTTLS, and SMTP_SECURITY does not allow a mail in clear text."
        raise MailUnavailable(detail, RETRY_AFTER_SECONDS)
    server.starttls(context=ssl.create_default_context())


def _check_size(server: "smtplib.SMTP", size: int) -> None:
    """Raise MailRefused if the server has said (RFC 1870) that it takes no mail of `size` bytes."""
    announced = server.esmtp_features.get("size", "")
    if announced.isdecimal() and 0 < int(announced) < size:  # 0: no limit
        detail = f"The mail server takes at most {int(announced)} bytes."
        raise MailRefused(detail, RETRY_AFTER_SECONDS, int(announced))


def _max_bytes_after(error: Exception, size: int) -> int | None:
    """Return how large the next attempt may be if the server refuses a mail of `size` bytes for good, else None.

    0: it refuses what is in the mail, not its size.
    """
    import smtplib

    replies = (
        list(error.recipients.values())
        if isinstance(error, smtplib.SMTPRecipientsRefused)
        else [(error.smtp_code, error.smtp_error)]
        if isinstance(error, smtplib.SMTPResponseException)
        else []
    )
    if any(_is_too_large(code, reply) for code, reply in replies):
        return size // 4
    if isinstance(error, smtplib.SMTPDataError) and error.smtp_code >= 500:
        return 0
    return None


def _is_too_large(code: int, reply: bytes | str) -> bool:
    text = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else reply
    return code in _TOO_LARGE or re.search(_TOO_LARGE_ENHANCED, text) is not None


def compose(email: ReportEmail, sender: str, to: tuple[str, ...]) -> "EmailMessage":
    """Return a message with plain text and, if the e-mail has them, HTML and the JSON attachment.

    Raises ValueError if a header contains a line break.
    """
    from email.message import EmailMessage
    from email.policy import SMTP
    from email.utils import localtime

    message = EmailMessage(SMTP)
    message["From"] = sender
    message["To"] = ", ".join(to)
    message["Subject"] = email.subject
    message["Date"] = localtime()
    message["Message-ID"] = f"<{email.id}@{sender.partition('@')[2]}>"  # most clients show a repeated id only once
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: suppresses out-of-office replies
    message.set_content(email.plain, cte="quoted-printable")  # the encoding that every server accepts
    if email.html is not None:
        message.add_alternative(email.html, subtype="html", cte="quoted-printable")
    if email.attachment is not None:
        message.add_attachment(email.attachment, maintype="application", subtype="json", filename="incident.json")
    return message
