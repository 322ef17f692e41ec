"""Slices: kinds of text that a model may be better or worse at. A text can belong to several.

Membership depends on the text alone, not on the model's text spec, so all models are measured on the same slices. The
exception is "mostly unknown words", which depends on the model's vocabulary.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from sentiment.text import MENTION, URL, TextSpec
from sentiment.verdict import UNKNOWN_WORDS_LIMIT

SPEC = TextSpec(elongations=False, hashtags=False)  # keeps "sooo" and "#tag" as they are


class Features(NamedTuple):
    """What decides to which slices a text belongs."""

    text: str
    tokens: list[str]  # by SPEC
    unknown_share: float  # of the tokens: not in the model's vocabulary


def extract(text: str, unknown_share: float) -> Features:
    return Features(text, SPEC.tokens(text), unknown_share)


NEGATIONS = frozenset(
    "no not never none nobody nothing nowhere neither nor cannot without hardly barely "
    "dont doesnt didnt isnt arent wasnt werent wont cant couldnt wouldnt shouldnt havent hasnt hadnt aint".split()
)
_EMOJI = re.compile("[\u2600-\u27bf\U0001f1e6-\U0001faff]")
_ELONGATION = re.compile(r"([^\W\d_])\1{2,}")

SLICES: dict[str, Callable[[Features], bool]] = {
    "negation": lambda f: any(token in NEGATIONS or token.endswith("n't") for token in f.tokens),
    "emoji": lambda f: bool(_EMOJI.search(f.text)),
    "elongation": lambda f: any(_ELONGATION.search(token) for token in f.tokens if token[0] != "<"),
    "question": lambda f: any(token[0] == "?" for token in f.tokens),
    "hashtag": lambda f: any(token[0] == "#" and len(token) > 1 for token in f.tokens),
    "mention": lambda f: MENTION in f.tokens,
    "url": lambda f: URL in f.tokens,
    "short: 10 tokens at most": lambda f: len(f.tokens) <= 10,
    "medium: 11 to 20 tokens": lambda f: 10 < len(f.tokens) <= 20,
    "long: 21 tokens or more": lambda f: len(f.tokens) > 20,
    "mostly unknown words": lambda f: f.unknown_share > UNKNOWN_WORDS_LIMIT,
}
