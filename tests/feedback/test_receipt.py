import base64
import hashlib
import hmac
import json
import re
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import URLSafeTimedSerializer

from feedback.errors import ExpiredReceipt, InvalidReceipt, ReceiptFromFuture
from feedback.receipt import MAX_CLOCK_SKEW, Receipts

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


@pytest.mark.parametrize(
    ("ahead", "is_accepted"), [(MAX_CLOCK_SKEW, True), (MAX_CLOCK_SKEW + timedelta(seconds=2), False)]
)
def test_refuses_feedback_on_a_receipt_from_the_future(
    monkeypatch: pytest.MonkeyPatch, ahead: timedelta, is_accepted: bool
) -> None:
    """A few minutes are the difference of two clocks. Ten years would keep the row for ten years."""
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: (datetime.now(UTC) + ahead).timestamp())
    token = sign()
    with nullcontext() if is_accepted else pytest.raises(ReceiptFromFuture):
        RECEIPTS.read_recent(token)
    assert RECEIPTS.read(token).id == token


def test_text_hash_depends_on_the_key() -> None:
    """Otherwise anybody who reads it could guess the text."""
    hashes = {RECEIPTS.read(sign(Receipts([key], MONTH))).text_hash for key in (KEY, OLD_KEY)}
    assert len(hashes) == 2


def test_all_predictions_of_a_text_have_one_hash() -> None:
    hashes = [RECEIPTS.read(sign(text=text)).text_hash for text in ("a text", "a text", "a text ")]
    assert hashes[0] == hashes[1] != hashes[2]


def test_receipts_of_one_text_share_nothing_that_their_holder_could_compare() -> None:
    """Otherwise a guess that is predicted would show whether it is the text of another receipt."""
    first, second = (json.loads(base64.urlsafe_b64decode(sign().split(".")[0] + "==")) for _ in range(2))
    assert first[:3] == second[:3] == ["lite@1", 0.1234, "negative"]
    assert first[3] != second[3] and first[4] != second[4]
    assert RECEIPTS.read(sign()).text_hash not in (first[3], second[3])


def test_reads_a_receipt_from_before_hashes_were_sealed() -> None:
    text_hash = hmac.new(KEY.encode(), b"my text", hashlib.sha256).hexdigest()[:32]
    options = {"key_derivation": "hmac", "digest_method": hashlib.sha256}
    serializer = URLSafeTimedSerializer(KEY, salt="buzzguard.prediction", signer_kwargs=options)
    receipt = RECEIPTS.read_recent(serializer.dumps(["lite@1", 0.9, "positive", text_hash, "12345678"]))
    assert (receipt.model, receipt.text_hash) == ("lite@1", text_hash)
    assert RECEIPTS.matches_text(receipt, "my text")


@pytest.mark.parametrize("key", [KEY, OLD_KEY])
def test_matches_only_the_text_that_was_predicted(key: str) -> None:
    receipt = RECEIPTS.read(sign(Receipts([key], MONTH), "my text"))
    assert RECEIPTS.matches_text(receipt, "my text")
    assert not RECEIPTS.matches_text(receipt, "my text ")
