import base64
import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.errors import ExpiredReceipt, InvalidReceipt
from feedback.receipt import Receipts

KEY, OLD_KEY = "k" * 32, "o" * 32
MONTH = timedelta(days=30)
RECEIPTS = Receipts([KEY, OLD_KEY], MONTH)


def sign(receipts: Receipts = RECEIPTS, text: str = "a text") -> str:
    return receipts.sign("lite@1", 0.1234, "negative", text)


def test_reads_what_it_signed() -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    token = sign()
    receipt = RECEIPTS.read_recent(token)
    assert (receipt.model, receipt.probability, receipt.label, receipt.id) == ("lite@1", 0.1234, "negative", token)
    assert before <= receipt.predicted_at <= datetime.now(UTC)


def test_prediction_id_is_url_safe_and_within_the_documented_length() -> None:
    assert re.fullmatch(r"[\w.-]{1,512}", sign(), re.ASCII)


def test_two_predictions_of_one_text_have_different_digests() -> None:
    first, second = RECEIPTS.read(sign()), RECEIPTS.read(sign())
    assert first.digest != second.digest
    assert re.fullmatch("[0-9a-f]{32}", first.digest)


def test_prediction_id_does_not_contain_the_text() -> None:
    payload = base64.urlsafe_b64decode(sign(text="secret plan").split(".")[0] + "==")
    assert "secret" not in str(json.loads(payload))


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_changed_prediction_id_is_invalid_or_the_same_prediction(position: int, change: int) -> None:
    """The last characters of a base64 signature have unused bits. Changing those must not give another digest."""
    token = bytearray(sign().encode())
    position %= len(token)
    replacement = bytes([token[position] ^ change])
    changed = (token[:position] + replacement + token[position + 1 :]).decode("latin-1")
    try:
        digest = RECEIPTS.read(changed).digest
    except InvalidReceipt:
        return
    assert position > len(token) - 44 and digest == RECEIPTS.read(token.decode()).digest


@pytest.mark.parametrize("padding", ["=", "==", "~~"])
def test_digest_ignores_padding_of_the_signature(padding: str) -> None:
    token = sign()
    assert RECEIPTS.read(token + padding).digest == RECEIPTS.read(token).digest


@pytest.mark.parametrize("token", ["", ".", "a.b.c", "é", "x" * 600, "\ud800"])
def test_rejects_malformed_prediction_id(token: str) -> None:
    with pytest.raises(InvalidReceipt):
        RECEIPTS.read(token)


def test_accepts_receipt_signed_with_previous_key() -> None:
    assert RECEIPTS.read(sign(Receipts([OLD_KEY], MONTH))).model == "lite@1"


def test_rejects_receipt_signed_with_other_key() -> None:
    with pytest.raises(InvalidReceipt):
        RECEIPTS.read(sign(Receipts(["x" * 32], MONTH)))


def test_signs_with_the_current_key_only() -> None:
    with pytest.raises(InvalidReceipt):
        Receipts([OLD_KEY], MONTH).read(sign())


def test_expired_receipt_can_still_be_read() -> None:
    token = sign()
    expired = Receipts([KEY], timedelta(seconds=-1))
    with pytest.raises(ExpiredReceipt):
        expired.read_recent(token)
    assert expired.read(token).id == token


def test_text_hash_depends_on_the_key() -> None:
    """Otherwise anybody with a receipt could guess its text."""
    tokens = [sign(Receipts([key], MONTH)) for key in (KEY, OLD_KEY)]
    payloads = [json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "==")) for token in tokens]
    assert payloads[0][3] != payloads[1][3]


@pytest.mark.parametrize("key", [KEY, OLD_KEY])
def test_verifies_only_the_text_that_was_predicted(key: str) -> None:
    receipt = RECEIPTS.read(sign(Receipts([key], MONTH), "my text"))
    RECEIPTS.verify_text(receipt, "my text")
    with pytest.raises(InvalidReceipt):
        RECEIPTS.verify_text(receipt, "my text ")
