"""Which words moved the score: take one away, score again, look at the difference.

Leave-one-out occlusion, as in Li, Monroe and Jurafsky, "Understanding neural networks through representation erasure",
2016. It asks nothing of the model's family.
"""

from typing import NamedTuple

from .model import Model

MAX_SEGMENTS = 64  # more than a tweet has words; a longer text is cut into that many runs of tokens


class Contribution(NamedTuple):
    start: int  # text[start:end] in the caller's own text, in code points
    end: int
    token: str  # as the model reads it; several tokens are joined by spaces
    weight: float  # log-odds: how much it pushes towards positive (> 0) or negative (< 0)


def explain(model: Model, text: str) -> list[Contribution]:
    """The contribution of every token of `text`, in reading order, from the scores of at most ROWS + 1 texts."""
    spans = model.manifest.text.spans(text)
    tokens = [span.token for span in spans]
    stride = max(1, -(-len(spans) // MAX_SEGMENTS))
    stretches = [slice(i, min(i + stride, len(spans))) for i in range(0, len(spans), stride)]
    batch = [tokens] + [tokens[: cut.start] + tokens[cut.stop :] for cut in stretches]
    logit = model.score_tokens(batch).logit
    return [
        Contribution(spans[cut.start].start, spans[cut.stop - 1].end, " ".join(tokens[cut]), float(logit[0] - without))
        for cut, without in zip(stretches, logit[1:], strict=True)
    ]
