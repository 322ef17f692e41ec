"""Read a text to its end: a tweet in one piece, a longer text in short windows.

A graph averages over all that it reads at a time, so that friendly sentences drown an abusive one. Therefore windows
are short, and the one that looks worst decides about the text. Each overlaps the next by half: whatever is no longer
than half a window stands in one of them whole.
"""

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from .features import Encoder, Tokens


class Window(NamedTuple):
    """A part of a text that is read at a time."""

    tokens: Tokens
    places: Sequence[int]  # of each token among those of the text; the parts of a token that was cut have the same


def divide(encode: Encoder, tokens: Tokens) -> list[Window]:
    """Return the windows of a text: one if the graph can read it in one piece, otherwise overlapping ones in order.

    A window starts and ends between two tokens. Only a token that is longer than a window is cut.
    """
    sizes = [encode.size(token) for token in tokens]
    if sum(sizes) <= encode.max_whole:
        return [Window(tokens, range(len(tokens)))]
    places: list[int] = []
    parts: Tokens = []
    ends = [0]  # of the parts, all sizes before added up
    for place, (token, size) in enumerate(zip(tokens, sizes, strict=True)):
        for part in [token] if size <= encode.max_window else encode.parts(token):
            places.append(place)
            parts.append(part)
            ends.append(ends[-1] + (size if part is token else encode.size(part)))

    def last_within(start: int, size: int) -> int:
        """Return where `size` from `start` ends, at least one token further."""
        return max(start + 1, bisect_right(ends, ends[start] + size) - 1)

    windows, start, end = [], 0, 0
    while end < len(parts):
        end = last_within(start, encode.max_window)
        windows.append(Window(parts[start:end], places[start:end]))
        start = last_within(start, encode.max_window // 2)
    return windows
