"""Letters by SMTP: through Azure Communication Services' relay, or to whatever server the settings name.

https://learn.microsoft.com/azure/communication-services/quickstarts/email/send-email-smtp/smtp-authentication
"""

import logging
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from feedback.incident import Letter
from sentiment.errors import MailUnavailable

from .settings import Mail

if TYPE_CHECKING:
    from email.message import EmailMessage

PATIENCE = 5  # seconds, of each step of the conversation
RETRY_AFTER = 5  # seconds

log = logging.getLogger("buzzguard.mail")


class SmtpMailer:
    """The Mailer of `feedback.incident`. Where there is a user, the session is encrypted, and the server's certificate
    verified, before anything is said."""

    def __init__(self, mail: Mail) -> None:
        self._mail = mail

    def send(self, letter: Letter) -> None:
        import smtplib
        import ssl

        mail = self._mail
        message = compose(letter, mail.sender, mail.to)
        domain = mail.sender.partition("@")[2]  # who we say we are: the name of the machine would be looked up first
        try:
            with closing(smtplib.SMTP(mail.host, mail.port, domain, PATIENCE)) as server:
                if mail.user and mail.password:
                    server.starttls(context=ssl.create_default_context())
                    server.login(mail.user, mail.password)
                refused = server.send_message(message)
                with suppress(OSError):  # it is sent, however the goodbye goes
                    server.quit()
        except (OSError, UnicodeError) as error:  # every SMTPException is an OSError; no host is named "a..b"
            code = f" {error.smtp_code}" if isinstance(error, smtplib.SMTPResponseException) else ""
            reason = f"The mail server does not take the report: {type(error).__name__}{code}."
            raise MailUnavailable(reason, RETRY_AFTER) from error
        if refused:
            log.error("The mail server takes the report, but not for %d of %d recipients.", len(refused), len(mail.to))


def compose(letter: Letter, sender: str, to: tuple[str, ...]) -> "EmailMessage":
    """The letter as a message: plain text and HTML, the data attached.

    The package `email` refuses a header with a line break in it.
    """
    from email.message import EmailMessage
    from email.policy import SMTP
    from email.utils import localtime

    message = EmailMessage(SMTP)
    message["From"] = sender
    message["To"] = ", ".join(to)
    message["Subject"] = letter.subject
    message["Date"] = localtime()
    message["Message-ID"] = f"<{letter.id}@{sender.partition('@')[2]}>"  # sent twice, it is shown once by most
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's absence is to answer
    message.set_content(letter.plain, cte="quoted-printable")  # every server takes that
    message.add_alternative(letter.html, subtype="html", cte="quoted-printable")
    message.add_attachment(letter.attachment, maintype="application", subtype="json", filename="incident.json")
    return message
