"""The local mailbox: e-mails arrive over SMTP, people and programs read them over HTTP."""

import asyncio
import re
import smtplib
from collections.abc import Iterator
from datetime import UTC, datetime
from email.message import EmailMessage
from types import SimpleNamespace

import pytest
from starlette.applications import Starlette

from devhost.monitoring.local_monitoring import LocalMonitoring
from devhost.monitoring.mailbox import MAX_MAIL_BYTES, Mailbox
from tests.devhost.conftest import Ask, MakeAsk, build_app, is_problem

PAGES = ["/mailbox", "/mailbox.json", "/mailbox/1", "/mailbox/1/html", "/mailbox/1/0"]
HOSTILE_HTML = '<p>Hello</p><script>alert(1)</script><img src="http://tracker.example/p.gif">'


@pytest.fixture
def mailbox(monitoring: LocalMonitoring) -> Mailbox:
    return monitoring.mailbox


@pytest.fixture
def ask(monitoring: LocalMonitoring, host_app: Starlette, make_ask: MakeAsk) -> Ask:
    return make_ask(build_app(host_app.state.runtime, routes=monitoring.mailbox_routes))


@pytest.fixture
def smtp(monitoring: LocalMonitoring) -> Iterator[smtplib.SMTP]:
    with smtplib.SMTP(*monitoring.smtp) as server:
        yield server


def build_mail(subject: str = "Alert <b>& more</b>", html: str | None = HOSTILE_HTML) -> EmailMessage:
    message = EmailMessage()
    message["From"] = "alerts@example.org"
    message["To"] = "Ops <ops@example.org>"
    message["Subject"] = subject
    message.set_content("Three grün <b>predictions</b>")
    if html is not None:
        message.add_alternative(html, subtype="html")
        message.add_attachment(b'{"reports": 3}', maintype="application", subtype="json", filename="a b/<i>.json")
    return message


def test_keeps_mail_unchanged(smtp: smtplib.SMTP, mailbox: Mailbox) -> None:
    smtp.send_message(build_mail(), to_addrs=["ops@example.org", "hidden@example.org"])
    (mail,) = mailbox.mails
    assert (mail.number, mail.recipients) == (1, ("ops@example.org", "hidden@example.org"))
    assert mail.subject == "Alert <b>& more</b>"
    assert mail.text.strip() == "Three grün <b>predictions</b>"
    assert mail.html.strip() == HOSTILE_HTML
    assert mail.attachments == [("a b/<i>.json", '{"reports": 3}')]


def test_returns_mails_as_json(smtp: smtplib.SMTP, ask: Ask) -> None:
    smtp.send_message(build_mail())
    smtp.send_message(build_mail("Second", None))
    mails = ask("GET", "/mailbox.json").json()
    assert mails == ask("GET", "/mailbox", headers={"accept": "application/json"}).json()
    assert [(mail["number"], mail["from"], mail["subject"]) for mail in mails] == [
        (1, "alerts@example.org", "Alert <b>& more</b>"),
        (2, "alerts@example.org", "Second"),
    ]
    assert mails[0]["attachments"] == [{"name": "a b/<i>.json", "content": '{"reports": 3}'}]
    assert (mails[1]["html"], mails[1]["attachments"], mails[1]["to"]) == ("", [], ["ops@example.org"])


def test_shows_mails_as_pages(smtp: smtplib.SMTP, ask: Ask) -> None:
    assert "No e-mail yet" in ask("GET", "/mailbox").text
    smtp.send_message(build_mail())
    overview = ask("GET", "/mailbox")
    assert '<a href="/mailbox/1">Alert &lt;b&gt;&amp; more&lt;/b&gt;</a>' in overview.text
    page = ask("GET", "/mailbox/1")
    assert "Three grün &lt;b&gt;predictions&lt;/b&gt;" in page.text
    assert '<a href="/mailbox/1/0">a b/&lt;i&gt;.json</a>' in page.text
    attachment = ask("GET", "/mailbox/1/0")
    assert (attachment.text, attachment.headers["content-disposition"]) == ('{"reports": 3}', "attachment")


def test_shows_only_headers_that_exist_and_the_time(smtp: smtplib.SMTP, mailbox: Mailbox, ask: Ask) -> None:
    smtp.sendmail("a@example.org", ["b@example.org"], b"From: a@example.org\r\n\r\nHello")
    rows = re.findall(r"<tr><td>(.*?)<td>(.*?)(?=<tr>|</table>)", ask("GET", "/mailbox/1").text)
    assert rows == [("from", "a@example.org"), ("received", f"{mailbox.mails[0].received:%Y-%m-%d %H:%M:%S} UTC")]


def test_pages_support_small_screens_and_dark_mode(smtp: smtplib.SMTP, ask: Ask) -> None:
    smtp.send_message(build_mail())
    for path in ("/mailbox", "/mailbox/1"):
        page = ask("GET", path).text
        assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in page
        assert "color-scheme:light dark" in page


def test_html_of_mail_cannot_run_scripts_or_send_requests(smtp: smtplib.SMTP, ask: Ask) -> None:
    smtp.send_message(build_mail())
    page, html = ask("GET", "/mailbox/1"), ask("GET", "/mailbox/1/html")
    assert "<script" not in page.text and "tracker.example" not in page.text
    assert '<iframe sandbox src="/mailbox/1/html"' in page.text
    for response, directive in ((page, "frame-src 'self'"), (html, "sandbox")):
        policy = response.headers["content-security-policy"]
        assert "default-src 'none'" in policy and directive in policy and "script-src" not in policy
        assert response.headers["x-content-type-options"] == "nosniff"
    assert html.text.strip() == HOSTILE_HTML


@pytest.mark.parametrize("number", ["1", "-1", "x", "1.5", "٣", "9" * 5_000], ids=lambda number: number[:4])
@pytest.mark.parametrize("path", ["/mailbox/{}", "/mailbox/{}/html", "/mailbox/{}/0", "/mailbox/1/{}"])
def test_unknown_mail_is_a_problem(ask: Ask, path: str, number: str) -> None:
    response = ask("GET", path.format(number))
    assert (response.status_code, response.headers["content-type"]) == (404, "application/problem+json")


@pytest.mark.parametrize("path", PAGES)
def test_other_methods_are_a_problem(ask: Ask, path: str) -> None:
    response = ask("POST", path)
    assert is_problem(response, 405, "Method Not Allowed")
    assert set(response.headers["allow"].split(", ")) == {"GET", "HEAD"}


@pytest.mark.parametrize("path", PAGES)
def test_pages_of_other_sites_read_no_mail(smtp: smtplib.SMTP, ask: Ask, path: str) -> None:
    smtp.send_message(build_mail())
    assert ask("GET", path, headers={"sec-fetch-site": "same-origin"}).status_code == 200
    for headers in (
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://["},
        {"origin": "http://localhost:3000"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "script"},
        {"sec-fetch-site": "same-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"},
        {"sec-fetch-site": "cross-site", "origin": "http://localhost:7071"},
    ):
        assert is_problem(ask("GET", path, headers=headers), 403, "Forbidden")


@pytest.mark.parametrize("path", PAGES)
def test_name_of_another_machine_reads_no_mail(smtp: smtplib.SMTP, ask: Ask, path: str) -> None:
    smtp.send_message(build_mail())
    assert is_problem(ask("GET", path, headers={"host": "rebind.example:7071"}), 421, "Misdirected Request")


def test_links_to_the_mailbox_can_be_followed(ask: Ask) -> None:
    headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert ask("GET", "/mailbox", headers=headers).status_code == 200


def test_mail_without_attachments_has_no_attachment_page(smtp: smtplib.SMTP, ask: Ask) -> None:
    smtp.send_message(build_mail(html=None))
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
def test_broken_mail_does_not_hide_others(smtp: smtplib.SMTP, ask: Ask, content: bytes) -> None:
    smtp.sendmail("a@example.org", ["b@example.org"], content)
    smtp.send_message(build_mail("Valid"))
    assert [mail["subject"] for mail in ask("GET", "/mailbox.json").json()][1] == "Valid"
    assert "Valid" in ask("GET", "/mailbox").text
    assert ask("GET", "/mailbox/1").status_code == 200


def receive(mailbox: Mailbox, contents: list[bytes]) -> None:
    async def handle_all() -> None:
        for content in contents:
            envelope = SimpleNamespace(content=content, rcpt_tos=["ops@example.org"])
            assert (await mailbox.handle_DATA(None, None, envelope)).startswith("250")  # type: ignore[arg-type]

    asyncio.run(handle_all())


def test_keeps_only_the_last_200_mails() -> None:
    mailbox = Mailbox(lambda: datetime(2026, 1, 1, tzinfo=UTC))
    receive(mailbox, [f"Subject: {number}\r\n\r\n".encode() for number in range(205)])
    assert [mail.subject for mail in mailbox.mails] == [str(number) for number in range(5, 205)]
    assert mailbox.mails[-1].number == 205


def test_keeps_only_what_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("devhost.monitoring.mailbox.MAX_MAILBOX_BYTES", 100)
    mailbox = Mailbox(lambda: datetime(2026, 1, 1, tzinfo=UTC))
    receive(mailbox, [b"Subject: %d\r\n\r\n" % number + b"x" * size for number, size in enumerate((10, 30, 30, 10))])
    assert [mail.subject for mail in mailbox.mails] == ["2", "3"]
    receive(mailbox, [b"\r\n" + b"x" * 90])
    assert [mail.number for mail in mailbox.mails] == [5]


def test_rejects_mail_over_the_size_limit(smtp: smtplib.SMTP, mailbox: Mailbox) -> None:
    with pytest.raises(smtplib.SMTPException):
        smtp.sendmail("a@example.org", ["b@example.org"], b"\r\n" + b"x" * 70 * 1000 + b"\r\n" * (MAX_MAIL_BYTES // 2))
    assert mailbox.mails == ()
