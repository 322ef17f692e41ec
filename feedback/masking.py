"""Mask personal data in what people write, before anything is stored."""

import re
import unicodedata
from functools import cache

from sentiment.text import TextSpec


def mask_personal_data(text: str) -> str:
    """Replace links, e-mail addresses, @names and long numbers in `text` with masks, however they are written.

    Masking a masked text changes nothing. Takes any text. Of 1,000 characters, a usual text takes a few milliseconds of
    processor, and the worst that we found a tenth of a second.
    """
    # Not at a cold start: the first text costs 0.2 s, for phonenumbers, python-stdnum and to compile the patterns.
    from .personal_numbers import mask_numbers
    from .personal_patterns import ADDRESS_MASKS

    while True:  # a mask that stands between two words may separate what was one word
        masked = _spell_out(text)
        for mask, pattern in ADDRESS_MASKS:
            masked = pattern.sub(mask, masked)
        masked = mask_numbers(masked)
        if masked == text:
            return text
        text = masked


def _spell_out(text: str) -> str:
    """Return `text` in plain characters: "&#64;", "%40" and "＠" are all an "@", and nothing invisible is left."""
    entity, hidden, digits = _spellings()
    while True:
        plain = entity.sub(_decode, TextSpec(lowercase=False).clean(text).replace("%40", "@"))
        plain = hidden.sub("", unicodedata.normalize("NFKC", plain).translate(digits))
        if plain == text:
            return text
        text = plain


@cache
def _spellings() -> tuple[re.Pattern[str], re.Pattern[str], dict[int, str]]:
    """Return patterns of an entity without semicolon and of what no reader sees, and the digits that NFKC keeps."""
    return (
        re.compile(r"&(?:#(?:x(?P<hex>[0-9a-f]{1,6})|(?P<decimal>\d{1,7}))|commat);?", re.IGNORECASE),
        # Unicode's default ignorable code points that are letters or marks, and what makes keycaps of digits.
        re.compile(r"[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\uffa0]|(?<=[ -~])[\ufe00-\ufe0f\u20e3]+"),
        {ord(c): str(unicodedata.digit(c)) for c in "⓵⓶⓷⓸⓹⓺⓻⓼⓽⓿❶❷❸❹❺❻❼❽❾➀➁➂➃➄➅➆➇➈➊➋➌➍➎➏➐➑➒፩፪፫፬፭፮፯፰፱"},
    )


def _decode(entity: re.Match[str]) -> str:
    if not (entity["hex"] or entity["decimal"]):
        return "@"
    code = int(entity["hex"], 16) if entity["hex"] else int(entity["decimal"])
    return chr(code) if 0 < code < 0x110000 else ""
