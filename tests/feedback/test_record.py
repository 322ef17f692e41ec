from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from feedback.receipt import Receipt
from feedback.record import Feedback, record, scrub

RECEIPT = Receipt("lite@1", 0.93, "positive", "0" * 32, datetime(2026, 11, 22, 5, 59, 59, tzinfo=UTC), "the.id")
NOW = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "scrubbed"),
    [
        ("ask @alice_b about it", "ask <mention> about it"),
        ("see https://example.org/u/alice?id=1 now", "see <url> now"),
        ("WWW.example.org!", "<url>"),
        ("mail alice.b+x@mail.example.org, please", "mail <email>, please"),
        ("call +33 1 23 45 67 89 or (555) 010-9999", "call <number> or <number>"),
        ("flight AF1234 at 10:30, gate 12, 2 hours late", "flight AF1234 at 10:30, gate 12, 2 hours late"),
        ("paid 1,000,000 in 2009", "paid 1,000,000 in 2009"),
        ("card 4111111111111111, example.org/alice or bit.ly/x1", "card <number>, <url> or <url>"),
        ("bob&#64;example.org ＠bob", "<email> <mention>"),
        ("", ""),
    ],
)
def test_what_is_personal_is_masked(text: str, scrubbed: str) -> None:
    assert scrub(text) == scrubbed


@given(st.text(max_size=50), st.sampled_from(["@bob", "bob@example.org", "http://bob.example", "+33123456789"]))
def test_it_is_masked_wherever_it_stands(around: str, personal: str) -> None:
    assert personal not in str(scrub(f"{around} {personal} {around}"))


@given(st.text())
def test_masking_twice_changes_nothing(text: str) -> None:
    assert scrub(scrub(text)) == scrub(text)


def test_a_record_holds_no_more_than_it_should() -> None:
    row = record(RECEIPT, False, NOW, comment="tell @bob")
    assert row == Feedback(
        hour="2026-11-22T05",
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
    assert record(RECEIPT, True, NOW, text="hi @bob").text == "hi <mention>"


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"received_at": NOW + timedelta(days=1)}, True),
        ({"correct": True}, False),
        ({"text": "shared now"}, False),
        ({"comment": None}, False),
    ],
)
def test_the_same_feedback_is_the_same_whenever_it_is_sent(change: dict[str, object], same: bool) -> None:
    row = record(RECEIPT, False, NOW, comment="no")
    assert row.says_the_same_as(replace(row, **change)) is same
