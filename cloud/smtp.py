"""Send e-mails by SMTP: through the relay of Azure Communication Services, or any other server.

https://learn.microsoft.com/azure/communication-services/quickstarts/email/send-email-smtp/smtp-authentication
"""

import logging
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from feedback.errors import MailUnavailable

from .report_email import ReportEmail
from .settings import MailSettings

if TYPE_CHECKING:
    from email.message import EmailMessage

TIMEOUT_SECONDS = 5  # of each step of the SMTP conversation
RETRY_AFTER_SECONDS = 5

log = logging.getLogger("buzzguard.mail")


class SmtpMailer:
    """The Mailer of `cloud.report_email`.

    If a user is set, the session is encrypted and the server's certificate verified before the login.
    """

    def __init__(self, settings: MailSettings) -> None:
        self._settings = settings

    def send(self, email: ReportEmail) -> None:
        # Imported lazily: only a report needs them.
        import smtplib
        import ssl

        settings = self._settings
        message = compose(email, settings.sender, settings.to)
        domain = settings.sender.partition("@")[2]  # for EHLO: without it, smtplib looks up this machine's name first
        try:
            with closing(smtplib.SMTP(settings.host, settings.port, domain, TIMEOUT_SECONDS)) as server:
                if settings.user and settings.password:
                    server.starttls(context=ssl.create_default_context())
                    server.login(settings.user, settings.password)
                refused = server.send_message(message)
                with suppress(OSError):  # already sent: ignore errors from QUIT
                    server.quit()
        # Every SMTPException is an OSError. A host name like "a..b" raises UnicodeError.
        except (OSError, UnicodeError) as error:
            code = f" {error.smtp_code}" if isinstance(error, smtplib.SMTPResponseException) else ""
            detail = f"The mail server does not take the report: {type(error).__name__}{code}."
            raise MailUnavailable(detail, RETRY_AFTER_SECONDS) from error
        if refused:
            recipients = len(settings.to)
            log.error("The mail server takes the report, but not for %d of %d recipients.", len(refused), recipients)


def compose(email: ReportEmail, sender: str, to: tuple[str, ...]) -> "EmailMessage":
    """Return a message with plain text, HTML and the JSON attachment.

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
    message.add_alternative(email.html, subtype="html", cte="quoted-printable")
    message.add_attachment(email.attachment, maintype="application", subtype="json", filename="incident.json")
    return message
