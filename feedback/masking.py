"""Mask personal data in what people write, before anything is stored."""

import re
import unicodedata
from functools import cache

from sentiment.text import TextSpec


def mask_personal_data(text: str) -> str:
    """Replace links, e-mail addresses, @names and long numbers in `text` with masks, however they are written."""
    text = TextSpec(lowercase=False).clean(text)
    text = unicodedata.normalize("NFKC", text)  # "&#64;" and "＠" are both an "@"
    for mask, pattern in _masks():
        text = pattern.sub(mask, text)
    return text


@cache
def _masks() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Return each mask with its pattern, compiled on first use: the cold start must not pay for it.

    The order matters. A link may contain anything, and an e-mail address contains an "@name".
    """
    return (
        ("<url>", re.compile(r"(?:https?://|www\.)\S+|\b(?:[a-z0-9-]{1,63}\.){1,4}[a-z]{2,12}/\S*", re.IGNORECASE)),
        ("<email>", re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}")),
        ("<mention>", re.compile(r"@\w+")),
        ("<number>", re.compile(r"\+?\(?\d(?:[ ()./-]{0,2}\d){6,}+")),  # phones, cards, bookings
    )
