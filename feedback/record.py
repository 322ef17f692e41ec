"""The feedback on one prediction, as it is stored."""

from datetime import datetime

import msgspec

from .masking import mask_personal_data
from .receipt import Receipt


class Feedback(msgspec.Struct, frozen=True, kw_only=True):
    """Whether one prediction was right. Personal data in `text` and `comment` is already masked."""

    digest: str  # of the receipt: identifies the prediction
    correct: bool
    label: str
    probability: float  # P(positive) of the prediction
    model: str  # name@version
    predicted_at: datetime  # UTC
    received_at: datetime  # UTC
    text: str | None = None
    comment: str | None = None

    def is_replay_of(self, other: "Feedback") -> bool:
        """Return whether this is `other` sent again, at whatever time."""
        return msgspec.structs.replace(other, received_at=self.received_at) == self


def build_feedback(
    receipt: Receipt, correct: bool, received_at: datetime, text: str | None = None, comment: str | None = None
) -> Feedback:
    """Return the row to store. `text` and `comment` are masked here and nowhere else."""
    return Feedback(
        digest=receipt.digest,
        correct=correct,
        label=receipt.label,
        probability=receipt.probability,
        model=receipt.model,
        predicted_at=receipt.predicted_at,
        received_at=received_at,
        text=None if text is None else mask_personal_data(text),
        comment=None if comment is None else mask_personal_data(comment),
    )
