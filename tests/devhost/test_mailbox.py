"""Mail as it comes in by SMTP, and as a person or a program reads it."""

import asyncio
import re
import smtplib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.message import EmailMessage
from types import SimpleNamespace

import httpx
import pytest
from starlette.applications import Starlette

from devhost.monitoring.local_monitoring import Watch
from devhost.monitoring.mailbox import LARGEST, Mailbox

type Ask = Callable[..., httpx.Response]

EVIL = '<p>Hello</p><script>alert(1)</script><img src="http://tracker.example/p.gif">'


@pytest.fixture
def watch() -> Iterator[Watch]:
    with Watch() as watch:
        yield watch


@pytest.fixture
def mailbox(watch: Watch) -> Mailbox:
    return watch.mailbox


@pytest.fixture
def ask(mailbox: Mailbox, asker: Callable[[Starlette], Ask]) -> Ask:
    return asker(Starlette(routes=mailbox.routes))


@pytest.fixture
def smtp(watch: Watch) -> Iterator[smtplib.SMTP]:
    with smtplib.SMTP(*watch.smtp) as server:
        yield server


def letter(subject: str = "Alert <b>& more</b>", page: str | None = EVIL) -> EmailMessage:
    message = EmailMessage()
    message["From"] = "alerts@example.org"
    message["To"] = "Ops <ops@example.org>"
    message["Subject"] = subject
    message.set_content("Three grün <b>predictions</b>")
    if page is not None:
        message.add_alternative(page, subtype="html")
        message.add_attachment(b'{"reports": 3}', maintype="application", subtype="json", filename="a b/<i>.json")
    return message


def test_a_mail_is_kept_as_it_came(smtp: smtplib.SMTP, mailbox: Mailbox) -> None:
    smtp.send_message(letter(), to_addrs=["ops@example.org", "hidden@example.org"])
    (mail,) = mailbox.mails
    assert (mail.number, mail.to) == (1, ("ops@example.org", "hidden@example.org"))
    assert mail.subject == "Alert <b>& more</b>"
    assert mail.text.strip() == "Three grün <b>predictions</b>"
    assert mail.html.strip() == EVIL
    assert mail.attachments == [("a b/<i>.json", '{"reports": 3}')]


def test_a_program_reads_it_as_json(smtp: smtplib.SMTP, ask: Ask) -> None:
    smtp.send_message(letter())
    smtp.send_message(letter("Second", None))
    mails = ask("GET", "/mailbox.json").json()
    assert mails == ask("GET", "/mailbox", headers={"accept": "application/json"}).json()
    assert [(mail["number"], mail["from"], mail["subject"]) for mail in mails] == [
        (1, "alerts@example.org", "Alert <b>& more</b>"),
        (2, "alerts@example.org", "Second"),
    ]
    assert mails[0]["attachments"] == [{"name": "a b/<i>.json", "content": '{"reports": 3}'}]
    assert (mails[1]["html"], mails[1]["attachments"], mails[1]["to"]) == ("", [], ["ops@example.org"])


def test_a_person_reads_it_in_a_browser(smtp: smtplib.SMTP, ask: Ask) -> None:
    assert "No mail yet" in ask("GET", "/mailbox").text
    smtp.send_message(letter())
    overview = ask("GET", "/mailbox")
    assert '<a href="/mailbox/1">Alert &lt;b&gt;&amp; more&lt;/b&gt;</a>' in overview.text
    page = ask("GET", "/mailbox/1")
    assert "Three grün &lt;b&gt;predictions&lt;/b&gt;" in page.text
    assert '<a href="/mailbox/1/0">a b/&lt;i&gt;.json</a>' in page.text
    attachment = ask("GET", "/mailbox/1/0")
    assert (attachment.text, attachment.headers["content-disposition"]) == ('{"reports": 3}', "attachment")


def test_it_says_what_there_is_of_a_mail_and_when_it_came(smtp: smtplib.SMTP, mailbox: Mailbox, ask: Ask) -> None:
    smtp.sendmail("a@example.org", ["b@example.org"], b"From: a@example.org\r\n\r\nHello")
    rows = re.findall(r"<tr><td>(.*?)<td>(.*?)(?=<tr>|</table>)", ask("GET", "/mailbox/1").text)
    assert rows == [("from", "a@example.org"), ("received", f"{mailbox.mails[0].received:%Y-%m-%d %H:%M:%S} UTC")]


def test_it_is_read_on_a_telephone_and_in_the_dark(smtp: smtplib.SMTP, ask: Ask) -> None:
    smtp.send_message(letter())
    for path in ("/mailbox", "/mailbox/1"):
        page = ask("GET", path).text
        assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in page
        assert "color-scheme:light dark" in page


def test_what_a_mail_holds_can_do_nothing(smtp: smtplib.SMTP, ask: Ask) -> None:
    smtp.send_message(letter())
    page, foreign = ask("GET", "/mailbox/1"), ask("GET", "/mailbox/1/html")
    assert "<script" not in page.text and "tracker.example" not in page.text
    assert '<iframe sandbox src="/mailbox/1/html"' in page.text
    for answer, wanted in ((page, "frame-src 'self'"), (foreign, "sandbox")):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and wanted in policy and "script-src" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert foreign.text.strip() == EVIL


@pytest.mark.parametrize("path", ["/mailbox/1", "/mailbox/1/html", "/mailbox/1/0"])
def test_a_mail_that_is_not_there(ask: Ask, path: str) -> None:
    assert ask("GET", path).status_code == 404


def test_a_mail_without_attachments_has_no_first(smtp: smtplib.SMTP, ask: Ask) -> None:
    smtp.send_message(letter(page=None))
    assert ask("GET", "/mailbox/1/0").status_code == 404
    assert "<iframe" not in ask("GET", "/mailbox/1").text


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no header at all",
        b"Content-Type: text/plain; charset=klingon\r\n\r\nnuqneH \xff\xfe",
        b"Subject: \xff\r\n\r\n",
    ],
)
def test_a_broken_mail_hides_no_other(smtp: smtplib.SMTP, ask: Ask, content: bytes) -> None:
    smtp.sendmail("a@example.org", ["b@example.org"], content)
    smtp.send_message(letter("Sound"))
    assert [mail["subject"] for mail in ask("GET", "/mailbox.json").json()][1] == "Sound"
    assert "Sound" in ask("GET", "/mailbox").text
    assert ask("GET", "/mailbox/1").status_code == 200


def test_only_the_last_mails_are_kept() -> None:
    mailbox = Mailbox(lambda: datetime(2026, 1, 1, tzinfo=UTC))

    async def receive() -> None:
        for number in range(205):
            envelope = SimpleNamespace(content=f"Subject: {number}\r\n\r\n".encode(), rcpt_tos=["ops@example.org"])
            assert (await mailbox.handle_DATA(None, None, envelope)).startswith("250")

    asyncio.run(receive())
    assert [mail.subject for mail in mailbox.mails] == [str(number) for number in range(5, 205)]
    assert mailbox.mails[-1].number == 205


def test_a_mail_that_is_too_large_is_refused(smtp: smtplib.SMTP, mailbox: Mailbox) -> None:
    with pytest.raises(smtplib.SMTPException):
        smtp.sendmail("a@example.org", ["b@example.org"], b"\r\n" + b"x" * 70 * 1000 + b"\r\n" * (LARGEST // 2))
    assert mailbox.mails == ()


# What the app is told of the mailbox


def test_settings_of_ones_own_stay(watch: Watch) -> None:
    lent: dict[str, str] = {}
    watch.lend(lent)
    assert lent == watch.settings
    assert {"APPLICATIONINSIGHTS_CONNECTION_STRING", "SMTP_HOST", "SMTP_PORT", "MAIL_FROM", "MAIL_TO"} <= set(lent)
    own = {"SMTP_HOST": "relay.example.org", "APPLICATIONINSIGHTS_CONNECTION_STRING": ""}
    watch.lend(own)
    assert {name: own.get(name) for name in ("SMTP_HOST", "SMTP_PORT", "MAIL_TO")} == {
        "SMTP_HOST": "relay.example.org",
        "SMTP_PORT": None,
        "MAIL_TO": None,
    }
    assert own["APPLICATIONINSIGHTS_CONNECTION_STRING"] == ""
