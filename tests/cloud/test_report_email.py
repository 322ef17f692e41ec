"""The text of the e-mail report, and that nothing a person or Azure writes can break it."""

import html
import json
import re
import unicodedata
from email import message_from_bytes, policy
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.foreign_text import break_addresses
from cloud.report_email import (
    MAX_MAIL_BYTES,
    MIN_REPORT_BYTES,
    EmailReporter,
    MailRefused,
    ReportEmail,
    render_notice,
    render_report,
)
from cloud.smtp import compose
from devhost.monitoring.mailbox import MAX_MAIL_BYTES as MAX_MAILBOX_BYTES
from feedback.incident import RULES
from tests.support.alert_rules import ALERTS
from tests.support.alerts import LINK
from tests.support.incidents import BURST, LATENCY, build_row
from tests.support.mailbox import part
from tests.support.paths import ROOT


def test_reporter_sends_the_rendered_report() -> None:
    sent: list[ReportEmail] = []

    class ListMailer:
        def send(self, email: ReportEmail) -> None:
            sent.append(email)

    EmailReporter(ListMailer()).send(BURST, [build_row(1)], truncated=True)
    assert sent == [render_report(BURST, [build_row(1)], truncated=True)]


def test_report_lists_the_predictions() -> None:
    predictions = [
        build_row(1, text="so <mention> good", comment="no, irony"),
        build_row(2, label="negative", probability=0.1),
    ]
    email = render_report(BURST, predictions)
    assert email.subject == "[Buzzguard Sev2] 2 predictions reported wrong, 14:05 to 14:20 UTC"
    for body in (email.plain, email.html):
        assert "Answered: positive 1, negative 1. By model: champion@20261122-d8e142c9 2." in body
        for shown in ("2026-11-22 14:05:01", "positive", "0.93", "negative", "0.1", "champion", "20261122-d8e142c9"):
            assert shown in body
        assert "no, irony" in body and "(not shared)" in body
    assert f"\n\nThe query's results in the portal: {LINK}\n" in email.plain
    assert LINK.replace("&", "&amp;") in email.html


def test_attachment_has_the_alert_and_the_predictions() -> None:
    predictions = [
        build_row(1, text="so <mention> good", comment="no, irony"),
        build_row(2, label="negative", probability=0.1),
    ]
    assert json.loads(render_report(BURST, predictions).attachment) == {
        "alert": {
            "rule": "bad-prediction-burst",
            "severity": "Sev2",
            "fired": "2026-11-22T14:20:00.9964513Z",
            "alert": "/subscriptions/0/providers/Microsoft.AlertsManagement/alerts/a",
        },
        "window": ["2026-11-22T14:05:00Z", "2026-11-22T14:20:00Z"],
        "reports": 2,
        "complete": True,
        "predictions": [
            {
                "receipt": predictions[0].digest,
                "label": "positive",
                "probability": 0.93,
                "model": "champion",
                "version": "20261122-d8e142c9",
                "predicted_at": "2026-11-22T14:05:00Z",
                "received_at": "2026-11-22T14:05:01Z",
                "text": "so <mention> good",
                "comment": "no, irony",
            },
            {
                "receipt": predictions[1].digest,
                "label": "negative",
                "probability": 0.1,
                "model": "champion",
                "version": "20261122-d8e142c9",
                "predicted_at": "2026-11-22T14:05:00Z",
                "received_at": "2026-11-22T14:05:02Z",
            },
        ],
    }


def test_one_prediction_is_singular() -> None:
    email = render_report(BURST, [build_row(1)])
    assert "1 prediction reported wrong" in email.subject
    assert "1 prediction reported as wrong, 2026-11-22 14:05 to 2026-11-22 14:20 UTC." in email.plain


def test_says_that_a_text_was_shared_that_is_not_the_predicted_one() -> None:
    guessed = build_row(1, text_matches=False)
    email = render_report(BURST, [guessed, build_row(2)])
    assert email.plain.index("Text: (another text)") < email.plain.index("Text: (not shared)")
    assert [row.get("text_matches") for row in json.loads(email.attachment)["predictions"]] == [False, None]


@pytest.mark.parametrize("rule", ["error-rate", "latency"])
def test_report_on_another_rule_has_its_name_and_description(rule: str) -> None:
    email = render_report(LATENCY._replace(rule=rule), [])
    assert email.subject == f"[Buzzguard Sev2] {rule} fired"
    assert "Three predictions were reported as wrong within five minutes." in email.plain


def test_report_on_a_burst_without_window_says_so() -> None:
    email = render_report(BURST._replace(window=None, link=None), [])
    assert "does not say when" in email.plain
    assert "in the portal" not in email.plain and "<a " not in email.html


def test_escapes_what_people_write() -> None:
    nasty = "<script>alert(1)</script>\r\nBcc: eve &amp; <img src=x>"
    email = render_report(BURST, [build_row(1, text=nasty, comment=nasty, model=f"{nasty}@1", label=nasty)])
    assert "<script" not in email.html and "<img" not in email.html
    assert email.html.count("&lt;script&gt;alert(1)&lt;/script&gt; Bcc: eve &amp;amp; &lt;img src=x&gt;") >= 4
    assert "\nBcc" not in email.plain


@pytest.mark.parametrize("rule", ["x\r\nBcc: eve@example.org\u2028\x00", "Your password expires today", "late"])
def test_subject_has_no_words_of_the_alert(rule: str) -> None:
    email = render_report(LATENCY._replace(rule=rule, severity=f"Sev2] {rule}", description=rule), [])
    assert email.subject == "[Buzzguard] An alert fired"
    assert "An alert of an unknown rule has fired." in email.plain


def test_subject_names_a_rule_of_ours_without_the_prefix_of_the_deployment() -> None:
    email = render_report(LATENCY._replace(rule="Your password expires: Buzz-Prod-Error-Rate"), [])
    assert email.subject == "[Buzzguard Sev2] error-rate fired"


def test_known_rules_are_those_that_are_deployed() -> None:
    availability = json.loads((ROOT / "infra/availability.json").read_text())
    assert sorted(RULES) == sorted(alert["name"] for alert in [*ALERTS, availability])


def test_words_of_the_alert_are_marked_as_its_own() -> None:
    email = render_report(LATENCY._replace(description="Buzzguard is switched off.\nReply with your password."), [])
    for body in (email.plain, html.unescape(email.html or "")):
        assert "The alert says: “Buzzguard is switched off. Reply with your password.”" in body


def test_flood_is_counted_and_its_first_hundred_are_listed() -> None:
    email = render_report(BURST, [build_row(n) for n in range(250)])
    assert "250 predictions" in email.subject
    assert email.html.count("<tr>") == 1 + 100 + 4 and "\n100. " in email.plain and "\n101. " not in email.plain
    assert "Below are the first 100; the attachment has them all." in email.plain
    attached = json.loads(email.attachment)
    assert len(attached["predictions"]) == 250 and attached["complete"] is True


def test_says_what_does_not_fit() -> None:
    rows = [build_row(n, text="x" * 1_000, comment="ä" * 1_000) for n in range(300)]
    email = render_report(BURST, rows, max_bytes=MIN_REPORT_BYTES)
    attached = json.loads(email.attachment or b"")
    listed, inside = email.plain.count("Predicted (UTC)"), len(attached["predictions"])
    assert 10 < listed < inside < 300 and (attached["reports"], attached["complete"]) == (300, False)
    said = f"Below are the first {listed}; the attachment has the first {inside}: more do not fit into a mail."
    assert said in email.plain and said in (email.html or "")
    assert f"\n   Text: {'x' * 299}…\n   Comment: {'ä' * 299}…\n" in email.plain
    assert "300 predictions" in email.subject


HOSTILE = st.one_of(st.characters(), st.sampled_from('\ufdfa🙂"&<=.\x00\u0301@:\\'))


def hostile_mail(text: str, rows: int, max_bytes: int) -> int:
    """Return the size of a mail about `rows` predictions, with `text` wherever somebody else can write."""
    incident = LATENCY._replace(rule=text, severity=text, fired_at=text, description=text, alert_id=text)
    burst = incident._replace(is_bad_prediction_burst=True, link=f"https://portal.azure.com/{'&=' * 1_900}")
    model = {"label": text, "model": f"{text}@{text}", "text": text, "comment": text}
    email = render_report(burst, [build_row(n, **model) for n in range(rows)], max_bytes=max_bytes)
    return len(compose(email, "a@mail.example", ("b@mail.example",)).as_bytes())


@settings(max_examples=30)
@given(st.text(HOSTILE, min_size=1, max_size=5))
def test_mail_has_a_maximum_size_whatever_is_in_it(text: str) -> None:
    assert hostile_mail(text * 1_000, 150, MIN_REPORT_BYTES) <= MIN_REPORT_BYTES


def test_facts_of_an_alert_are_cut_before_they_are_normalised(monkeypatch: pytest.MonkeyPatch) -> None:
    """NFKC takes a time that grows with the square of the marks on one letter."""
    read = []

    def normalise(form: str, text: str) -> str:
        read.append(len(text))
        return unicodedata.normalize(form, text)

    monkeypatch.setattr("cloud.foreign_text.unicodedata", SimpleNamespace(normalize=normalise))
    marks = "x" + "\u0300\u0316" * 20_000
    incident = BURST._replace(rule=marks, severity=marks, fired_at=marks, alert_id=marks, description=marks)
    render_report(incident, [build_row(1, label=marks, model=f"{marks}@{marks}", text=marks, comment=marks)])
    assert len(read) > 10 and max(read) <= 5_000


@pytest.mark.parametrize("sign", ["\ufdfa", "🙂", '"'])
def test_largest_mail_has_a_maximum_size(sign: str) -> None:
    assert hostile_mail(sign * 18_000, 500, MAX_MAIL_BYTES) <= MAX_MAIL_BYTES < MAX_MAILBOX_BYTES


LINKS = [
    "https://evil.example/",
    "HTTP:evil.example",
    "www.evil.example",
    "evil.example",
    "Evil.Example/a?b=c#d",
    "evil\u200b.example",
    "evil。example",
    "evil․example",
    "evil﹒com",
    "bob＠evil",
    "https：／／evil",
    "＼＼evil＼share",
    "+33612345678",
    "+1 (555) 010-9999",
    "i❤.example",
    "www.-",
    "mailto:eve@evil.example",
    "eve@evil.example",
    "eve@localhost",
    "tel:+33123456789",
    "http://192.168.0.1/",
    "192.168.0.1",
    r"\\\\evil\share",
    "localhost:8080",
]


@pytest.mark.parametrize("address", LINKS)
def test_no_address_of_others_stays_whole(address: str) -> None:
    visible = unicodedata.normalize("NFKC", address.replace("\u200b", ""))
    words = {"label": address, "model": address.replace("@", ""), "text": address, "comment": f"see <{address}>, now"}
    incident = BURST._replace(rule=address, severity=address, fired_at=address, description=address, alert_id=address)
    for email in (render_report(incident, [build_row(1, **words)]), render_report(incident._replace(window=None), [])):
        for part_of_mail in (email.subject, email.plain, html.unescape(email.html or "")):
            assert visible not in unicodedata.normalize("NFKC", part_of_mail.replace(LINK, ""))
    assert break_addresses(visible) != visible


@pytest.mark.parametrize(
    "line",
    ["3.5 stars at 14:05:33, 2 of 10.", "Really. (Yes.) wait...what? a: b", "14:20:00.9+01:00 +5 1+1"],
)
def test_numbers_times_and_sentences_stay_as_they_are(line: str) -> None:
    assert break_addresses(line) == line


def test_only_link_is_that_to_the_portal() -> None:
    email = render_report(BURST, [build_row(1, text="<a href=https://evil.example>", comment="https://evil.example")])
    assert re.findall(r"https?://[^\s\"<]+", email.plain) == [LINK]
    assert re.findall(r'href="([^"]+)"', email.html or "") == [LINK.replace("&", "&amp;")]
    without = render_report(BURST._replace(link=None, has_foreign_link=True), [build_row(1)])
    assert "://" not in without.plain and "<a " not in (without.html or "")
    assert "a link that does not lead to Azure's portal. It is left out." in without.plain


class RefusingMailer:
    """Refuses so many mails, then accepts."""

    def __init__(self, refusals: int) -> None:
        self.mails: list[ReportEmail] = []
        self._refusals = refusals

    def send(self, email: ReportEmail) -> None:
        self.mails.append(email)
        if self._refusals:
            self._refusals -= 1
            raise MailRefused("too large", 5)


def test_refused_report_is_sent_smaller_and_at_last_as_a_notice() -> None:
    rows = [build_row(n, text="x" * 1_000) for n in range(2_000)]
    mailer = RefusingMailer(2)
    EmailReporter(mailer).send(BURST, rows, truncated=True)
    large, smaller, notice = mailer.mails
    assert large == render_report(BURST, rows, truncated=True)
    assert smaller == render_report(BURST, rows, truncated=True, max_bytes=MIN_REPORT_BYTES)
    assert (notice.html, notice.attachment) == (None, None)
    assert (notice.id, notice.subject) == (large.id, large.subject)
    counted = "2,000 or more predictions"
    assert notice.subject == f"[Buzzguard Sev2] {counted} reported wrong, 14:05 to 14:20 UTC"
    assert f"{counted} reported as wrong, 2026-11-22 14:05:00 to 2026-11-22 14:38:19 UTC." in notice.plain


def test_small_report_that_is_refused_is_not_sent_again() -> None:
    mailer = RefusingMailer(1)
    EmailReporter(mailer).send(BURST, [build_row(1)], truncated=False)
    assert mailer.mails == [render_report(BURST, [build_row(1)]), render_notice(BURST, [build_row(1)])]


def test_notice_has_no_word_of_others() -> None:
    word = "XJS*C4JDBQADN1"
    rows = [build_row(1, label=word, model=word, text=word, comment=word)]
    for incident in (BURST, LATENCY):
        incident = incident._replace(rule=word, severity=word, fired_at=word, description=word, link=word)
        notice = render_notice(incident, rows if incident.is_bad_prediction_burst else [])
        assert word not in "".join(str(part) for part in notice)


def test_refused_notice_is_not_sent() -> None:
    with pytest.raises(MailRefused):
        EmailReporter(RefusingMailer(2)).send(BURST, [build_row(1)], truncated=False)


def test_truncated_report_says_that_there_may_be_more() -> None:
    email = render_report(BURST, [build_row(n) for n in range(3)], truncated=True)
    assert "3 or more predictions" in email.subject
    assert json.loads(email.attachment)["complete"] is False


@settings(max_examples=40)
@given(st.text(), st.text())
def test_any_text_fits_into_a_mail(from_azure: str, from_people: str) -> None:
    incident = BURST._replace(severity=from_azure, description=from_azure, fired_at=from_azure)
    email = render_report(incident, [build_row(1, text=from_people, comment=from_people)])
    message = compose(email, "a@mail.example", ("b@mail.example",)).as_bytes()
    mail = message_from_bytes(message, policy=policy.default)
    assert mail["Subject"].strip() == email.subject and email.subject.isprintable()
    assert part(mail, "plain").replace("\r\n", "\n") == email.plain
    assert json.loads(part(mail, "json"))["predictions"][0]["text"] == from_people
