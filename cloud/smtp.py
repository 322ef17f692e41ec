"""Send e-mails by SMTP: through the relay of Azure Communication Services, or any other server.

https://learn.microsoft.com/azure/communication-services/quickstarts/email/send-email-smtp/smtp-authentication
"""

import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

from feedback.errors import MailUnavailable

from .report_email import MailRefused, ReportEmail
from .settings import MailSettings

if TYPE_CHECKING:
    import smtplib
    from email.message import EmailMessage

TIMEOUT_SECONDS = 5  # of each step until the server is ready for a mail
# Of each step that hands a mail over: servers scan it before they answer, for which RFC 5321 (4.5.3.2) wants minutes.
MAIL_TIMEOUT_SECONDS = 15
# Of an attempt as a whole: each step begins anew with every byte that the server sends. Three attempts at a report have
# to fit into the time limit of the `incidents` bulkhead.
ATTEMPT_SECONDS = 16
RETRY_AFTER_SECONDS = 5
SERVICE_READY = 220
# What a server can make smtplib raise. Every SMTPException is an OSError. A host name like "a..b", a challenge that is
# no base64 and a connection that is cut raise ValueError.
BROKEN = (OSError, ValueError)
SMALL_MAIL_BYTES = 64 * 1024  # every server has to take a mail of this size: RFC 5321, 4.5.3.1.7

log = logging.getLogger("buzzguard.mail")


class SmtpMailer:
    """The Mailer of `cloud.report_email`.

    A mail counts as sent as soon as the server takes it for one recipient; who else should have had it is only logged.
    So a recipient that alone refuses a mail, be it for the size, gets no smaller one: the others would get it, too.

    The session is encrypted and the server's certificate verified before anything is sent, unless SMTP_SECURITY is
    `none`.
    """

    def __init__(self, settings: MailSettings) -> None:
        self._settings = settings

    def send(self, email: ReportEmail) -> None:
        message = compose(email, self._settings.sender, self._settings.to)
        server = self._create_session()
        with closing(server), _time_limit(server):
            try:
                self._log_in(server)
            except BROKEN as error:
                raise MailUnavailable(_detail(error), RETRY_AFTER_SECONDS) from error
            try:
                refused = _transfer(server, message)
            except BROKEN as error:
                # Some servers do not say that a mail is too large: they hang up, or ask for it again later.
                is_large = len(message.as_bytes()) > SMALL_MAIL_BYTES
                is_for_good = any(code >= 500 for code in _reply_codes(error))
                failure = MailRefused if is_large or is_for_good else MailUnavailable
                raise failure(_detail(error), RETRY_AFTER_SECONDS) from error
            with suppress(*BROKEN):  # already sent: ignore errors from QUIT
                server.quit()
        if refused:
            recipients = len(self._settings.to)
            log.error("The mail server takes the report, but not for %d of %d recipients.", len(refused), recipients)

    def _create_session(self) -> "smtplib.SMTP":
        """Return a session that is not connected yet."""
        import smtplib
        import ssl

        domain = self._settings.sender.partition("@")[2]  # for EHLO: without it, smtplib looks up this machine's name
        if self._settings.security == "tls":
            context = ssl.create_default_context()
            server: smtplib.SMTP = smtplib.SMTP_SSL(local_hostname=domain, timeout=TIMEOUT_SECONDS, context=context)
        else:
            server = smtplib.SMTP(local_hostname=domain, timeout=TIMEOUT_SECONDS)
        server._host = self._settings.host  # type: ignore[attr-defined]  # whose certificate it has to be
        return server

    def _log_in(self, server: "smtplib.SMTP") -> None:
        """Connect, encrypt and log in, as the settings say."""
        import smtplib

        settings = self._settings
        code, reply = server.connect(settings.host, settings.port)
        if code != SERVICE_READY:
            raise smtplib.SMTPConnectError(code, reply)
        if settings.security == "starttls":
            _encrypt(server)
        if settings.user and settings.password:
            server.login(settings.user, settings.password)
        server.ehlo_or_helo_if_needed()


@contextmanager
def _time_limit(server: "smtplib.SMTP") -> Iterator[None]:
    """Cut the connection of a session that takes longer than ATTEMPT_SECONDS: whoever waits for the server goes on."""
    is_over = threading.Event()

    def cut() -> None:
        seconds: float = ATTEMPT_SECONDS
        while not is_over.wait(seconds):
            log.warning("The mail server needs more than %g seconds: the connection is cut.", ATTEMPT_SECONDS)
            with suppress(OSError):  # it may not be connected at this moment
                if sock := server.sock:  # read once: the other thread may close it
                    sock.shutdown(socket.SHUT_RDWR)
            seconds = 1

    threading.Thread(target=cut, name="mail", daemon=True).start()
    try:
        yield
    finally:
        is_over.set()


def _encrypt(server: "smtplib.SMTP") -> None:
    """Encrypt the session. Raises MailUnavailable if the server, or somebody between us and it, does not offer that."""
    import ssl

    server.ehlo_or_helo_if_needed()
    if not server.has_extn("starttls"):
        detail = "The mail server offers no STARTTLS, and SMTP_SECURITY does not allow a mail in clear text."
        raise MailUnavailable(detail, RETRY_AFTER_SECONDS)
    server.starttls(context=ssl.create_default_context())


def _transfer(server: "smtplib.SMTP", message: "EmailMessage") -> dict[str, tuple[int, bytes]]:
    """Hand a mail over. Return the recipients that the server refuses, if it takes the mail for others."""
    if server.sock:
        server.sock.settimeout(MAIL_TIMEOUT_SECONDS)
    return server.send_message(message)


def _detail(error: Exception) -> str:
    codes = "".join(f" {code}" for code in sorted(set(_reply_codes(error))))
    return f"The mail server does not take the report: {type(error).__name__}{codes}."


def _reply_codes(error: Exception) -> list[int]:
    """Return the codes of the replies behind an error. Empty if none came."""
    import smtplib

    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return [code for code, _ in error.recipients.values()]
    return [error.smtp_code] if isinstance(error, smtplib.SMTPResponseException) else []


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
