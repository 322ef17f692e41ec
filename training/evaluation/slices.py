"""Kinds of text a model may be better or worse at; a text belongs to as many as it fits.

What a slice holds depends on the text alone, so that models with other text specs are measured on the same slices. The
one exception says so: it is about what the model knows.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from sentiment.text import MENTION, URL, TextSpec
from sentiment.verdict import UNKNOWN_WORDS_LIMIT

SPEC = TextSpec(elongations=False, hashtags=False)  # folds neither "sooo" nor "#tag" away


class Reading(NamedTuple):
    text: str
    tokens: list[str]  # by SPEC
    unknown: float  # the share of the text's tokens that the model has never seen


def read(text: str, unknown: float) -> Reading:
    return Reading(text, SPEC.tokens(text), unknown)


NEGATIONS = frozenset(
    "no not never none nobody nothing nowhere neither nor cannot without hardly barely "
    "dont doesnt didnt isnt arent wasnt werent wont cant couldnt wouldnt shouldnt havent hasnt hadnt aint".split()
)
_EMOJI = re.compile("[\u2600-\u27bf\U0001f1e6-\U0001faff]")
_ELONGATION = re.compile(r"([^\W\d_])\1{2,}")

SLICES: dict[str, Callable[[Reading], bool]] = {
    "negation": lambda r: any(token in NEGATIONS or token.endswith("n't") for token in r.tokens),
    "emoji": lambda r: bool(_EMOJI.search(r.text)),
    "elongation": lambda r: any(_ELONGATION.search(token) for token in r.tokens if token[0] != "<"),
    "question": lambda r: any(token[0] == "?" for token in r.tokens),
    "hashtag": lambda r: any(token[0] == "#" and len(token) > 1 for token in r.tokens),
    "mention": lambda r: MENTION in r.tokens,
    "url": lambda r: URL in r.tokens,
    "short: 10 tokens at most": lambda r: len(r.tokens) <= 10,
    "medium: 11 to 20 tokens": lambda r: 10 < len(r.tokens) <= 20,
    "long: 21 tokens or more": lambda r: len(r.tokens) > 20,
    "mostly unknown words": lambda r: r.unknown > UNKNOWN_WORDS_LIMIT,
}
