"""Mask personal data in what people write, before anything is stored."""

import re
import unicodedata
from functools import cache
from itertools import count
from typing import NamedTuple

from sentiment.text import TextSpec

_MAX_ESCAPES = 8
_WITHOUT_ESCAPES = {ord("&"): " ", ord("%"): " "}


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
    for n_rounds in count(1):
        plain = _unescape(text)
        if plain == text:
            return text
        # Nobody escapes so often to be read. What is left stays as it is, and no decoder can read it any longer.
        text = plain.translate(_WITHOUT_ESCAPES) if n_rounds == _MAX_ESCAPES else plain
    raise AssertionError  # not reached: count() has no end


def _unescape(text: str) -> str:
    """Return `text`, at most four times as long, with one level of escapes less."""
    entity, at, hidden, digits, normal = _spellings()
    plain = entity.sub(_decode, at.sub("@", TextSpec(lowercase=False).clean(text)))
    plain = normal.sub(lambda part: unicodedata.normalize("NFKC", part[0]), plain)
    return hidden.sub("", plain.translate(digits))


class _Spellings(NamedTuple):
    entity: re.Pattern[str]
    at: re.Pattern[str]
    hidden: re.Pattern[str]
    digits: dict[int, str]
    normal: re.Pattern[str]


@cache
def _spellings() -> _Spellings:
    return _Spellings(
        # Without semicolon, or with one that was decoded from another.
        re.compile(r"&(?:#(?:x(?P<hex>[0-9a-f]{1,6})|(?P<decimal>\d{1,7}))|commat);?", re.IGNORECASE),
        re.compile(r"%(?:25)*40"),
        # Unicode's default ignorable code points that are letters or marks, and what makes keycaps of digits.
        re.compile(r"[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\uffa0]|(?<=[ -~])[\ufe00-\ufe0f\u20e3]+"),
        # Digits that NFKC keeps.
        {ord(c): str(unicodedata.digit(c)) for c in "⓵⓶⓷⓸⓹⓺⓻⓼⓽⓿❶❷❸❹❺❻❼❽❾➀➁➂➃➄➅➆➇➈➊➋➌➍➎➏➐➑➒፩፪፫፬፭፮፯፰፱"},
        # All but words in one character, like "㌖" and U+FDFA: NFKC makes up to 18 of one, and none is personal.
        re.compile(r"[^\u3300-\u3357\u33ae\u33af\ufdfa\ufdfb]+"),
    )


def _decode(entity: re.Match[str]) -> str:
    if not (entity["hex"] or entity["decimal"]):
        return "@"
    code = int(entity["hex"], 16) if entity["hex"] else int(entity["decimal"])
    return chr(code) if 0 < code < 0x110000 else ""
