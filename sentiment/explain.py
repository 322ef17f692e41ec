"""Explain a score: leave out one word at a time, score again, take the difference.

Leave-one-out occlusion, as in Li, Monroe and Jurafsky, "Understanding neural networks through representation erasure",
2016. It works with every kind of model.
"""

from typing import NamedTuple

from .model import Model

MAX_SEGMENTS = 64  # more than the words of a tweet; in a longer text, neighbouring tokens share a segment


class Contribution(NamedTuple):
    """How much a segment, `text[start:end]`, moves the score of `text`."""

    start: int  # in code points
    end: int
    token: str  # as the model reads it; the tokens of a segment are joined by spaces
    weight: float  # in log-odds: above 0 towards positive, below 0 towards negative


def explain(model: Model, text: str) -> list[Contribution]:
    """Return the contribution of each segment, in reading order. Scores at most MAX_SEGMENTS + 1 texts."""
    spans = model.manifest.text.spans(text)
    tokens = [span.token for span in spans]
    stride = max(1, -(-len(spans) // MAX_SEGMENTS))  # tokens in a segment: the quotient, rounded up
    segments = [slice(i, min(i + stride, len(spans))) for i in range(0, len(spans), stride)]
    batch = [tokens] + [tokens[: segment.start] + tokens[segment.stop :] for segment in segments]
    logit = model.score_tokens(batch).logit
    return [
        Contribution(
            start=spans[segment.start].start,
            end=spans[segment.stop - 1].end,
            token=" ".join(tokens[segment]),
            weight=float(logit[0] - logit_without),
        )
        for segment, logit_without in zip(segments, logit[1:], strict=True)
    ]
