"""Send e-mails to real SMTP servers: one accepts them, some refuse, one requires TLS and a login."""

import ipaddress
import socket
import ssl
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from cloud.report_email import ReportEmail
from cloud.settings import MailSettings
from cloud.smtp import SmtpMailer, compose
from feedback.errors import MailUnavailable
from tests.support.mailbox import Mailbox, part
from tests.support.paths import ROOT

EMAIL = ReportEmail("0" * 32, "2 predictions, « très » 🙂", "Größe 🙂\n.\nend\n", "<p>Größe 🙂</p>\n", b'{"a": 1}')
SENDER, TO = "buzzguard@mail.example", ("ops@mail.example", "boss@mail.example")


def mailer(port: int, host: str = "127.0.0.1", user: str | None = None, password: str | None = None) -> SmtpMailer:
    return SmtpMailer(MailSettings(host, port, user, password, SENDER, TO))


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


def test_logs_in_to_a_relay_over_tls(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    logins: list[tuple[bytes, bytes]] = []
    with relay(certificate, logins) as mailbox:
        mailer(mailbox.port, user="user", password="secret").send(EMAIL)
        with pytest.raises(MailUnavailable, match="SMTPAuthenticationError"):
            mailer(mailbox.port, user="user", password="wrong").send(EMAIL)
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
        mailer(mailbox.port, host, "user", "secret").send(EMAIL)
    assert not logins and not mailbox.mails


def test_sends_no_password_without_tls() -> None:
    with Mailbox() as mailbox, pytest.raises(MailUnavailable, match="SMTPNotSupportedError"):
        mailer(mailbox.port, user="user", password="secret").send(EMAIL)
    assert not mailbox.mails


def test_smtplib_is_imported_with_the_first_email() -> None:
    code = "import sys, cloud.smtp; print('smtplib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
