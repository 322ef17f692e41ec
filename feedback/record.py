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
    text_hash: str | None = None  # keyed, from the receipt; None in a row from before it was stored
    text_matches: bool | None = None  # whether the text that was sent is the predicted one; None without a text
    text_shared: bool | None = None  # with consent to store it, which only the predicted text is; None in an older row

    @property
    def is_text_shared(self) -> bool:
        """Whether a text was shared, be it the predicted one or another."""
        return self.text is not None if self.text_shared is None else self.text_shared

    def is_replay_of(self, stored: "Feedback") -> bool:
        """Return whether this is `stored`, or a part of it, sent again.

        Neither the text nor whether it matches plays a part: the answer would tell whether a guess was right.
        """
        return (
            self.correct == stored.correct
            and self.comment in (None, stored.comment)
            and (stored.is_text_shared or not self.is_text_shared)
        )


def build_feedback(
    receipt: Receipt,
    correct: bool,
    received_at: datetime,
    text: str | None = None,
    comment: str | None = None,
    *,
    share_text: bool = True,
    text_matches: bool = True,
) -> Feedback:
    """Return the row to store. `text`, if it is shared, and `comment` are masked here and nowhere else.

    A text that does not match the receipt is masked like any other, which takes the same time, and then left out.
    """
    masked = mask_personal_data(text) if share_text and text is not None else None
    return Feedback(
        digest=receipt.digest,
        correct=correct,
        label=receipt.label,
        probability=receipt.probability,
        model=receipt.model,
        predicted_at=receipt.predicted_at,
        received_at=received_at,
        text=masked if text_matches else None,
        comment=None if comment is None else mask_personal_data(comment),
        text_hash=receipt.text_hash,
        text_matches=None if text is None else text_matches,
        text_shared=masked is not None,
    )
