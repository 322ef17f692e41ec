"""Signed prediction ids. A receipt proves that a prediction was made, so predictions need not be stored.

It holds the model, the probability and label, a keyed hash of the text and the time. It does not hold the text, and
without the key a guessed text cannot be verified.
"""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from itsdangerous import BadData, URLSafeTimedSerializer

from .errors import ExpiredReceipt, InvalidReceipt


class Receipt(NamedTuple):
    model: str  # name@version
    probability: float  # P(positive)
    label: str
    text_hash: str  # keyed, hexadecimal
    predicted_at: datetime  # UTC, to the second
    id: str  # the token it was read from

    @property
    def digest(self) -> str:
        """Return an identifier of the prediction that reveals nothing: 32 hexadecimal digits.

        It covers what is signed, not the signature: base64 can encode the same signature in several ways.
        """
        signed, _, _ = self.id.rpartition(".")
        return hashlib.sha256(signed.encode()).hexdigest()[:32]


class Receipts:
    """Signs and reads prediction ids with HMAC-SHA256 (itsdangerous)."""

    def __init__(self, keys: Sequence[str], max_age: timedelta) -> None:
        """Take `keys` with the signing key first, then those still accepted during a rotation."""
        self._keys = keys
        self._max_age = max_age
        self._serializer = URLSafeTimedSerializer(
            list(reversed(keys)),  # itsdangerous signs with the last one
            salt="buzzguard.prediction",
            signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256},
        )

    def sign(self, model: str, probability: float, label: str, text: str) -> str:
        """Return a URL-safe prediction id. It differs every time, even for the same text in the same second."""
        payload = [model, probability, label, _text_hash(self._keys[0], text), secrets.token_urlsafe(6)]
        return str(self._serializer.dumps(payload))

    def read(self, prediction_id: str) -> Receipt:
        """Return the receipt of a prediction id, however old. Raises InvalidReceipt."""
        try:
            payload, signed_at = self._serializer.loads(prediction_id, return_timestamp=True)
        except (BadData, UnicodeEncodeError) as error:
            raise InvalidReceipt("This prediction_id was not issued by this service.") from error
        model, probability, label, text_hash, _ = payload
        return Receipt(model, probability, label, text_hash, signed_at.astimezone(UTC), prediction_id)

    def read_recent(self, prediction_id: str) -> Receipt:
        """Return the receipt as `read` does. Raises ExpiredReceipt if it is older than `max_age`."""
        receipt = self.read(prediction_id)
        if datetime.now(UTC) - receipt.predicted_at > self._max_age:
            raise ExpiredReceipt(f"This prediction is older than {self._max_age.days} days.")
        return receipt

    def verify_text(self, receipt: Receipt, text: str) -> None:
        """Raise InvalidReceipt if `text` is not the text that was predicted."""
        if not any(hmac.compare_digest(receipt.text_hash, _text_hash(key, text)) for key in self._keys):
            raise InvalidReceipt("The text is not the one this prediction_id was issued for.")


def _text_hash(key: str, text: str) -> str:
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()[:32]
