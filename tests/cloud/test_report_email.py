"""The text of the e-mail report, and that nothing a person or Azure writes can break it."""

import json
from email import message_from_bytes, policy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud import report_email
from cloud.report_email import EmailReporter, ReportEmail, render_report
from cloud.smtp import compose
from tests.support.alerts import LINK
from tests.support.incidents import BURST, LATENCY, build_row
from tests.support.mailbox import part


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


def test_subject_is_one_short_line() -> None:
    email = render_report(LATENCY._replace(rule="x\r\nBcc: eve@example.org\u2028\x00" + "y" * 1000), [])
    assert email.subject.startswith("[Buzzguard Sev2] x Bcc: eve@example.org yyy")
    assert email.subject.isprintable() and len(email.subject) == 200


def test_flood_is_counted_and_its_first_hundred_are_listed() -> None:
    email = render_report(BURST, [build_row(n) for n in range(250)])
    assert "250 predictions" in email.subject
    assert email.html.count("<tr>") == 1 + 100 + 4 and "\n100. " in email.plain and "\n101. " not in email.plain
    assert "first 100" in email.plain
    attached = json.loads(email.attachment)
    assert len(attached["predictions"]) == 250 and attached["complete"] is True


def test_attachment_stays_within_its_maximum_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_email, "MAX_ATTACHMENT_BYTES", 2_000)
    attached = json.loads(render_report(BURST, [build_row(n, text="x" * 400) for n in range(9)]).attachment)
    assert (len(attached["predictions"]), attached["reports"], attached["complete"]) == (3, 9, False)


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
