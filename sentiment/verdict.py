"""Turn a probability into a label, a decision and warnings."""

from typing import Literal, NamedTuple

from .language import is_probably_not_english
from .manifest import Thresholds

type Label = Literal["positive", "negative"]
type Decision = Literal["publish", "review", "hold"]
type WarningCode = Literal["mostly_unknown_words", "probably_not_english"]

UNKNOWN_WORDS_LIMIT = 0.5  # above this share of unknown tokens, the score says little about the text


class Verdict(NamedTuple):
    label: Label
    decision: Decision
    warnings: list[WarningCode]


def verdict(text: str, probability: float, unknown_share: float, thresholds: Thresholds) -> Verdict:
    """Return the verdict on a text, from its calibrated P(positive) and its share of unknown tokens.

    The decision is "publish" only where the label "positive" is precise, "hold" where "negative" is, and "review"
    between. A text with a warning is never published: letting a bad tweet through is the expensive mistake.
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
