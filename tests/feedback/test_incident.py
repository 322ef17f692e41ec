"""Report an incident with in-memory stores: what is claimed, found, sent and marked as reported."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from feedback import incident
from feedback.errors import MailUnavailable, StoreUnavailable
from feedback.incident import Incident, ReportOutcome, report_id, report_incident
from feedback.record import Feedback
from feedback.stores import Claim, Subject
from tests.support.incidents import BURST, LATENCY, SINCE, UNTIL, build_row

NOW = UNTIL + timedelta(minutes=2)
MINUTE = timedelta(minutes=1)
RECEIPT_AGE = timedelta(days=30)


def digests(*numbers: int) -> list[str]:
    return [build_row(number).digest for number in numbers]


@dataclass
class Fakes:
    """Both stores and the reporter. Records the calls and fails in the methods named in `failing`."""

    found: list[Feedback] = field(default_factory=list)
    failing: str = ""
    calls: list[Any] = field(default_factory=list)
    subjects: list[Subject] = field(default_factory=list)  # marked as reported
    reports: list[tuple[Incident, list[Feedback], bool]] = field(default_factory=list)

    def _record(self, *call: Any) -> None:
        self.calls.append(call)
        if call[0] in self.failing.split():
            raise MailUnavailable("away", 5) if call[0] == "send" else StoreUnavailable("away", 5)

    def claim(self, topic: str, now: datetime) -> Claim:
        self._record("claim", topic)
        return Claim(topic, "version")

    def reported_predictions(self, since: datetime, until: datetime) -> Iterator[str]:
        self._record("reported_predictions", since, until)
        return (s.digest for s in self.subjects if s.received_at and since <= s.received_at <= until)

    def reported_alerts(self) -> Iterator[str]:
        self._record("reported_alerts")
        return (s.digest for s in self.subjects if s.received_at is None)

    def reported_wrong(self, *interval: datetime) -> Iterator[Feedback]:
        self._record("reported_wrong", *interval)
        return iter(self.found)

    def send(self, incident: Incident, predictions: Sequence[Feedback], truncated: bool) -> None:
        self._record("send")
        self.reports.append((incident, list(predictions), truncated))

    def mark_reported(self, subjects: Iterable[Subject], now: datetime) -> None:
        self._record("mark_reported")
        self.subjects += subjects

    def release_claim(self, claim: Claim) -> None:
        self._record("release", claim.topic)

    def report(self, incident: Incident) -> ReportOutcome:
        return report_incident(incident, self, self, self, RECEIPT_AGE, NOW)  # type: ignore[arg-type]

    @property
    def called(self) -> list[str]:
        return [name for name, *_ in self.calls]

    @property
    def sent(self) -> list[list[str]]:
        """The digests in each report."""
        return [[row.digest for row in predictions] for _, predictions, _ in self.reports]


def test_predictions_are_claimed_read_sent_marked_and_released() -> None:
    fakes = Fakes([build_row(2), build_row(1)])
    assert fakes.report(BURST) == ReportOutcome("sent", 2)
    assert fakes.calls == [
        ("claim", "bad-prediction-burst"),
        ("reported_predictions", SINCE - MINUTE, UNTIL + MINUTE),
        ("reported_wrong", SINCE - MINUTE - RECEIPT_AGE, SINCE - MINUTE, UNTIL + MINUTE),
        ("send",),
        ("mark_reported",),
        ("release", "bad-prediction-burst"),
    ]
    assert fakes.reports == [(BURST, [build_row(1), build_row(2)], False)]
    assert fakes.subjects == [Subject(build_row(n).digest, build_row(n).received_at) for n in (1, 2)]


def test_reports_each_prediction_once_whichever_alert_it_is_behind() -> None:
    fakes = Fakes([build_row(1), build_row(2)])
    fakes.report(BURST)
    assert fakes.report(BURST._replace(alert_id="second")) == ReportOutcome("replayed", 0)
    fakes.found.append(build_row(3))
    third = BURST._replace(alert_id="third")
    assert [fakes.report(third) for _ in range(2)] == [ReportOutcome("sent", 1), ReportOutcome("replayed", 0)]
    assert fakes.sent == [digests(1, 2), digests(3)]
    assert fakes.called.count("claim") == fakes.called.count("release") == 4


def test_knows_predictions_reported_in_an_earlier_hour() -> None:
    five_to_two = replace(build_row(1), received_at=SINCE - 10 * MINUTE)
    fakes = Fakes([five_to_two])
    early = BURST._replace(window=(SINCE - 20 * MINUTE, SINCE))
    assert [fakes.report(early).status for _ in range(2)] == ["sent", "replayed"]
    assert fakes.subjects == [Subject(five_to_two.digest, five_to_two.received_at)]


def test_reports_alert_without_predictions_once() -> None:
    fakes = Fakes([build_row(1)])
    alerts = [LATENCY._replace(alert_id=alert_id) for alert_id in ("a", "a", "b")]
    outcomes = [fakes.report(alert) for alert in alerts]
    assert outcomes == [ReportOutcome("sent", 0), ReportOutcome("replayed", 0), ReportOutcome("sent", 0)]
    assert fakes.subjects == [Subject(alert.digest, None) for alert in alerts[1:]]
    assert [topic for name, *topic in fakes.calls if name == "claim"] == [[alert.digest] for alert in alerts]
    assert "reported_wrong" not in fakes.called


def test_reports_burst_without_window_as_alert_without_predictions() -> None:
    fakes = Fakes([build_row(1)])
    unknown = BURST._replace(window=None)
    assert [fakes.report(unknown).status for _ in range(2)] == ["sent", "replayed"]
    assert fakes.sent == [[]]


def test_sends_nothing_if_the_predictions_were_erased(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    fakes = Fakes()
    assert fakes.report(BURST) == ReportOutcome("replayed", 0)
    assert fakes.called == ["claim", "reported_predictions", "reported_wrong", "release"]
    assert f"Alert {BURST.digest}: nothing is left to report" in caplog.text


@pytest.mark.parametrize("failing", ["reported_predictions", "reported_wrong", "send", "send release"])
def test_failure_before_the_report_is_sent_leaves_it_to_the_next_call(failing: str) -> None:
    fakes = Fakes([build_row(1)], failing)
    with pytest.raises(MailUnavailable if "send" in failing else StoreUnavailable):
        fakes.report(BURST)
    assert fakes.called[-1] == "release" and "mark_reported" not in fakes.called
    fakes.failing = ""
    assert fakes.report(BURST) == ReportOutcome("sent", 1)


def test_failure_after_the_report_is_sent_is_logged_only(caplog: pytest.LogCaptureFixture) -> None:
    """An error would make the action group call again."""
    fakes = Fakes([build_row(1)], "mark_reported release")
    assert fakes.report(BURST) == ReportOutcome("sent", 1)
    assert "not marked as reported" in caplog.text and "until its claim expires" in caplog.text


def test_sends_the_report_again_if_the_app_dies_before_marking_it() -> None:
    fakes = Fakes([build_row(1)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fakes, "mark_reported", lambda *_: exit("killed"))
        with pytest.raises(SystemExit):
            fakes.report(BURST)
    assert fakes.report(BURST) == ReportOutcome("sent", 1)
    first, second = (report_id(incident, predictions) for incident, predictions, _ in fakes.reports)
    assert first == second


def test_truncates_a_flood_and_leaves_the_rest_to_the_next_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incident, "MAX_PREDICTIONS", 3)
    fakes = Fakes([build_row(n) for n in range(5)])
    assert fakes.report(BURST) == ReportOutcome("sent", 3)
    assert fakes.report(BURST._replace(alert_id="next")) == ReportOutcome("sent", 2)
    assert fakes.sent == [digests(0, 1, 2), digests(3, 4)]
    assert [truncated for *_, truncated in fakes.reports] == [True, False]


def test_report_id_depends_on_the_listed_predictions() -> None:
    """Most mail clients show a repeated id only once: a third prediction must not hide behind the first two."""
    one, two = report_id(BURST, [build_row(1)]), report_id(BURST, [build_row(1), build_row(2)])
    assert one != two and one == report_id(BURST._replace(alert_id="other"), [build_row(1)])


def test_report_id_depends_on_the_alert_if_no_predictions_are_listed() -> None:
    assert report_id(LATENCY, []) != report_id(LATENCY._replace(alert_id="other"), [])


def test_digest_depends_on_the_alert_id_only() -> None:
    assert BURST.digest == LATENCY.digest != BURST._replace(alert_id="b").digest
    assert len(BURST.digest) == 32 and BURST.digest.isalnum()
