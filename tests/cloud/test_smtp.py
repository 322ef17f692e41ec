"""Send e-mails to real SMTP servers: one accepts them, some refuse, one requires TLS and a login."""

import asyncio
import ipaddress
import json
import select
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from socketserver import BaseRequestHandler, TCPServer
from typing import Any

import pytest
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from cloud.report_email import EmailReporter, MailRefused, ReportEmail
from cloud.settings import MailSecurity, MailSettings
from cloud.smtp import ATTEMPT_SECONDS, MAIL_TIMEOUT_SECONDS, SmtpMailer, compose
from feedback.errors import MailUnavailable
from functions.shared.bulkhead import create_bulkheads
from tests.support.incidents import BURST, build_row
from tests.support.mailbox import Mailbox, part
from tests.support.paths import ROOT

EMAIL = ReportEmail("0" * 32, "2 predictions, « très » 🙂", "Größe 🙂\n.\nend\n", "<p>Größe 🙂</p>\n", b'{"a": 1}')
SENDER, TO = "buzzguard@mail.example", ("ops@mail.example", "boss@mail.example")


def mailer(port: int, host: str = "127.0.0.1") -> SmtpMailer:
    """Return a mailer that does not encrypt: most of these tests are about something else."""
    return SmtpMailer(MailSettings(host, port, None, None, SENDER, TO, "none"))


def secure_mailer(port: int, host: str = "127.0.0.1", security: MailSecurity = "starttls") -> SmtpMailer:
    return SmtpMailer(MailSettings(host, port, None, None, SENDER, TO, security))


def login_mailer(port: int, host: str = "127.0.0.1", password: str = "secret") -> SmtpMailer:
    return SmtpMailer(MailSettings(host, port, "user", password, SENDER, TO))


def test_email_arrives_complete() -> None:
    with Mailbox() as mailbox:
        mailer(mailbox.port).send(EMAIL)
    (mail,) = mailbox.mails
    assert (mail["From"], mail["To"], mail["Subject"]) == (SENDER, ", ".join(TO), EMAIL.subject)
    assert mail["Message-ID"] == f"<{EMAIL.id}@mail.example>"
    assert mail["Date"].datetime.tzinfo is not None and mail["Auto-Submitted"] == "auto-generated"
    assert part(mail, "plain").replace("\r\n", "\n") == EMAIL.plain
    assert part(mail, "html").replace("\r\n", "\n") == EMAIL.html
    assert part(mail, "json") == EMAIL.attachment.decode()
    assert [p.get_content_type() for p in mail.walk()] == [
        "multipart/mixed",
        "multipart/alternative",
        "text/plain",
        "text/html",
        "application/json",
    ]
    assert [p.get_filename() for p in mail.iter_attachments()] == ["incident.json"]


@pytest.mark.parametrize("answer", ["451 come back later", "554 never"])
def test_refused_email_raises_mail_unavailable(answer: str) -> None:
    with Mailbox() as mailbox:
        mailbox.answer = answer
        with pytest.raises(MailUnavailable) as caught:
            mailer(mailbox.port).send(EMAIL)
    assert caught.value.retry_after > 0 and f"SMTPDataError {answer[:3]}." in str(caught.value)


def test_unreachable_server_raises_mail_unavailable() -> None:
    with Mailbox() as gone:
        pass
    with pytest.raises(MailUnavailable, match="ConnectionRefusedError"):
        mailer(gone.port).send(EMAIL)
    for nowhere in ("mail..example", "x" * 64 + ".example"):
        with pytest.raises(MailUnavailable):
            mailer(gone.port, nowhere).send(EMAIL)


def test_silent_server_raises_mail_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloud.smtp.TIMEOUT_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(MailUnavailable):
        mailer(silent.getsockname()[1]).send(EMAIL)


def test_accepted_email_counts_as_sent_whatever_follows(caplog: pytest.LogCaptureFixture) -> None:
    """Otherwise it would be sent again."""

    class Rude(Mailbox):
        async def handle_QUIT(self, server: Any, *_: Any) -> str:  # noqa: N802 - aiosmtpd's name
            server.transport.abort()
            return "221 not received"

        async def handle_RCPT(self, server: Any, session: Any, envelope: Any, to: str, _: Any) -> str:  # noqa: N802
            if to == TO[1]:
                return "550 unknown"
            envelope.rcpt_tos.append(to)
            return "250 OK"

    with Rude() as mailbox:
        mailer(mailbox.port).send(EMAIL)
    assert len(mailbox.mails) == 1
    assert "not for 1 of 2 recipients" in caplog.text


@pytest.mark.parametrize("break_", ["\n", "\r\nBcc: eve@mail.example\r\n\r\n"])
def test_rejects_header_with_a_line_break(break_: str) -> None:
    with pytest.raises(ValueError, match="linefeed"):
        compose(EMAIL._replace(subject=f"a{break_}b"), SENDER, TO)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mailbox")])
    now, public = datetime.now(UTC), key.public_key()
    built = (
        x509.CertificateBuilder(name, name, public, x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    path.write_bytes(built.public_bytes(serialization.Encoding.PEM) + private)
    return path


def relay(certificate: Path, logins: list[tuple[bytes, bytes]]) -> Mailbox:
    """Return a mailbox that requires STARTTLS and a login, like Azure Communication Services. It records the logins."""

    def authenticate(*arguments: Any) -> AuthResult:
        login: LoginPassword = arguments[-1]
        logins.append((login.login, login.password))
        return AuthResult(success=login.password == b"secret", handled=False)

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return Mailbox(tls_context=context, require_starttls=True, auth_required=True, authenticator=authenticate)


@contextmanager
def encrypting(certificate: Path, security: MailSecurity) -> Iterator[Mailbox]:
    """Run a mailbox that requires STARTTLS, or TLS from the first byte, and no login."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    options = {"tls_context": context, "require_starttls": True} if security == "starttls" else {}
    with Mailbox(ssl_context=context if security == "tls" else None, **options) as mailbox:
        yield mailbox


def test_logs_in_to_a_relay_over_tls(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    logins: list[tuple[bytes, bytes]] = []
    with relay(certificate, logins) as mailbox:
        login_mailer(mailbox.port).send(EMAIL)
        with pytest.raises(MailUnavailable, match="SMTPAuthenticationError"):
            login_mailer(mailbox.port, password="wrong").send(EMAIL)
    assert set(logins) == {(b"user", b"secret"), (b"user", b"wrong")} and len(mailbox.mails) == 1


@pytest.mark.parametrize("fault", ["self-signed", "other host name"])
def test_sends_no_password_to_a_server_with_an_invalid_certificate(
    certificate: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    host = "127.0.0.1"
    if fault == "other host name":
        host = "localhost"
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    logins: list[tuple[bytes, bytes]] = []
    with relay(certificate, logins) as mailbox, pytest.raises(MailUnavailable, match="SSLCertVerificationError"):
        login_mailer(mailbox.port, host).send(EMAIL)
    assert not logins and not mailbox.mails


class Eavesdropper(Mailbox):
    """A mailbox that offers no STARTTLS, and records what it hears."""

    heard: bytes = b""

    async def handle_MAIL(self, *_: Any) -> str:  # noqa: N802
        self.heard += b"MAIL"
        return "550 you have told me enough"


@pytest.mark.parametrize("send", [secure_mailer, login_mailer])
def test_sends_nothing_to_a_server_that_offers_no_encryption(send: Callable[[int], SmtpMailer]) -> None:
    with Eavesdropper() as mailbox, pytest.raises(MailUnavailable, match=r"offers no STARTTLS, and SMTP_SECURITY"):
        send(mailbox.port).send(EMAIL)
    assert not mailbox.mails and mailbox.heard == b""


def test_sends_nothing_if_starttls_is_offered_and_then_refused() -> None:
    """As a man in the middle may do, who cannot show the server's certificate."""
    heard: list[bytes] = []

    class Stripping(BaseRequestHandler):
        def handle(self) -> None:
            self.request.sendall(b"220 relay\r\n")
            for line in self.request.makefile("rb"):
                heard.append(line.split()[0].upper())
                answer = b"454 not now" if heard[-1] == b"STARTTLS" else b"250-relay\r\n250 STARTTLS"
                self.request.sendall(answer + b"\r\n")

    with TCPServer(("127.0.0.1", 0), Stripping) as server, ThreadPoolExecutor(1) as pool:
        pool.submit(server.handle_request)
        with pytest.raises(MailUnavailable, match="SMTPResponseException 454"):
            secure_mailer(server.server_address[1]).send(EMAIL)
    assert set(heard) <= {b"EHLO", b"STARTTLS", b"QUIT"}


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_encrypts_without_a_login(certificate: Path, monkeypatch: pytest.MonkeyPatch, security: MailSecurity) -> None:
    with encrypting(certificate, security) as mailbox:
        with pytest.raises(MailUnavailable, match="SSLCertVerificationError"):
            secure_mailer(mailbox.port, security=security).send(EMAIL)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        secure_mailer(mailbox.port, security=security).send(EMAIL)
        with pytest.raises(MailUnavailable, match="SSLCertVerificationError"):
            secure_mailer(mailbox.port, "localhost", security).send(EMAIL)
    assert len(mailbox.mails) == 1


def test_tls_from_the_first_byte_fails_where_the_server_speaks_clear_text() -> None:
    with Mailbox() as mailbox, pytest.raises(MailUnavailable, match="SSLError"):
        secure_mailer(mailbox.port, security="tls").send(EMAIL)
    assert not mailbox.mails


LARGE = EMAIL._replace(attachment=b"x" * 100_000)


def test_mail_that_is_larger_than_the_server_announces_asks_for_a_smaller_mail() -> None:
    with Mailbox(data_size_limit=50_000) as mailbox:
        mailer(mailbox.port).send(EMAIL)
        with pytest.raises(MailRefused, match="SMTPSenderRefused 552"):
            mailer(mailbox.port).send(LARGE)
    assert len(mailbox.mails) == 1


@pytest.mark.parametrize(
    "answer",
    ["552 too large", "552 5.3.4 message too big", "523 too long", "554 5.2.3 longer than allowed"],
)
def test_refusal_for_the_size_asks_for_a_smaller_mail(answer: str) -> None:
    with Mailbox() as mailbox:
        mailbox.answer = answer
        for email in (LARGE, EMAIL):
            with pytest.raises(MailRefused):
                mailer(mailbox.port).send(email)


def test_refusal_of_the_size_by_a_recipient_asks_for_a_smaller_mail() -> None:
    class Full(Mailbox):
        async def handle_RCPT(self, *_: Any) -> str:  # noqa: N802
            return "552 5.3.4 too big"

    with Full() as mailbox:
        for email in (LARGE, EMAIL):
            with pytest.raises(MailRefused, match="SMTPRecipientsRefused 552"):
                mailer(mailbox.port).send(email)


@pytest.mark.parametrize("answer", ["554 5.7.1 looks like spam", "550 no"])
def test_refusal_of_the_content_asks_for_another_mail(answer: str) -> None:
    with Mailbox() as mailbox:
        mailbox.answer = answer
        with pytest.raises(MailRefused):
            mailer(mailbox.port).send(EMAIL)


@pytest.mark.parametrize("answer", ["451 later", "421 closing", "452 4.3.1 full"])
def test_passing_refusal_asks_for_the_same_mail_again_if_it_is_small(answer: str) -> None:
    with Mailbox() as mailbox:
        mailbox.answer = answer
        with pytest.raises(MailUnavailable) as caught:
            mailer(mailbox.port).send(EMAIL)
        assert not isinstance(caught.value, MailRefused)
        with pytest.raises(MailRefused):
            mailer(mailbox.port).send(LARGE)


def test_server_that_is_down_asks_for_the_same_mail_again_if_it_is_large() -> None:
    with Mailbox() as gone:
        pass
    with pytest.raises(MailUnavailable) as caught:
        mailer(gone.port).send(LARGE)
    assert not isinstance(caught.value, MailRefused)


def test_server_may_take_longer_to_scan_a_mail_than_for_another_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloud.smtp.TIMEOUT_SECONDS", 1)

    class Scanning(Mailbox):
        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
            await asyncio.sleep(1.2)
            return await super().handle_DATA(server, session, envelope)

    with Scanning() as mailbox:
        mailer(mailbox.port).send(EMAIL)
    assert len(mailbox.mails) == 1


def test_attempts_at_a_report_fit_into_the_time_that_an_incident_has() -> None:
    limit = create_bulkheads().incidents._time_limit_seconds
    assert limit > 3 * ATTEMPT_SECONDS and ATTEMPT_SECONDS > MAIL_TIMEOUT_SECONDS


def drip(greeting: bytes, line: bytes) -> type[BaseRequestHandler]:
    """Return a server that greets, and then sends a line again and again, without an end."""

    class Dripping(BaseRequestHandler):
        def handle(self) -> None:
            self.request.sendall(greeting)
            with suppress(OSError):
                while True:
                    self.request.sendall(line)
                    select.select([self.request], [], [], 0.05)

    return Dripping


@pytest.mark.parametrize(
    ("greeting", "line"), [(b"", b"220-wait\r\n"), (b"220-", b"x"), (b"220 hi\r\n", b"250-wait\r\n")]
)
def test_server_that_never_comes_to_an_end_is_left(
    greeting: bytes, line: bytes, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("cloud.smtp.ATTEMPT_SECONDS", 0.3)
    with TCPServer(("127.0.0.1", 0), drip(greeting, line)) as server, ThreadPoolExecutor(1) as pool:
        pool.submit(server.handle_request)
        with pytest.raises(MailUnavailable, match="SMTPServerDisconnected"):
            mailer(server.server_address[1]).send(EMAIL)
    assert "the connection is cut" in caplog.text


@pytest.mark.parametrize("challenge", [b"a", b"/w==", b"\xff"])
@pytest.mark.parametrize("mechanism", [b"CRAM-MD5", b"LOGIN"])
def test_broken_challenge_raises_mail_unavailable(challenge: bytes, mechanism: bytes) -> None:
    class Broken(BaseRequestHandler):
        def handle(self) -> None:
            self.request.sendall(b"220 hi\r\n")
            for command in self.request.makefile("rb"):
                is_hello = command.upper().startswith(b"EHLO")
                self.request.sendall(
                    b"250-hi\r\n250 AUTH " + mechanism + b"\r\n" if is_hello else b"334 " + challenge + b"\r\n"
                )

    with TCPServer(("127.0.0.1", 0), Broken) as server, ThreadPoolExecutor(1) as pool:
        pool.submit(server.handle_request)
        settings = MailSettings("127.0.0.1", server.server_address[1], "user", "secret", SENDER, TO, "none")
        with pytest.raises(MailUnavailable):
            SmtpMailer(settings).send(EMAIL)


class Picky(Mailbox):
    """Refuses mails over `max_bytes`, which it does not announce, and mails with a word that a scanner knows."""

    max_bytes = 10_000_000

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        if len(envelope.content) > self.max_bytes:
            return "552 5.3.4 too large"
        mail = message_from_bytes(envelope.content, policy=policy.default)
        if any("virus" in part.get_content() for part in mail.walk() if part.get_content_type() == "text/plain"):
            return "554 5.7.1 refused"
        return await super().handle_DATA(server, session, envelope)


def report_through(mailbox: Mailbox, rows: int = 1_000, comment: str = "\ufdfa" * 1_000) -> EmailMessage:
    predictions = [build_row(n, text="🙂" * 1_000, comment=comment) for n in range(rows)]
    EmailReporter(mailer(mailbox.port)).send(BURST, predictions, truncated=False)
    (mail,) = mailbox.mails
    assert f"{rows:,} predictions reported wrong" in mail["Subject"]
    return mail


@pytest.mark.parametrize("max_bytes", [10_000_000, 3_000_000, 1_000_000])
@pytest.mark.parametrize("announced", [True, False])
def test_report_shrinks_to_what_the_server_takes(max_bytes: int, announced: bool) -> None:
    with Mailbox(data_size_limit=max_bytes) if announced else Picky(data_size_limit=20_000_000) as mailbox:
        if isinstance(mailbox, Picky):
            mailbox.max_bytes = max_bytes
        mail = report_through(mailbox)
    assert len(mail.as_bytes()) <= max_bytes
    if announced or max_bytes > 2_000_000:
        assert (
            "more do not fit into a mail" in part(mail, "plain") and json.loads(part(mail, "json"))["reports"] == 1_000
        )


@pytest.mark.parametrize("max_bytes", [5_000, 500_000])
def test_notice_is_sent_where_no_report_fits(max_bytes: int) -> None:
    with Mailbox(data_size_limit=max_bytes) as mailbox:
        mail = report_through(mailbox)
    assert "This notice replaces it." in mail.get_content() and "1,000 predictions" in mail.get_content()


class Overwhelmed(Mailbox):
    """Takes no mail over `max_bytes`, and never says for good that it does not."""

    def __init__(self, fault: str, max_bytes: int) -> None:
        super().__init__(data_size_limit=20_000_000)
        self._fault, self._max_bytes = fault, max_bytes

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        if len(envelope.content) <= self._max_bytes:
            return await super().handle_DATA(server, session, envelope)
        if self._fault == "hangs up":
            server.transport.abort()
        if self._fault == "never answers":
            await asyncio.Event().wait()
        return self._fault

    async def handle_MAIL(  # noqa: N802
        self, _: Any, __: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        size = next(int(option[5:]) for option in options if option.startswith("SIZE="))
        if self._fault.startswith("452") and size > self._max_bytes:
            return self._fault
        envelope.mail_from = address
        return "250 OK"


@pytest.mark.parametrize("fault", ["hangs up", "never answers", "451 4.7.1 try again", "452 4.3.1 no room"])
@pytest.mark.parametrize("max_bytes", [3_000_000, 1_000_000, 64_000])
def test_flood_of_reports_is_reported_where_the_server_does_not_say_that_a_mail_is_too_large(
    fault: str, max_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloud.smtp.MAIL_TIMEOUT_SECONDS", 1)
    with Overwhelmed(fault, max_bytes) as mailbox:
        mail = report_through(mailbox)
    assert len(mail.as_bytes()) <= max_bytes
    assert mail.is_multipart() or "This notice replaces it." in mail.get_content()
    assert mail.is_multipart() == (max_bytes >= 1_000_000)


def test_notice_is_sent_where_a_scanner_refuses_what_somebody_wrote() -> None:
    with Picky() as mailbox:
        mail = report_through(mailbox, rows=3, comment="virus")
    assert "This notice replaces it." in mail.get_content() and "3 predictions" in mail.get_content()


def test_smtplib_is_imported_with_the_first_email() -> None:
    code = "import sys, cloud.smtp; print('smtplib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
