"""Incidents: predictions were reported as wrong, and an alert of another rule."""

from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec.structs import replace

from feedback.incident import Incident
from feedback.receipt import Receipt
from feedback.record import Feedback, build_feedback
from tests.support.alerts import LINK

SINCE, UNTIL = datetime(2026, 11, 22, 14, 5, tzinfo=UTC), datetime(2026, 11, 22, 14, 20, tzinfo=UTC)
BURST = Incident(
    alert_id="/subscriptions/0/providers/Microsoft.AlertsManagement/alerts/a",
    rule="bad-prediction-burst",
    is_fired=True,
    is_bad_prediction_burst=True,
    severity="Sev2",
    fired_at="2026-11-22T14:20:00.9964513Z",
    description="Three predictions were reported as wrong within five minutes.",
    window=(SINCE, UNTIL),
    link=LINK,
)
LATENCY = BURST._replace(rule="latency", is_bad_prediction_burst=False)


def build_row(number: int, **changes: Any) -> Feedback:
    """Return feedback that a prediction was wrong, received `number` seconds after SINCE."""
    receipt = Receipt("champion@20261122-d8e142c9", 0.93, "positive", "0" * 32, SINCE, f"{number}.signature")
    return replace(build_feedback(receipt, correct=False, received_at=SINCE + timedelta(seconds=number)), **changes)
