"""Errors that end a command with one line, for people."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def one_line(error: BaseException) -> str:
    """Return the first line of an error's text or, if it has none, what kind of error it is."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


@contextmanager
def refuse_damaged(path: Path | str, advice: str) -> Iterator[None]:
    """Raise SystemExit with one line, which names `path`, for any error while it is read.

    For formats whose readers raise whatever the bytes of a damaged file lead to: pickles, archives of arrays, weights.
    """
    try:
        yield
    except Exception as error:
        kind = type(error).__name__
        raise SystemExit(f"{path}: cannot be read ({kind}: {one_line(error)}); {advice}") from error
