"""Turn a probability into a label, a decision and warnings."""

from typing import Literal, NamedTuple

from .language import is_probably_not_english
from .manifest import Thresholds
from .text import TextSpec, is_readable

type Label = Literal["positive", "negative"]
type Decision = Literal["publish", "review", "hold"]
type WarningCode = Literal["mostly_unknown_words", "probably_not_english", "unreadable_characters"]

PLAIN = TextSpec(lowercase=False)  # the text that a person reads
UNKNOWN_WORDS_LIMIT = 0.5  # share of unknown tokens above which the score says little about the text


class Verdict(NamedTuple):
    """The label of a text, what to do with it, and reasons not to trust the score."""

    label: Label
    decision: Decision
    warnings: list[WarningCode]


def verdict(text: str, probability: float, unknown_share: float, thresholds: Thresholds) -> Verdict:
    """Return the verdict on a text, given its calibrated P(positive) and its share of unknown tokens.

    The decision is "publish" only where the label "positive" is precise, "hold" only where "negative" is, and "review"
    between them. A text with a warning is never "publish": a bad tweet that gets published is the expensive mistake.
    """
    warnings: list[WarningCode] = ["mostly_unknown_words"] if unknown_share > UNKNOWN_WORDS_LIMIT else []
    if is_probably_not_english(PLAIN.clean(text)):
        warnings.append("probably_not_english")
    if not is_readable(text):
        warnings.append("unreadable_characters")
    decision: Decision
    if probability <= thresholds.hold:
        decision = "hold"
    elif probability >= thresholds.publish and not warnings:
        decision = "publish"
    else:
        decision = "review"
    return Verdict("positive" if probability >= 0.5 else "negative", decision, warnings)
