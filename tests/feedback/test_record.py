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
        text_hash="0" * 32,
        text_matches=None,
        text_shared=False,
    )
    shared = build_feedback(RECEIPT, True, NOW, text="hi @bob")
    assert (shared.text, shared.text_matches) == ("hi <mention>", True)


def test_text_that_is_not_the_predicted_one_is_noted_and_not_stored() -> None:
    feedback = build_feedback(RECEIPT, False, NOW, text="a guess", text_matches=False)
    assert (feedback.text, feedback.text_matches, feedback.is_text_shared) == (None, False, True)


def test_text_without_consent_is_compared_and_not_stored() -> None:
    for matches in (True, False):
        feedback = build_feedback(RECEIPT, False, NOW, text="hi @bob", share_text=False, text_matches=matches)
        assert (feedback.text, feedback.text_matches, feedback.is_text_shared) == (None, matches, False)


def test_text_is_masked_whether_it_matches_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the time to answer would show whether a guess was right."""
    masked: list[str] = []
    monkeypatch.setattr("feedback.record.mask_personal_data", lambda text: masked.append(text) or text)
    for matches in (True, False):
        build_feedback(RECEIPT, True, NOW, text="a guess", text_matches=matches)
    assert masked == ["a guess", "a guess"]


NOTHING_MORE = build_feedback(RECEIPT, False, NOW)
COMMENTED = build_feedback(RECEIPT, False, NOW, comment="no")
SHARED = build_feedback(RECEIPT, False, NOW, text="the text")
GUESSED = build_feedback(RECEIPT, False, NOW, text="another", text_matches=False)
# As rows were before they had a hash.
OLD_SHARED = replace(SHARED, text_hash=None, text_matches=None, text_shared=None)
OLD_UNSHARED = replace(NOTHING_MORE, text_hash=None, text_shared=None)
SENT = build_feedback(RECEIPT, False, NOW, text="the text", share_text=False)


@pytest.mark.parametrize(
    ("sent", "stored", "is_replay"),
    [
        (replace(NOTHING_MORE, received_at=NOW + timedelta(days=1)), NOTHING_MORE, True),
        (replace(NOTHING_MORE, correct=True), NOTHING_MORE, False),
        (COMMENTED, COMMENTED, True),
        (NOTHING_MORE, COMMENTED, True),
        (COMMENTED, NOTHING_MORE, False),
        (replace(COMMENTED, comment="yes"), COMMENTED, False),
        (NOTHING_MORE, SHARED, True),
        (NOTHING_MORE, GUESSED, True),
        (SHARED, NOTHING_MORE, False),
        (GUESSED, NOTHING_MORE, False),
        *((sent, stored, True) for sent in (SHARED, GUESSED) for stored in (SHARED, GUESSED, OLD_SHARED)),
        *((sent, OLD_UNSHARED, False) for sent in (SHARED, GUESSED)),
        (COMMENTED, SHARED, False),
        (SENT, NOTHING_MORE, True),
        (NOTHING_MORE, SENT, True),
        (SHARED, SENT, False),
    ],
)
def test_replay_repeats_what_is_stored_or_a_part_of_it(sent: Feedback, stored: Feedback, is_replay: bool) -> None:
    assert sent.is_replay_of(stored) is is_replay
