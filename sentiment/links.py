"""Split a text at its links."""

from collections.abc import Iterator


def split_at_links(text: str) -> Iterator[tuple[int, int, bool]]:
    """Yield the parts of `text`, links and what is between them: start, end, and whether it is a link.

    Positions are in code points. Takes linear time.
    """
    position = 0
    for start, end in _find_links(text):
        if start > position:
            yield position, start, False
        yield start, end, True
        position = end
    if position < len(text):
        yield position, len(text), False


def _find_links(text: str) -> Iterator[tuple[int, int]]:
    if "://" in text or any(after[:1].isalpha() for after in text.split(".")[1:]):
        from .link_rules import find_links  # imported lazily: it takes 5 ms, and most texts have no such colon or dot

        yield from find_links(text)
