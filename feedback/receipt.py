"""Signed prediction ids. A receipt proves that a prediction was made, so predictions need not be stored.

It holds the model, the probability and label, a keyed hash of the text and the time. It does not hold the text. The
hash is sealed: two receipts of one text have nothing in common, so predicting a guess does not show whether it is the
text of another receipt.
"""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from itsdangerous import BadData, URLSafeTimedSerializer

from .errors import ExpiredReceipt, InvalidReceipt, ReceiptFromFuture

MAX_CLOCK_SKEW = timedelta(minutes=5)  # between two instances
_SEALED = 2  # the last field of a payload whose hash is sealed; earlier receipts have the plain hash, and no such field


class Receipt(NamedTuple):
    model: str  # name@version
    probability: float  # P(positive)
    label: str
    text_hash: str  # keyed, hexadecimal: the same for every prediction of a text, until the key is rotated
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
        self._serializers = {key: _serializer(key) for key in keys}
        self._signing_key = keys[0]
        self._max_age = max_age

    def sign(self, model: str, probability: float, label: str, text: str) -> str:
        """Return a URL-safe prediction id. It differs every time, even for the same text in the same second."""
        key, nonce = self._signing_key, secrets.token_urlsafe(12)
        sealed = _seal(key, nonce, _text_hash(key, text))
        return str(self._serializers[key].dumps([model, probability, label, sealed, nonce, _SEALED]))

    def read(self, prediction_id: str) -> Receipt:
        """Return the receipt of a prediction id, however old. Raises InvalidReceipt."""
        for key, serializer in self._serializers.items():
            try:
                payload, signed_at = serializer.loads(prediction_id, return_timestamp=True)
            except (BadData, UnicodeEncodeError):
                continue
            model, probability, label, text_hash, nonce, *is_sealed = payload
            if is_sealed:
                text_hash = _seal(key, nonce, text_hash)
            return Receipt(model, probability, label, text_hash, signed_at.astimezone(UTC), prediction_id)
        raise InvalidReceipt("This prediction_id was not issued by this service.")

    def read_recent(self, prediction_id: str) -> Receipt:
        """Return the receipt as `read` does.

        Raises ExpiredReceipt if it is older than `max_age`, and ReceiptFromFuture if it was signed later than now, by
        more than MAX_CLOCK_SKEW: feedback is purged by the time of its prediction.
        """
        receipt = self.read(prediction_id)
        age = datetime.now(UTC) - receipt.predicted_at
        if age > self._max_age:
            raise ExpiredReceipt(f"This prediction is older than {self._max_age.days} days.")
        if age < -MAX_CLOCK_SKEW:
            raise ReceiptFromFuture("This prediction is dated in the future: the clock of the service was wrong.")
        return receipt

    def matches_text(self, receipt: Receipt, text: str) -> bool:
        """Return whether `text` is exactly the text that was predicted."""
        hashes = [_text_hash(key, text) for key in self._serializers]
        return any(hmac.compare_digest(receipt.text_hash, text_hash) for text_hash in hashes)


def _serializer(key: str) -> URLSafeTimedSerializer:
    options = {"key_derivation": "hmac", "digest_method": hashlib.sha256}
    return URLSafeTimedSerializer(key, salt="buzzguard.prediction", signer_kwargs=options)


def _text_hash(key: str, text: str) -> str:
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()[:32]


def _seal(key: str, nonce: str, text_hash: str) -> str:
    """Return the hash with a pad over it that only the key and the nonce give. Sealing it again opens it.

    No text has a NUL, so no pad is the hash of a text.
    """
    pad = hmac.new(key.encode(), b"\0" + nonce.encode(), hashlib.sha256).hexdigest()[:32]
    return f"{int(text_hash, 16) ^ int(pad, 16):032x}"
