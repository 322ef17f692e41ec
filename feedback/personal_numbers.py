"""Mask numbers of seven digits and more, whatever separates the digits, and codes that identify somebody.

phonenumbers tells where a telephone number ends and whether an amount could be one, python-stdnum knows bank accounts
and cards. What they do not know is masked by its shape: no library knows every booking.
"""

import re
import unicodedata
from collections.abc import Iterator

from phonenumbers import Leniency, PhoneNumberMatcher
from stdnum import iban, luhn

from .ordinary_numbers import (
    CURRENCY_AFTER,
    CURRENCY_BEFORE,
    GROUPED_AMOUNT,
    HARMLESS,
    MOMENT,
    PLAIN_AMOUNT,
    is_law_or_flights,
)
from .personal_codes import MASK, mask_codes
from .personal_patterns import MARKS

_MIN_DIGITS = 7
_MIN_DIGITS_BESIDE_A_DATE = 5
_MAX_DIGITS_AFTER_A_PHONE = 2  # more may be a part of a number that only looks like a telephone's
_MAX_PHONE_CHARACTERS = 60  # a longer run is masked as a whole: what the library needs for it grows with its square
_REGIONS = (None, "FR", "US", "GB")  # None: numbers that start with "+"


def mask_numbers(text: str) -> str:
    """Replace each bank account, booking, identity and long number in `text`, whose links are masked already."""
    text = _mask_ibans(text)
    text = _IDENTITY.sub(MASK, text)
    text = mask_codes(text, of_digits=False)
    text = _RUN.sub(_mask_run, text)
    return mask_codes(text, of_digits=True)


# All patterns take linear time.

# What may stand between two digits of a number: up to six signs and any spaces. The sign of a currency, of a share or
# of a degree ends a number, and so does a mask.
_GAP = r"(?:\ ++|[^\w\s%‰‱°<>@$¢-¥₠-⃀]|_){0,6}+"
_EXTENSION = r"(?:\ ?[,;(]?\ ?(?:ext(?:ension|n)?|x|poste|durchwahl|interno|anexo|доб)[.:=]{0,2}\ ?\d{1,7}(?!\w))?"

_RUN = re.compile(
    rf"""
    (?P<prefix>(?:(?<!\w)[^\W\d_]{{1,4}}-?)?)
    (?P<run>(?:[+(\[]\ ?){{0,3}}\d(?:{_GAP}\d)*+)
    (?P<extension>{_EXTENSION})
    (?P<suffix>(?:(?:-?[^\W\d_]|[^\W\d_]{{2,4}})(?!\w))?[{MARKS}]*+)
    """,
    re.IGNORECASE | re.VERBOSE,
)
_CORE = re.compile(r"(?:[+(\[]\ ?){0,3}\d(?:.*\d)?")

_BETWEEN = r"(?:[^\w<>@]|_){0,3}"  # two parts of an account
_IBAN = re.compile(rf"(?<![^\W_])(?=([a-z]{{2}}{_BETWEEN}\d{{2}}(?:{_BETWEEN}[a-z0-9]){{11,30}}))", re.IGNORECASE)
_MISTYPED_IBAN = re.compile(
    "|".join(
        rf"[{letters}]{{2}}\d{{2}}(?=(?:[\W_{letters}]{{0,12}}\d){{6}})"
        rf"(?:{_BETWEEN}[{letters}\d]{{4}}){{2,7}}(?:{_BETWEEN}[{letters}\d]{{1,3}})?(?![^\W_])"
        for letters in ("A-Z", "a-z")  # in one case: words may follow
    )
)

_IDENTITY = re.compile(
    r"""
    (?:
      (?<!\w)(?!\d++[^\W\d_]++\b)(?=[\d_]*+[^\W\d_])(?=(?:[^\W\d]*+\d){6})\w++                    # AB123456
    | (?-i:\b[A-Z]{2}[^\w\s<>@,;:]\d{6}\b|\b[A-Z]{2}\ \d{6}\b)(?!\ ?[$¢-¥₠-⃀]|\ ?(?:EUR|USD|GBP|CHF)\b)  # AB-123456
    | \b[12378][ .-]?\d\d[ .-]?\d\d[ .-]?2[ab][ .-]?\d{3}[ .-]?\d{3}(?:[ .-]?\d\d)?\b       # French NIR of Corsica
    | \b\d{5}[ .-]?\d{5}[ .-]?[a-z\d]{11}[ .-]?\d\d\b                                      # French RIB
    | \b\d\d[ ./-]?\d{6}[ ./-]?[a-z][ ./-]?\d{3}\b                                         # German pension insurance
    | \b[\da-f]{2}(?P<sign>[:-])(?:[\da-f]{2}(?P=sign)){4}[\da-f]{2}\b                            # of a network card
    | (?-i: \b[A-Z]{2}[ ./-]?\d\d[ ./-]?\d\d[ ./-]?\d\d[ ./-]?[A-D]\b                     # British NINO
        | \b[A-Z]{5}\d{4}[A-Z]\b                                                            # Indian PAN
        | \b[A-Z]{3}\ ?[A-Z]{3}\ ?\d\d[A-Z]\d\d\ ?[A-Z]\d{3}[A-Z]\b                       # Italian codice fiscale
        | \b(?![AB]?\d{3}MAX)(?=[A-Z\d]{6}\b|[A-Z\d]{9}\b)                                # X7K2PQ, but no A320NEO
          (?:(?:[A-Z]+\d+){2}|(?:\d+[A-Z]+){2})[A-Z\d]*\b )
    )"""
    rf"[{MARKS}]*+",
    re.IGNORECASE | re.VERBOSE,
)


def _mask_ibans(text: str) -> str:
    masked, done = [], 0
    for match in _IBAN.finditer(text):
        if match.start() >= done and (end := _end_of_iban(match[1])):
            masked += [text[done : match.start()], MASK]
            done = match.start() + end
    return "".join(masked) + text[done:]


def _end_of_iban(text: str) -> int:
    """Return where the account number ends with which `text` starts, or 0 if there is none."""
    for end in reversed([word.end() for word in re.finditer(r"[^\W_]+", text)]):
        if iban.is_valid(re.sub(r"[\W_]", "", text[:end]), check_country=False):
            return end
    mistyped = _MISTYPED_IBAN.match(text)
    return mistyped.end() if mistyped else 0


def _mask_run(match: re.Match[str]) -> str:
    """Mask what identifies somebody in a run of digits and separators; keep dates, times and amounts."""
    run = match["run"]
    if (match["prefix"] + run).upper() == "A350-1000":  # the only aircraft with seven digits
        return match[0]
    if len(_digits(run)) < _MIN_DIGITS or _is_money(match) or _is_law_or_flights(match):
        return match[0]
    masked = "".join(_mask_around_moments(run))
    before = "" if masked.startswith(MASK) else match["prefix"]
    after = "" if masked.endswith(MASK) else match["extension"] + match["suffix"]
    return before + masked + after


def _mask_around_moments(run: str) -> Iterator[str]:
    """Yield the parts of a run: dates and times as they are, what is between them masked."""
    moments = list(MOMENT.finditer(run))
    min_digits = _MIN_DIGITS_BESIDE_A_DATE if moments else _MIN_DIGITS
    done = 0
    for moment in moments:
        yield _mask_part(run[done : moment.start()], min_digits)
        yield moment[0]
        done = moment.end()
    yield _mask_part(run[done:], min_digits)


def _mask_part(part: str, min_digits: int) -> str:
    """Mask the number in a part of a run. Separators around it stay."""
    core = _CORE.search(part)
    if core is None or len(_digits(part)) < min_digits or _is_harmless(core[0]):
        return part
    start = core.start()
    if core[0].startswith(("(", "[")) and not re.search(r"[)\]]", core[0]):
        start += 1  # a bracket around the number is no part of it
    number = part[start : core.end()]
    return part[:start] + (MASK if _is_card(number) else _mask_phones(number)) + part[core.end() :]


def _mask_phones(number: str) -> str:
    """Mask the telephone number in `number`, and keep a short number after it; without one, mask it as a whole."""
    for start, end in _phones(number):
        before, after = number[:start], number[end:]
        if not _digits(before) and len(_digits(after)) <= _MAX_DIGITS_AFTER_A_PHONE:
            return before + MASK + after
    return MASK


def _phones(number: str) -> Iterator[tuple[int, int]]:
    if len(number) <= _MAX_PHONE_CHARACTERS:
        for region in _REGIONS:
            leniency = Leniency.VALID if region else Leniency.POSSIBLE
            for match in PhoneNumberMatcher(number, region, leniency=leniency):
                yield match.start, match.end


def _is_harmless(number: str) -> bool:
    """Return whether these are amounts, years, prices or scores, and none a telephone number or a card."""
    if not HARMLESS.fullmatch(number):
        return False
    return not any(map(_identifies_somebody, re.findall(r"[\d,.'’]+", number)))


def _identifies_somebody(amount: str) -> bool:
    return _is_card(amount) or any(_phones(_digits(amount)))


def _is_card(number: str) -> bool:
    digits = _digits(number)
    return 13 <= len(digits) <= 19 and bool(luhn.is_valid(digits))


def _is_money(match: re.Match[str]) -> bool:
    """Return whether this is no more than an amount, with a currency before or after it."""
    before = match.string[: match.start("run")] if not match["prefix"] else match["prefix"]
    is_before = CURRENCY_BEFORE.search(before[-5:])
    is_after = CURRENCY_AFTER.match(match.string, match.end("run"))
    is_grouped = (is_before or is_after) and GROUPED_AMOUNT.fullmatch(match["run"])
    is_plain = (is_after or (is_before and not before.endswith(" "))) and PLAIN_AMOUNT.fullmatch(match["run"])
    return bool(is_grouped or is_plain) and not _identifies_somebody(match["run"])


def _is_law_or_flights(match: re.Match[str]) -> bool:
    return is_law_or_flights(match.string, match.start("run")) and not _identifies_somebody(match["run"])


def _digits(text: str) -> str:
    """Return the digits of `text`, of any script, as ASCII."""
    return "".join(str(unicodedata.decimal(character)) for character in text if character.isdecimal())
