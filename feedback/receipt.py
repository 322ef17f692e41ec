"""Signed prediction ids. A receipt proves that a prediction happened, so none is stored: nothing to pay or to keep.

Inside: which model, what it said, a keyed hash of the text, when. The text itself is not in it and cannot be guessed
from it without the key.
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
    probability: float  # P(positive) that was answered
    label: str
    text_hash: str  # keyed, hexadecimal
    predicted_at: datetime  # UTC, to the second
    id: str  # the token it was read from

    @property
    def digest(self) -> str:
        """A name for this prediction that reveals nothing: 32 hexadecimal digits.

        Of what is signed, not of the signature: base64 can write the same signature in several ways.
        """
        signed, _, _ = self.id.rpartition(".")
        return hashlib.sha256(signed.encode()).hexdigest()[:32]


class Receipts:
    """Signs and reads prediction ids with HMAC-SHA256 (itsdangerous)."""

    def __init__(self, keys: Sequence[str], max_age: timedelta) -> None:
        """`keys`: the signing key first, then those still accepted while a rotation lasts."""
        self._keys = keys
        self._max_age = max_age
        self._serializer = URLSafeTimedSerializer(
            list(reversed(keys)),  # itsdangerous signs with the last
            salt="buzzguard.prediction",
            signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256},
        )

    def sign(self, model: str, probability: float, label: str, text: str) -> str:
        """A prediction id: URL-safe, different every time, even for the same text in the same second."""
        payload = [model, probability, label, _text_hash(self._keys[0], text), secrets.token_urlsafe(6)]
        return str(self._serializer.dumps(payload))

    def read(self, prediction_id: str) -> Receipt:
        """The receipt behind a prediction id, however old. Raises ForeignReceipt."""
        try:
            payload, signed_at = self._serializer.loads(prediction_id, return_timestamp=True)
        except (BadData, UnicodeEncodeError) as error:
            raise InvalidReceipt("This prediction_id was not issued by this service.") from error
        model, probability, label, text_hash, _ = payload
        return Receipt(model, probability, label, text_hash, signed_at.astimezone(UTC), prediction_id)

    def read_recent(self, prediction_id: str) -> Receipt:
        """As `read`, and raises ExpiredReceipt for one older than the receipts' age."""
        receipt = self.read(prediction_id)
        if datetime.now(UTC) - receipt.predicted_at > self._max_age:
            raise ExpiredReceipt(f"This prediction is older than {self._max_age.days} days.")
        return receipt

    def verify_text(self, receipt: Receipt, text: str) -> None:
        """Raises ForeignReceipt if `text` is not the one that was predicted."""
        if not any(hmac.compare_digest(receipt.text_hash, _text_hash(key, text)) for key in self._keys):
            raise InvalidReceipt("The text is not the one this prediction_id was issued for.")


def _text_hash(key: str, text: str) -> str:
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()[:32]
