"""A probability becomes words a person can act on."""

from typing import Literal, NamedTuple

from .language import is_probably_not_english
from .manifest import Thresholds

type Label = Literal["positive", "negative"]
type Decision = Literal["publish", "review", "hold"]
type WarningCode = Literal["mostly_unknown_words", "probably_not_english"]

UNKNOWN_WORDS_LIMIT = 0.5  # the share of unknown tokens from which on the score says little about the text


class Verdict(NamedTuple):
    label: Label
    decision: Decision
    warnings: list[WarningCode]


def verdict(text: str, probability: float, unknown_share: float, thresholds: Thresholds) -> Verdict:
    """What a calibrated P(positive) means for a text, given the share of its tokens that the model does not know.

    Publish only where "positive" is precise, hold where "negative" is, review between: a bad tweet let through is
    what costs, so a text the model cannot read is never waved through.
    """
    warnings: list[WarningCode] = ["mostly_unknown_words"] if unknown_share > UNKNOWN_WORDS_LIMIT else []
    if is_probably_not_english(text):
        warnings.append("probably_not_english")
    decision: Decision
    if probability <= thresholds.hold:
        decision = "hold"
    elif probability >= thresholds.publish and not warnings:
        decision = "publish"
    else:
        decision = "review"
    return Verdict("positive" if probability >= 0.5 else "negative", decision, warnings)
