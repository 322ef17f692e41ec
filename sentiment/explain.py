"""Explain a score: leave out one word at a time, score again, take the difference.

Leave-one-out occlusion, as in Li, Monroe and Jurafsky, "Understanding neural networks through representation erasure",
2016. It works with every kind of model. What it costs is known before anything is scored.

Of a text of several windows, the window that decides is scored again without its words, and no other. The words outside
it have no part in the score: their weight is 0.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from .features import Tokens
from .model import Check, Model, Scores, carry_on
from .text import Span
from .windows import Window

MAX_SINGLE_TOKENS = 64  # more than a tweet has: up to here each token is left out by itself
MAX_SEGMENTS = 12  # of a longer text: neighbouring tokens are left out together

type Segment = range  # of the tokens of a text


class Occlusion(NamedTuple):
    """How a text will be explained."""

    spans: list[Span]  # the tokens of the text
    windows: list[Window]  # of these tokens

    @property
    def tokens(self) -> Tokens:
        return [span.token for span in self.spans]

    @property
    def scorings(self) -> int:
        """The number of windows to score: the text's own, and the one that decides without each of its segments.

        Which one decides is not known yet, so its segments are those of the window that has the most. Windows that are
        the same are scored once.
        """
        windows = len({tuple(tokens) for tokens, _ in self.windows})
        return windows + max(len(self.segments(window)) for window in self.windows)

    def segments(self, window: Window) -> list[Segment]:
        """Divide a window into what is left out at a time, in reading order."""
        covered = _covered(window)
        n = min(len(covered), MAX_SINGLE_TOKENS if self._is_short else MAX_SEGMENTS)
        borders = [covered.start + len(covered) * i // n for i in range(n + 1)] if n else []
        return [range(start, end) for start, end in pairwise(borders)]

    def outside(self, window: Window) -> list[Segment]:
        """Return the segments outside a window: what is before it and behind it, by tokens in a short text."""
        covered = _covered(window)
        parts = [range(covered.start), range(covered.stop, len(self.spans))]
        return [range(i, i + 1) for part in parts for i in part] if self._is_short else [part for part in parts if part]

    @property
    def _is_short(self) -> bool:
        return len(self.spans) <= MAX_SINGLE_TOKENS


def _covered(window: Window) -> Segment:
    """Return the tokens of the text that a window has."""
    return range(window.places[0], window.places[-1] + 1) if window.places else range(0)


class Contribution(NamedTuple):
    """How much a segment, `text[start:end]`, moves the score of `text`."""

    start: int  # in code points
    end: int
    token: str  # as the model reads it; the tokens of a segment are joined by spaces
    weight: float  # in log-odds: above 0 towards positive, below 0 towards negative


def plan_occlusion(model: Model, text: str) -> Occlusion:
    """Divide a text into windows. Scores nothing."""
    spans = model.manifest.text.spans(text)
    return Occlusion(spans, model.windows([span.token for span in spans]))


def explain_texts(
    model: Model, occlusions: Sequence[Occlusion], check: Check = carry_on
) -> tuple[Scores, list[list[Contribution]]]:
    """Return the scores of the whole texts, and for each text the contributions of its segments in reading order.

    Together, these cover the text. Scores at most as many windows as `occlusions` say. Raises what `check` raises.
    """
    scores, contributions = [], []
    for occlusion in occlusions:
        scored, (window,) = model.score_windows([occlusion.tokens], [occlusion.windows], check)
        segments = occlusion.segments(window)
        without = [[t for t, place in zip(*window, strict=True) if place not in segment] for segment in segments]
        lost = scored.logit - model.logit(without, check) if segments else np.zeros(0)
        weights = [*zip(segments, map(float, lost), strict=True), *((part, 0.0) for part in occlusion.outside(window))]
        scores.append(scored)
        contributions.append(
            [
                Contribution(
                    start=occlusion.spans[segment[0]].start,
                    end=occlusion.spans[segment[-1]].end,
                    token=" ".join(occlusion.tokens[segment.start : segment.stop]),
                    weight=weight,
                )
                for segment, weight in sorted(weights, key=lambda each: each[0].start)
            ]
        )
    return Scores(*map(np.concatenate, zip(*scores, strict=True))), contributions


def explain(model: Model, text: str) -> list[Contribution]:
    """Return the contribution of each segment of one text, in reading order."""
    _, (contributions,) = explain_texts(model, [plan_occlusion(model, text)])
    return contributions
