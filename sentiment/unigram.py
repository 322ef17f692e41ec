"""Split words into the most probable pieces, as SentencePiece does for XLM-R.

Kudo, "Subword regularization", 2018: each piece has a log-probability, and a word is split where their sum is largest.
The vocabulary may be a part of the published one: a word that lost its piece is spelt with shorter ones.

Written here, because a cold start would take ten times as long to import the package `tokenizers` and to load the same
vocabulary with it. Equal texts get equal pieces but for two kinds of characters that
XLM-R has no pieces for: those that are newer than its tables, and accents piled on a character that NFKC decomposes.
"""

import math
import unicodedata
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

WORD_START = "▁"  # U+2581; a piece that starts a word starts with it
UNKNOWN_PENALTY = 10.0  # by which the log-probability of an unknown character is lower than that of the rarest piece

# What XLM-R's character map has beyond NFKC: these become spaces, and these control characters vanish.
_SPACES = "\t\n\f\r\u1680\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u2581\ufeff\ufffd"
_CHARACTERS = {**dict.fromkeys([*range(0x20), 0x7F, 0x8F, 0x9F]), **dict.fromkeys(map(ord, _SPACES), " ")}
_KEPT = "～"  # U+FF5E, the only character that NFKC replaces and XLM-R keeps


def normalise(text: str) -> str:
    """Map characters as XLM-R does: SentencePiece's nmt_nfkc, with the Unicode tables of Python."""
    if text.isascii() and text.isprintable():
        return text
    parts = text.translate(_CHARACTERS).split(_KEPT)
    return _KEPT.join(unicodedata.normalize("NFKC", part) for part in parts)


class Unigram:
    """A unigram model over `ids`, which maps pieces to indices of `scores`, their log-probabilities; -inf: never.

    Every piece must be at least as probable as the parts it could be split into: no other is ever used, and a word that
    is a piece need not be split.
    """

    def __init__(self, ids: Mapping[str, int], scores: NDArray[np.float64], unknown: int) -> None:
        self._ids, self._scores, self._unknown = ids, scores.tolist(), unknown
        self._unknown_score = float(scores.min(initial=0, where=np.isfinite(scores))) - UNKNOWN_PENALTY
        self._longest = max(map(len, ids))  # characters

    def __call__(self, text: str) -> list[int]:
        """Return the ids of the pieces of `text`. Words stand between spaces."""
        ids: list[int] = []
        for word in normalise(text).split():
            id_ = self._ids.get(WORD_START + word)
            ids += self.split(WORD_START + word) if id_ is None else [id_]
        return ids

    def split(self, word: str) -> list[int]:
        """Return the most probable path (Viterbi, 1967), in O(len(word)). Adjacent unknown characters are one piece."""
        ids, scores, n = self._ids, self._scores, len(word)
        best = [0.0] + [-math.inf] * n  # by position: the largest sum of scores up to there
        last = [(0, 0)] * (n + 1)  # and the last piece of that path: where it starts, and its id
        for start in range(n):
            for end in range(start + 1, min(start + self._longest, n) + 1):
                id_ = ids.get(word[start:end])
                if id_ is not None:
                    score = best[start] + scores[id_]
                elif end == start + 1:
                    id_, score = self._unknown, best[start] + self._unknown_score
                else:
                    continue
                if score > best[end]:  # of equal paths, the one whose last piece is longer
                    best[end], last[end] = score, (start, id_)
        path: list[int] = []
        while n:
            n, id_ = last[n]
            if id_ != self._unknown or path[-1:] != [id_]:
                path.append(id_)
        return path[::-1]
