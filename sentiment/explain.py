"""How much each word moved the score: leave it out, score again, take the difference.

Leave-one-out occlusion, as in Li, Monroe and Jurafsky, "Understanding neural networks through representation erasure",
2016. It works for every family of models.
"""

from typing import NamedTuple

from .model import Model

MAX_SEGMENTS = 64  # more than a tweet has words; in longer texts, neighbouring tokens share a segment


class Contribution(NamedTuple):
    start: int  # text[start:end] in the original text, in code points
    end: int
    token: str  # as the model reads it; the tokens of a segment are joined by spaces
    weight: float  # log-odds: above 0 it pushes towards positive, below towards negative


def explain(model: Model, text: str) -> list[Contribution]:
    """Return the contribution of every segment of `text`, in reading order. Scores at most MAX_SEGMENTS + 1 texts."""
    spans = model.manifest.text.spans(text)
    tokens = [span.token for span in spans]
    stride = max(1, -(-len(spans) // MAX_SEGMENTS))
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
