"""Explain a score: leave out one word at a time, score again, take the difference.

Leave-one-out occlusion, as in Li, Monroe and Jurafsky, "Understanding neural networks through representation erasure",
2016. It works with every kind of model. What it costs is known before anything is scored.

Of a text of several windows, the window that decides is explained: it alone is scored again without each of its words.
No word outside it has a part in the score.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .features import Tokens
from .model import Check, Model, Scores, carry_on
from .text import Span
from .windows import Window


class Occlusion(NamedTuple):
    """How a text will be explained."""

    spans: list[Span]  # the tokens of the text
    windows: list[Window]  # of these tokens

    @property
    def tokens(self) -> Tokens:
        return [span.token for span in self.spans]

    @property
    def scorings(self) -> int:
        """The number of windows to score: the text's own, and the one that decides without each of its words.

        Which one decides is not known yet, so its words are those of the window that has the most. Windows that are the
        same are scored once.
        """
        return len({tuple(tokens) for tokens, _ in self.windows}) + max(len(set(places)) for _, places in self.windows)


class Contribution(NamedTuple):
    """How much a word, `text[start:end]`, moves the score of `text`."""

    start: int  # in code points
    end: int
    token: str  # as the model reads it
    weight: float  # in log-odds: above 0 towards positive, below 0 towards negative


def plan_occlusion(model: Model, text: str) -> Occlusion:
    """Divide a text into windows. Scores nothing."""
    spans = model.manifest.text.spans(text)
    return Occlusion(spans, model.windows([span.token for span in spans]))


def explain_texts(
    model: Model, occlusions: Sequence[Occlusion], check: Check = carry_on
) -> tuple[Scores, list[list[Contribution]]]:
    """Return the scores of the whole texts, and for each text the contributions of words in reading order.

    Scores at most as many windows as `occlusions` say. Raises what `check` raises.
    """
    scores, contributions = [], []
    for occlusion in occlusions:
        scored, (window,) = model.score_windows([occlusion.tokens], [occlusion.windows], check)
        places = sorted(set(window.places))
        without = [[t for t, at in zip(*window, strict=True) if at != place] for place in places]
        lost = scored.logit - model.logit(without, check) if places else ()
        scores.append(scored)
        contributions.append(
            [
                Contribution(span.start, span.end, span.token, float(weight))
                for span, weight in zip((occlusion.spans[place] for place in places), lost, strict=True)
            ]
        )
    return Scores(*map(np.concatenate, zip(*scores, strict=True))), contributions


def explain(model: Model, text: str) -> list[Contribution]:
    """Return the contributions of the words of one text, in reading order."""
    _, (contributions,) = explain_texts(model, [plan_occlusion(model, text)])
    return contributions
