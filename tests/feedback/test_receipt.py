import base64
import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.receipt import Receipts
from sentiment.errors import ExpiredReceipt, InvalidReceipt

KEY, OLD_KEY = "k" * 32, "o" * 32
MONTH = timedelta(days=30)
RECEIPTS = Receipts([KEY, OLD_KEY], MONTH)


def sign(receipts: Receipts = RECEIPTS, text: str = "a text") -> str:
    return receipts.sign("lite@1", 0.1234, "negative", text)


def test_what_was_signed_is_read() -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    token = sign()
    receipt = RECEIPTS.read_recent(token)
    assert (receipt.model, receipt.probability, receipt.label, receipt.id) == ("lite@1", 0.1234, "negative", token)
    assert before <= receipt.predicted_at <= datetime.now(UTC)


def test_an_id_fits_a_url_and_the_contract() -> None:
    assert re.fullmatch(r"[\w.-]{1,512}", sign(), re.ASCII)


def test_two_predictions_of_one_text_are_two_predictions() -> None:
    first, second = RECEIPTS.read(sign()), RECEIPTS.read(sign())
    assert first.digest != second.digest
    assert re.fullmatch("[0-9a-f]{32}", first.digest)


def test_the_text_is_not_in_it() -> None:
    payload = base64.urlsafe_b64decode(sign(text="secret plan").split(".")[0] + "==")
    assert "secret" not in str(json.loads(payload))


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_changed_id_is_foreign_or_the_same_prediction(position: int, change: int) -> None:
    """The last characters of a signature carry bits that mean nothing: they must not make another prediction of it."""
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
def test_one_prediction_has_one_digest_however_its_signature_is_written(padding: str) -> None:
    token = sign()
    assert RECEIPTS.read(token + padding).digest == RECEIPTS.read(token).digest


@pytest.mark.parametrize("token", ["", ".", "a.b.c", "é", "x" * 600, "\ud800"])
def test_nonsense_is_foreign(token: str) -> None:
    with pytest.raises(InvalidReceipt):
        RECEIPTS.read(token)


def test_another_key_is_foreign_and_a_rotated_one_is_not() -> None:
    assert RECEIPTS.read(sign(Receipts([OLD_KEY], MONTH))).model == "lite@1"
    with pytest.raises(InvalidReceipt):
        RECEIPTS.read(sign(Receipts(["x" * 32], MONTH)))
    with pytest.raises(InvalidReceipt):  # the new key signs
        Receipts([OLD_KEY], MONTH).read(sign())


def test_an_old_one_expires_but_can_still_be_read() -> None:
    token = sign()
    impatient = Receipts([KEY], timedelta(seconds=-1))
    with pytest.raises(ExpiredReceipt):
        impatient.read_recent(token)
    assert impatient.read(token).id == token


def test_the_hash_of_a_text_needs_the_key() -> None:
    """Else anybody who holds a receipt could guess its text."""
    tokens = [sign(Receipts([key], MONTH)) for key in (KEY, OLD_KEY)]
    payloads = [json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "==")) for token in tokens]
    assert payloads[0][3] != payloads[1][3]


def test_only_the_text_that_was_predicted_verifies() -> None:
    for key in (KEY, OLD_KEY):
        receipt = RECEIPTS.read(sign(Receipts([key], MONTH), "my text"))
        RECEIPTS.verify_text(receipt, "my text")
        with pytest.raises(InvalidReceipt):
            RECEIPTS.verify_text(receipt, "my text ")
