import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.masking import mask_personal_data
from tests.support.time_limit import time_limit
from tests.support.tweets import PATHOLOGICAL, megabyte_of


@pytest.mark.parametrize(
    ("text", "masked"),
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
def test_masks_personal_data(text: str, masked: str) -> None:
    assert mask_personal_data(text) == masked


@given(st.text(max_size=50), st.sampled_from(["@bob", "bob@example.org", "http://bob.example", "+33123456789"]))
def test_masks_personal_data_inside_any_text(around: str, personal: str) -> None:
    assert personal not in mask_personal_data(f"{around} {personal} {around}")


@given(st.text())
def test_masking_is_idempotent(text: str) -> None:
    assert mask_personal_data(mask_personal_data(text)) == mask_personal_data(text)


@pytest.mark.parametrize("part", PATHOLOGICAL)
def test_masking_takes_linear_time(part: str) -> None:
    """A megabyte takes less than a second. Quadratic work would take hours."""
    with time_limit(seconds=30):
        mask_personal_data(megabyte_of(part))
