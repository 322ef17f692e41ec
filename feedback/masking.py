"""Mask personal data in what people write, before anything is stored."""

import re
import unicodedata
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from sentiment.text import TextSpec

_MAX_ROUNDS = 8  # to unescape a text, and to mask it. What people write takes three.
_UNREADABLE = "<masked>"


def mask_personal_data(text: str) -> str:
    """Replace links, e-mail addresses, @names and long numbers in `text` with masks, however they are written.

    Masking a masked text changes nothing. Takes any text. One that is escaped again and again, or whose masks reveal
    ever more to mask, was not written to be read: it becomes `<masked>` as a whole.

    Of 1,000 characters, a usual text takes about 10 ms of processor. The worst that we found, nothing but telephone
    numbers, takes ten times that.
    """
    # Not at a cold start: the first text costs 0.2 s, for phonenumbers, python-stdnum and to compile the patterns.
    from .personal_numbers import mask_numbers
    from .personal_patterns import ADDRESS_MASKS

    def mask_once(text: str) -> str:
        text = _repeat(_unescape, text)  # a chain such as "&#38#38#38#64" takes a round for each of its links
        for mask, pattern in ADDRESS_MASKS:
            text = pattern.sub(mask, text)
        return mask_numbers(text)

    return _repeat(mask_once, text)  # a mask that stands between two words may separate what was one word


def _repeat(step: Callable[[str], str], text: str) -> str:
    """Apply `step` until it changes nothing. After _MAX_ROUNDS, return _UNREADABLE."""
    for _ in range(_MAX_ROUNDS):
        changed = step(text)
        if changed == text:
            return text
        text = changed
    return _UNREADABLE


def _unescape(text: str) -> str:
    """Return `text`, at most four times as long, in plain characters, with one level of escapes less.

    "&#64;", "%40" and "＠" are all an "@", and nothing invisible is left.
    """
    entity, at, hidden, digits, normal = _spellings()
    plain = entity.sub(_decode, at.sub("@", TextSpec(lowercase=False, emoji=False).clean(text)))
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
        # All but words in one character, like "㌖" and U+FDFA: NFKC makes up to 18 of one, and none is personal. Nor
        # accents for an apostrophe, as in "o´brien": NFKC puts a space before them.
        re.compile(r"[^\u3300-\u3357\u33ae\u33af\ufdfa\ufdfb´΄\u1fbd\u1fbf\u1ffe]+"),
    )


def _decode(entity: re.Match[str]) -> str:
    if not (entity["hex"] or entity["decimal"]):
        return "@"
    code = int(entity["hex"], 16) if entity["hex"] else int(entity["decimal"])
    return chr(code) if 0 < code < 0x110000 else ""
