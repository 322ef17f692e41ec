"""From an alert to the letter, without a cloud."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.smtp import compose
from feedback import incident
from feedback.incident import ALERTS, Alert, Claim, Letter, Outcome, Subject, report, write
from feedback.receipt import Receipt
from feedback.record import Feedback, record
from sentiment.errors import MailUnavailable, StoreUnavailable
from tests.support.alerts import LINK, alert
from tests.support.mailbox import part

SINCE, UNTIL = datetime(2026, 11, 22, 14, 5, tzinfo=UTC), datetime(2026, 11, 22, 14, 20, tzinfo=UTC)
NOW = UNTIL + timedelta(minutes=2)
AGE = timedelta(days=30)


def read(body: dict[str, Any]) -> Alert:
    return msgspec.json.decode(json.dumps(body), type=Alert)


def fired(**changes: Any) -> Alert:
    return read(alert(SINCE, UNTIL, **changes))


def feedback(number: int, **changes: Any) -> Feedback:
    receipt = Receipt("champion@20261122-d8e142c9", 0.93, "positive", "0" * 32, SINCE, f"{number}.signature")
    row = record(receipt, correct=False, received_at=SINCE + timedelta(seconds=number))
    return msgspec.structs.replace(row, **changes)


@dataclass
class Table:
    """Both stores and the mailer: what they were asked, in order, and what they answer."""

    found: list[Feedback] = field(default_factory=list)
    fails: str = ""
    asked: list[Any] = field(default_factory=list)
    subjects: list[Subject] = field(default_factory=list)  # that are reported
    letters: list[Letter] = field(default_factory=list)

    def _note(self, *what: Any) -> None:
        self.asked.append(what)
        if what[0] in self.fails.split():
            raise MailUnavailable("away", 5) if what[0] == "send" else StoreUnavailable("away", 5)

    def claim(self, topic: str, now: datetime) -> Claim:
        self._note("claim", topic)
        return Claim(topic, "etag")

    def reported(self, first: str, last: str) -> Iterator[str]:
        self._note("reported", first, last)
        return (subject.digest for subject in self.subjects if first <= subject.hour <= last)

    def wrong(self, *interval: datetime) -> Iterator[Feedback]:
        self._note("wrong", *interval)
        return iter(self.found)

    def send(self, letter: Letter) -> None:
        self._note("send")
        self.letters.append(letter)

    def mark_reported(self, subjects: Iterable[Subject], now: datetime) -> None:
        self._note("mark_reported")
        self.subjects += subjects

    def release(self, claim: Claim) -> None:
        self._note("release", claim.topic)

    def report(self, alert: Alert) -> Outcome:
        return report(alert, self, self, self, AGE, NOW)  # type: ignore[arg-type]

    @property
    def letter(self) -> Letter:
        return self.letters[-1]

    @property
    def verbs(self) -> list[str]:
        return [verb for verb, *_ in self.asked]

    @property
    def told(self) -> list[list[str]]:
        """The receipts in each letter."""
        return [[p["receipt"] for p in json.loads(letter.attachment)["predictions"]] for letter in self.letters]


def digests(*numbers: int) -> list[str]:
    return [feedback(number).digest for number in numbers]


def test_predictions_are_claimed_read_sent_noted_and_released() -> None:
    table = Table([feedback(2), feedback(1)])
    assert table.report(fired()) == Outcome("sent", 2)
    minute = timedelta(minutes=1)
    assert table.asked == [
        ("claim", "bad-prediction-burst"),
        ("reported", "2026-11-22T14", "2026-11-22T14"),
        ("wrong", SINCE - minute - AGE, SINCE - minute, UNTIL + minute),
        ("send",),
        ("mark_reported",),
        ("release", "bad-prediction-burst"),
    ]
    assert table.told == [digests(1, 2)]
    assert table.subjects == [Subject("2026-11-22T14", digest) for digest in digests(1, 2)]


def test_a_prediction_is_reported_once_whichever_alert_it_is_behind() -> None:
    table = Table([feedback(1), feedback(2)])
    table.report(fired(alert_id="first"))
    assert table.report(fired(alert_id="second")) == Outcome("replayed", 0)
    table.found.append(feedback(3))
    assert table.report(fired(alert_id="third")) == Outcome("sent", 1)
    assert table.report(fired(alert_id="third")) == Outcome("replayed", 0)
    assert table.told == [digests(1, 2), digests(3)]
    assert table.verbs.count("claim") == table.verbs.count("release") == 4


def test_of_an_hour_before_what_is_reported_is_known_too() -> None:
    table = Table([feedback(-600)])  # five to two
    early = read(alert(SINCE - timedelta(minutes=20), SINCE))
    assert [table.report(early).status for _ in range(2)] == ["sent", "replayed"]
    assert table.subjects[0].hour == "2026-11-22T13"


def test_an_alert_without_predictions_is_reported_once() -> None:
    table = Table()
    statuses = [table.report(fired(rule="latency", alert_id=name)).status for name in ("a", "a", "b")]
    assert statuses == ["sent", "replayed", "sent"]
    assert {subject.hour for subject in table.subjects} == {ALERTS}
    assert [topic for verb, *topic in table.asked if verb == "claim"] == [
        [fired(alert_id=name).digest] for name in ("a", "a", "b")
    ]


def test_predictions_that_are_erased_are_not_reported(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    table = Table()
    assert table.report(fired()) == Outcome("replayed", 0)
    assert table.verbs == ["claim", "reported", "wrong", "release"]
    assert f"Alert {fired().digest}: nothing is left to report" in caplog.text


def test_two_letters_have_the_same_id_only_if_they_list_the_same() -> None:
    """Most readers show a mail with a known id only once: a third prediction is not to hide behind the first two."""
    one, two = write(fired(), [feedback(1)]).id, write(fired(), [feedback(1), feedback(2)]).id
    assert one != two and one == write(fired(alert_id="other"), [feedback(1)]).id
    assert write(fired(rule="latency"), []).id != write(fired(rule="latency", alert_id="other"), []).id


@pytest.mark.parametrize("fails", ["reported", "wrong", "send", "send release"])
def test_what_could_not_be_sent_is_left_to_the_next_call(fails: str) -> None:
    table = Table([feedback(1)], fails=fails)
    with pytest.raises(MailUnavailable if "send" in fails else StoreUnavailable):
        table.report(fired())
    assert table.verbs[-1] == "release" and "mark_reported" not in table.verbs
    table.fails = ""
    assert table.report(fired()) == Outcome("sent", 1)


def test_a_mail_that_is_out_is_no_failure_whatever_comes_after(caplog: pytest.LogCaptureFixture) -> None:
    """Else the action group would have it sent again."""
    table = Table([feedback(1)], fails="mark_reported release")
    assert table.report(fired()) == Outcome("sent", 1)
    assert "not stored" in caplog.text and "until this claim runs out" in caplog.text


def test_a_death_between_the_mail_and_the_note_has_it_sent_again() -> None:
    table = Table([feedback(1)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table, "mark_reported", lambda *_: exit("killed"))
        with pytest.raises(SystemExit):
            table.report(fired())
    assert table.report(fired()) == Outcome("sent", 1)
    assert [letter.id for letter in table.letters] == [table.letter.id] * 2


@pytest.mark.parametrize("rule", ["error-rate", "latency"])
def test_another_rule_lists_no_predictions(rule: str) -> None:
    table = Table([feedback(1)])
    assert table.report(fired(rule=rule)) == Outcome("sent", 0)
    assert "wrong" not in table.verbs
    assert table.letter.subject == f"[Buzzguard Sev2] {rule} fired"
    assert "Three predictions were reported as wrong within five minutes." in table.letter.plain


@pytest.mark.parametrize("rule", ["bad-prediction-burst", "buzz-prod-bad-prediction-burst", "Bad-Prediction-Burst"])
def test_the_rule_is_known_whatever_a_deployment_puts_around_its_name(rule: str) -> None:
    assert fired(rule=rule).of_predictions


def test_the_rule_is_known_by_its_resource_where_it_has_a_title() -> None:
    body = alert(SINCE, UNTIL, rule="Burst of bad predictions")
    assert not read(body).of_predictions
    body["data"]["essentials"]["alertRuleId"] = "/subscriptions/0/…/scheduledQueryRules/bad-prediction-burst"
    assert read(body).of_predictions


@pytest.mark.parametrize(
    "context",
    [
        None,
        {},
        {"condition": None},
        {"condition": {"windowStartTime": None, "windowEndTime": None}},
        {"condition": {"windowStartTime": "yesterday", "windowEndTime": "2026-11-22T14:20:00Z"}},
        {"condition": {"windowStartTime": "0001-01-01T00:00:00Z", "windowEndTime": "2026-11-22T14:20:00Z"}},
        {"condition": {"windowStartTime": "2026-11-22T14:20:00Z", "windowEndTime": "9999-12-31T23:59:59.9999999Z"}},
        {"condition": {"allOf": [{"linkToFilteredSearchResultsUI": "javascript:alert(1)"}]}},
    ],
)
def test_an_alert_of_another_shape_is_reported_with_what_it_says(context: object) -> None:
    body = alert(SINCE, UNTIL)
    body["data"]["alertContext"] = context
    table = Table([feedback(1)])
    assert table.report(read(body)) == Outcome("sent", 0)
    assert "does not say when" in table.letter.plain and "javascript" not in table.letter.html


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-22T14:20:00.9964513Z", datetime(2026, 11, 22, 14, 20, 0, 996451, UTC)),
        ("2026-11-22T15:20:00+01:00", datetime(2026, 11, 22, 14, 20, tzinfo=UTC)),
        ("2026-11-22T14:20:00", datetime(2026, 11, 22, 14, 20, tzinfo=UTC)),
    ],
)
def test_a_window_is_read_however_it_is_written(text: str, moment: datetime) -> None:
    body = alert(SINCE, UNTIL)
    body["data"]["alertContext"]["condition"]["windowEndTime"] = text
    assert read(body).window == (SINCE, moment)


def test_the_letter_says_what_happened() -> None:
    found = [feedback(1, text="so <mention> good", comment="no, irony"), feedback(2, label="negative", probability=0.1)]
    letter = write(fired(), found)
    assert letter.subject == "[Buzzguard Sev2] 2 predictions reported wrong, 14:05 to 14:20 UTC"
    for body in (letter.plain, letter.html):
        assert "Answered: positive 1, negative 1. By model: champion@20261122-d8e142c9 2." in body
        for shown in ("2026-11-22 14:05:01", "positive", "0.93", "negative", "0.1", "champion", "20261122-d8e142c9"):
            assert shown in body
        assert "no, irony" in body and "(not shared)" in body
    assert f"\n\nThe query's results in the portal: {LINK}\n" in letter.plain
    assert LINK.replace("&", "&amp;") in letter.html
    assert json.loads(letter.attachment) == {
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
                "receipt": found[0].digest,
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
                "receipt": found[1].digest,
                "label": "negative",
                "probability": 0.1,
                "model": "champion",
                "version": "20261122-d8e142c9",
                "predicted_at": "2026-11-22T14:05:00Z",
                "received_at": "2026-11-22T14:05:02Z",
            },
        ],
    }


def test_one_is_one() -> None:
    letter = write(fired(), [feedback(1)])
    assert "1 prediction reported wrong" in letter.subject
    assert "1 prediction reported as wrong, 2026-11-22 14:05 to 2026-11-22 14:20 UTC." in letter.plain


def test_what_people_write_is_shown_and_not_obeyed() -> None:
    nasty = "<script>alert(1)</script>\r\nBcc: eve &amp; <img src=x>"
    letter = write(fired(), [feedback(1, text=nasty, comment=nasty, model=f"{nasty}@1", label=nasty)])
    assert "<script" not in letter.html and "<img" not in letter.html
    assert letter.html.count("&lt;script&gt;alert(1)&lt;/script&gt; Bcc: eve &amp;amp; &lt;img src=x&gt;") >= 4
    assert "\nBcc" not in letter.plain


def test_an_alert_gets_no_further_line_into_a_header() -> None:
    letter = write(fired(rule="x\r\nBcc: eve@example.org\u2028\x00" + "y" * 1000), [])
    assert letter.subject.startswith("[Buzzguard Sev2] x Bcc: eve@example.org yyy")
    assert letter.subject.isprintable() and len(letter.subject) == 200


def test_a_flood_is_counted_and_its_first_hundred_are_listed() -> None:
    letter = write(fired(), [feedback(n) for n in range(250)])
    assert "250 predictions" in letter.subject
    assert letter.html.count("<tr>") == 1 + 100 + 4 and "\n100. " in letter.plain and "\n101. " not in letter.plain
    assert "first 100" in letter.plain
    attached = json.loads(letter.attachment)
    assert len(attached["predictions"]) == 250 and attached["complete"] is True


def test_what_is_attached_fits_a_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incident, "LARGEST", 2_000)
    attached = json.loads(write(fired(), [feedback(n, text="x" * 400) for n in range(9)]).attachment)
    assert (len(attached["predictions"]), attached["reports"], attached["complete"]) == (3, 9, False)


def test_no_more_are_read_than_memory_has_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incident, "MOST", 3)
    table = Table([feedback(n) for n in range(5)])
    assert table.report(fired()) == Outcome("sent", 3)
    assert "3 or more predictions" in table.letter.subject
    assert json.loads(table.letter.attachment)["complete"] is False
    assert table.report(fired(alert_id="next")) == Outcome("sent", 2)  # and the others go into the next report
    assert table.told == [digests(0, 1, 2), digests(3, 4)]


@settings(max_examples=40)
@given(st.text(), st.text())
def test_whatever_is_said_becomes_a_mail(of_azure: str, of_people: str) -> None:
    body = alert(SINCE, UNTIL)
    body["data"]["essentials"] |= {"severity": of_azure, "description": of_azure, "firedDateTime": of_azure}
    letter = write(read(body), [feedback(1, text=of_people, comment=of_people)])
    mail = message_from_bytes(compose(letter, "a@mail.example", ("b@mail.example",)).as_bytes(), policy=policy.default)
    assert mail["Subject"].strip() == letter.subject and letter.subject.isprintable()
    assert part(mail, "plain").replace("\r\n", "\n") == letter.plain
    assert json.loads(part(mail, "json"))["predictions"][0]["text"] == of_people


def test_an_alert_has_a_name_of_its_own() -> None:
    assert fired().digest == fired(rule="other").digest != fired(alert_id="b").digest
    assert len(fired().digest) == 32 and fired().digest.isalnum()
