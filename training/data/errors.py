"""One line about an error, for people."""


def one_line(error: BaseException) -> str:
    """Return the first line of an error's text or, if it has none, what kind of error it is."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
