"""Explain a score: leave out one word at a time, score again, take the difference.

Leave-one-out occlusion, as in Li, Monroe and Jurafsky, "Understanding neural networks through representation erasure",
2016. It works with every kind of model. What it costs is known before anything is scored.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from .model import Check, Model, Scores, carry_on
from .text import Span

MAX_SINGLE_TOKENS = 64  # more than a tweet has: up to here each token is left out by itself
MAX_TWEET_CHARACTERS = 280
MAX_SINGLE_LENGTH = MAX_SINGLE_TOKENS + 2  # of more than a tweet: ids that the graph reads, several for a rare word
MAX_SEGMENTS = 12  # of a longer text: neighbouring tokens are left out together


class Occlusion(NamedTuple):
    """How a text will be explained: the segments that will be left out, one at a time."""

    spans: list[Span]  # the tokens of the text
    segments: list[slice]  # of `spans`, in reading order; together they cover it

    @property
    def scorings(self) -> int:
        """The number of texts to score: the whole text, and the text without each segment."""
        return 1 + len(self.segments)


class Contribution(NamedTuple):
    """How much a segment, `text[start:end]`, moves the score of `text`."""

    start: int  # in code points
    end: int
    token: str  # as the model reads it; the tokens of a segment are joined by spaces
    weight: float  # in log-odds: above 0 towards positive, below 0 towards negative


def plan_occlusion(model: Model, text: str) -> Occlusion:
    """Divide a text into segments. Scores nothing."""
    spans = model.manifest.text.spans(text)
    is_short = len(spans) <= MAX_SINGLE_TOKENS and (
        len(text) <= MAX_TWEET_CHARACTERS or model.length([span.token for span in spans]) <= MAX_SINGLE_LENGTH
    )
    n = len(spans) if is_short else min(len(spans), MAX_SEGMENTS)
    borders = [len(spans) * i // n for i in range(n + 1)] if spans else [0]
    return Occlusion(spans, [slice(start, end) for start, end in pairwise(borders)])


def explain_texts(
    model: Model, occlusions: Sequence[Occlusion], check: Check = carry_on
) -> tuple[Scores, list[list[Contribution]]]:
    """Return the scores of the whole texts, and for each text the contributions of its segments in reading order.

    Scores as many texts as `occlusions` say. Raises what `check` raises.
    """
    scores, contributions = [], []
    for spans, segments in occlusions:
        tokens = [span.token for span in spans]
        batch = [tokens] + [tokens[: segment.start] + tokens[segment.stop :] for segment in segments]
        scored = model.score_tokens(batch, check)
        scores.append([column[:1] for column in scored])
        contributions.append(
            [
                Contribution(
                    start=spans[segment.start].start,
                    end=spans[segment.stop - 1].end,
                    token=" ".join(tokens[segment]),
                    weight=float(scored.logit[0] - logit_without),
                )
                for segment, logit_without in zip(segments, scored.logit[1:], strict=True)
            ]
        )
    return Scores(*map(np.concatenate, zip(*scores, strict=True))), contributions


def explain(model: Model, text: str) -> list[Contribution]:
    """Return the contribution of each segment of one text, in reading order."""
    _, (contributions,) = explain_texts(model, [plan_occlusion(model, text)])
    return contributions
