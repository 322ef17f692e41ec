from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from feedback.receipt import Receipt
from feedback.record import Feedback, build_feedback

RECEIPT = Receipt("lite@1", 0.93, "positive", "0" * 32, datetime(2026, 11, 22, 5, 59, 59, tzinfo=UTC), "the.id")
NOW = datetime(2026, 11, 23, tzinfo=UTC)


def test_feedback_has_the_receipt_and_masked_words() -> None:
    feedback = build_feedback(RECEIPT, False, NOW, comment="tell @bob")
    assert feedback == Feedback(
        digest=RECEIPT.digest,
        correct=False,
        label="positive",
        probability=0.93,
        model="lite@1",
        predicted_at=RECEIPT.predicted_at,
        received_at=NOW,
        text=None,
        comment="tell <mention>",
    )
    assert build_feedback(RECEIPT, True, NOW, text="hi @bob").text == "hi <mention>"


@pytest.mark.parametrize(
    ("change", "is_replay"),
    [
        ({"received_at": NOW + timedelta(days=1)}, True),
        ({"correct": True}, False),
        ({"text": "shared now"}, False),
        ({"comment": None}, False),
    ],
)
def test_replay_may_differ_only_in_when_it_is_received(change: dict[str, object], is_replay: bool) -> None:
    feedback = build_feedback(RECEIPT, False, NOW, comment="no")
    assert feedback.is_replay_of(replace(feedback, **change)) is is_replay
