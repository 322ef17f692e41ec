"""What numbers look like that identify nobody: dates, times, amounts, scores, marks, aircraft, flights and laws.

All patterns take linear time. NO_CODE is a part of others, to be compiled with re.IGNORECASE and re.VERBOSE.
"""

import re

YEAR = r"(?:19|20)\d\d"
_MONTH, _DAY = "(?:0?[1-9]|1[0-2])", r"(?:0?[1-9]|[12]\d|3[01])"
_ISO_DATE = rf"{YEAR}(?P<a>[-/.]){_MONTH}(?P=a){_DAY}"
_DATE = rf"{_DAY}(?P<b>[-/]|\.\ ?){_MONTH}(?P=b){YEAR} | {_MONTH}/{_DAY}/{YEAR}"
_DAYS = rf"{_DAY}(?:[/.]{_MONTH})?\.?\ ?[–-]\ ?{_DAY}[/.]{_MONTH}[/.]{YEAR}"  # 29-30/11/2026, 29/11-30/11/2026
_DATES = (
    rf"{_DAY}[/.]{_MONTH}[/.]{YEAR}[–-]{_DAY}[/.]{_MONTH}[/.]{YEAR} | {YEAR}-\d\d-\d\d/(?:{YEAR}-)?(?:\d\d-)?\d\d(?!\d)"
)
_TIME = r"(?:[01]?\d|2[0-3]):[0-5]\d"
_BEFORE_TIME = rf"{_DAY},\ {YEAR}(?=,?\ {_TIME})"  # November 29, 2026 10:30
_CLOCK = rf"{_TIME}(?::[0-5]\d(?:[.,]\d{{1,6}})?)?(?:[+-](?:0\d|1[0-4]):?[0-5]\d)?"  # with seconds, and UTC's offset

# A date with a year or a time, where nothing adjoins that would make it a part of a longer number.
MOMENT = re.compile(
    rf"""
    (?<![\w./:+*=~\\-]) (?: {_DATES} | {_BEFORE_TIME} | {_DAYS} | {_ISO_DATE} | {_DATE} ) (?![\w/+*=~\\-]|[.:]\d)
  | (?<![\w.:+*=~\\]) {_CLOCK} (?![\w:+*=~\\]|\.\d)
    """,
    re.VERBOSE,
)

_SIGN_OF_CURRENCY = "$¢-¥₠-⃀"
_NAME_OF_CURRENCY = "EUR|USD|GBP|CHF|INR"
AFTER_AMOUNT = (
    rf"\ ?(?:[{_SIGN_OF_CURRENCY}](?!\ ?\d)|(?:{_NAME_OF_CURRENCY}|euros?|dollars?|pounds?|rupees)\b(?!\ ?\d))"
)
CURRENCY_BEFORE = re.compile(rf"[{_SIGN_OF_CURRENCY}]\ ?$|\b(?:{_NAME_OF_CURRENCY})\ ?$", re.IGNORECASE)
CURRENCY_AFTER = re.compile(AFTER_AMOUNT, re.IGNORECASE | re.VERBOSE)
GROUPED_AMOUNT = re.compile(
    r"[1-9]\d{0,2}([ .,'’])\d{3}(?:\1\d{3})*(?:[.,]\d{1,2})?|[1-9]\d?(?:,\d\d){1,4},\d{3}(?:\.\d\d)?"  # 12,34,567
)
PLAIN_AMOUNT = re.compile(r"[1-9]\d{0,8}(?:[.,]\d{1,2})?")  # with its currency right before it, or after it
_THOUSANDS = r"[1-9]\d{0,2}(?:[,'’]\d{3})+(?:\.\d{1,2})?"
_PRICE = r"(?:0|[1-9]\d{0,2})[.,]\d\d"

# Other numbers in which seven digits identify nobody: amounts, years, prices, the sets of a match, marks, aircraft.
_POINTS = r"(?:[12]?\d|30)"
_SET = r"\d-\d(?:\ ?\(\d{1,2}\))?"
_MARK = r"(?:(?:\d(?:[.,]\d)?|10)/10|(?:1?\d(?:[.,]\d)?|20)/20)"
_AIRCRAFT = r"7[0-8]7-(?:[1-9]00|[89]|10)"
HARMLESS = re.compile(
    rf"""
    {_THOUSANDS}(?:[\ ,;/–—-]{{1,3}}{_THOUSANDS})*
  | {YEAR}(?:[\ ,;/–—-]{{1,3}}{YEAR})+
  | {_PRICE}(?:(?:[,;]\ |\ ?[/–—-]\ ?){_PRICE})+
  | {_SET}(?:,?\ {_SET})+
  | {_POINTS}-{_POINTS}(?:,?\ {_POINTS}-{_POINTS}){{2,4}}               # of two sets only, it may be a telephone number
  | {_MARK}(?:,?\ {_MARK})+ | [0-5]/5(?:,?\ [0-5]/5)+
  | {_AIRCRAFT}(?:(?:,?\ |/){_AIRCRAFT})+
    """,
    re.VERBOSE,
)

# Laws of the EU and lists of flights are told by what stands before them.
_MAX_CHARACTERS_BEFORE = 24
_END = r"(?![\W_]{0,6}\d)"
_TOLD_BEFORE = [
    (re.compile(before + "$", re.IGNORECASE), re.compile(number + _END))
    for before, number in (
        (
            r"\b(?:E[CGU]|CE|UE|GDPR|RGPD|DSGVO|regulation|r[èe]glement|verordnung)[ )]{0,2}(?:(?:n°|no|nr)\.? ?)?",
            rf"(?:\d{{1,4}}/{YEAR}|{YEAR}/\d{{1,4}})",
        ),
        (
            r"\b(?:flights?|vols?|fl[uü]ge?|vuelos?|vol[oi])(?: (?:numbers?|n°|no\.?))?(?: [a-z][a-z\d])? ?",
            r"[1-9]\d{1,3}(?:(?:,? | ?[/&] ?)[1-9]\d{1,3})+",
        ),
    )
]


def is_law_or_flights(text: str, start: int) -> bool:
    """Return whether nothing but a law or flights start at `start`, as in "EU261/2004" and "flights 2490, 2491"."""
    before = text[max(0, start - _MAX_CHARACTERS_BEFORE) : start]
    return any(pattern.search(before) and number.match(text, start) for pattern, number in _TOLD_BEFORE)


# The start of what is no code, even after a word that announces one.
NO_CODE = rf"""
    {YEAR}[-/.]\d\d?[-/.]\d\d?\b | \d\d?(?:[-/]|\.\ ?)\d\d?(?:[-/]|\.\ ?){YEAR}\b                    # a date
  | \d\d?[:h][0-5]\d(?!\d) | \d\d?/\d\d?(?![\d/]) | \d{{1,4}}[.,]\d\d(?!\d|[.,]\d) | {_THOUSANDS}(?!\d)
  | \d[\d\ .,'’]{{0,20}}+{AFTER_AMOUNT} | \d++\ ?(?:km|kg|lbs?|miles|points)\b | (?:{_NAME_OF_CURRENCY})\b
"""
