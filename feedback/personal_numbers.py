"""Mask numbers of seven digits and more, whatever separates the digits, and codes that identify somebody.

phonenumbers tells where a telephone number ends and whether an amount could be one, python-stdnum knows bank accounts
and cards. What they do not know is masked by its shape: no library knows every booking.
"""

import re
import unicodedata
from collections.abc import Iterator

from phonenumbers import Leniency, PhoneNumberMatcher
from stdnum import iban, luhn

from .personal_patterns import MARKS

MASK = "<number>"
_MIN_DIGITS = 7
_MIN_DIGITS_BESIDE_A_DATE = 5
_MAX_DIGITS_AFTER_A_PHONE = 2  # more may be a part of a number that only looks like a telephone's
_MAX_PHONE_CHARACTERS = 60  # a longer run is masked as a whole: what the library needs for it grows with its square
_REGIONS = (None, "FR", "US", "GB")  # None: numbers that start with "+"


def mask_numbers(text: str) -> str:
    """Replace each bank account, booking, identity and long number in `text`, whose links are masked already."""
    text = _mask_ibans(text)
    text = _IDENTITY.sub(MASK, text)
    text = _CODE.sub(_mask_code, text)
    text = _RUN.sub(_mask_run, text)
    return _SHORT_NUMBER.sub(rf"\g<before>{MASK}", text)  # last, or it would take the first digits of a longer number


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
    (?P<suffix>(?:-?[^\W\d_](?!\w))?[{MARKS}]*+)
    """,
    re.IGNORECASE | re.VERBOSE,
)
_CORE = re.compile(r"(?:[+(\[]\ ?){0,3}\d(?:.*\d)?")

# Dates with a year, and times, where nothing adjoins that would make them a part of a longer number.
_MONTH, _DAY, _YEAR = "(?:0?[1-9]|1[0-2])", r"(?:0?[1-9]|[12]\d|3[01])", r"(?:19|20)\d\d"
_MOMENT = re.compile(
    rf"""
    (?<![^\s,;(–—])
    (?: {_YEAR}(?P<a>[-/.]){_MONTH}(?P=a){_DAY} | {_DAY}(?P<b>[-/.]){_MONTH}(?P=b){_YEAR} | {_MONTH}/{_DAY}/{_YEAR} )
    (?=[\s,;)–—]|[.:](?!\d)|$)
  | (?<![^\s,;(–—/-])
    (?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:[.,]\d{{1,6}})?)?
    (?=[\s,;)–—/-]|[.:](?!\d)|$)
    """,
    re.VERBOSE,
)

# Other numbers in which seven digits identify nobody: amounts, years, a range of prices, the sets of a match, marks.
_THOUSANDS = r"[1-9]\d{0,2}(?:[,'’]\d{3})+(?:\.\d{1,2})?"
_PRICE = r"(?:0|[1-9]\d{0,2})[.,]\d\d"
_POINTS = r"(?:[12]?\d|30)"
_HARMLESS = re.compile(
    rf"""
    {_THOUSANDS}(?:[\ ,;/–—-]{{1,3}}{_THOUSANDS})*
  | {_YEAR}(?:[\ ,;/–—-]{{1,3}}{_YEAR})+
  | {_PRICE}\ ?[/–—-]\ ?{_PRICE}
  | \d-\d(?:,?\ \d-\d)+
  | {_POINTS}-{_POINTS}(?:,?\ {_POINTS}-{_POINTS}){{2,4}}               # of two sets only, it may be a telephone number
  | (?:\d|10)/10(?:,?\ (?:\d|10)/10)+ | [0-5]/5(?:,?\ [0-5]/5)+
    """,
    re.VERBOSE,
)
_AMOUNT = re.compile(r"[1-9]\d{0,2}([ .,'’])\d{3}(?:\1\d{3})*(?:[.,]\d{1,2})?")
_CURRENCY_BEFORE = re.compile(r"[$¢-¥₠-⃀]\ ?$|\b(?:EUR|USD|GBP|CHF)\ ?$", re.IGNORECASE)
_AFTER_AMOUNT = r"\ ?(?:[$¢-¥₠-⃀]|(?:EUR|USD|GBP|CHF|euros?|dollars?|pounds?)\b)"
_CURRENCY_AFTER = re.compile(_AFTER_AMOUNT, re.IGNORECASE)

# What looks like a number of seven digits only with what stands before it: a law of the EU, an aircraft.
_MAX_LAW_CHARACTERS = 24
_LAW_BEFORE = re.compile(
    r"\b(?:E[CGU]|CE|UE|GDPR|RGPD|DSGVO|regulation|r[èe]glement|verordnung)[\ )]{0,2}(?:(?:n°|no|nr)\.?\ ?)?$",
    re.IGNORECASE,
)
_LAW = re.compile(rf"\d{{1,4}}/{_YEAR}|{_YEAR}/\d{{1,4}}")

_IBAN = re.compile(r"(?<!\w)(?=([a-z]{2}[ .-]?\d{2}(?:[ .-]{0,3}[a-z0-9]){11,30}))", re.IGNORECASE)
_UNCHECKED_IBAN = re.compile(r"[A-Z]{2}\d{2}(?=(?:[ A-Z]*\d){8})(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?!\w)")

_IDENTITY = re.compile(
    r"""
    (?:
      (?<!\w)(?!\d++[^\W\d_]++\b)(?=[\d_]*+[^\W\d_])(?=(?:[^\W\d]*+\d){6})\w++                    # AB123456
    | \b[12378][ .-]?\d\d[ .-]?\d\d[ .-]?2[ab][ .-]?\d{3}[ .-]?\d{3}(?:[ .-]?\d\d)?\b       # French NIR of Corsica
    | \b\d{5}[ .-]?\d{5}[ .-]?[a-z\d]{11}[ .-]?\d\d\b                                      # French RIB
    | \b\d\d[ ./-]?\d{6}[ ./-]?[a-z][ ./-]?\d{3}\b                                         # German pension insurance
    | \b(?:[\da-f]{2}[:-]){5}[\da-f]{2}\b                                                 # of a network card
    | (?-i: \b[A-Z]{2}[ ./-]?\d\d[ ./-]?\d\d[ ./-]?\d\d[ ./-]?[A-D]\b                     # British NINO
        | \b[A-Z]{5}\d{4}[A-Z]\b                                                            # Indian PAN
        | \b[A-Z]{3}\ ?[A-Z]{3}\ ?\d\d[A-Z]\d\d\ ?[A-Z]\d{3}[A-Z]\b                       # Italian codice fiscale
        | \b(?![AB]?\d{3}MAX)(?=[A-Z\d]{6}\b|[A-Z\d]{9}\b)                                # X7K2PQ, but no A320NEO
          (?:(?:[A-Z]+\d+){2}|(?:\d+[A-Z]+){2})[A-Z\d]*\b )
    )"""
    rf"[{MARKS}]*+",
    re.IGNORECASE | re.VERBOSE,
)

# Words that announce a code. After those of bookings, it may have letters only.
_BOOKING = r"""
    pnr|locator|bookings?|r[ée]servations?|r[ée]sa|r[ée]f(?:[ée]rences?)?|dossier|confirmation|reserva|localizador
  | prenotazione|buchung|reservierung|vorgang|(?<!promo[ -])(?<!discount[ -])codes?"""
_OTHER = r"""
    e-?tickets?|tickets?|billets?|vouchers?|bon\ d['’]achat|bag\ tag
  | passports?|passeports?|reisepass|pasaporte|passaporto|(?:personal)?ausweis|carte|cni|permis|licen[cs]e|id
  | membership|member|cards?|adh[ée]rente?|abonn[ée]e?|mitglied|loyalty
  | frequent\ flyer|flying\ blue|miles\ (?:&|and)\ more
  | customer|client|cliente|kunden?|employee|matricule|account|compte
  | contract|contrat|vertrag|policy|police|versicherung|claim|case|complaint|incident|sinistre|file
  | invoice|facture|rechnung|order|commande|auftrag|bestell(?:ung)?"""
_NUMBER = r"numbers?|num[ée]ro|n[úu]mero|nummer|nr|n°"  # announces digits; with letters it is that of a flight
_BESIDE = (
    "number|num[ée]ro|num|nummer|nr|no|n|n°|code|id|ref|reference|réf|référence|is|was|est|ist|es|my|our|the|mon|ma|notre"
    "|le|la|de|du|of|for|pour|card|file|locator|record"
)
_BETWEEN = rf"""
    (?:(?:s|s?-)?(?:nummer|nr|code|id|no))?                                                     # Buchungs-Nr
    (?: [\ :=\#.,'’()\[\]/-]{{1,3}}+
        (?:{_BESIDE})(?!\w) ){{0,4}}
    [\ :=\#.,()\[\]"'°/-]{{1,4}}
    (?! (?:19|20)\d\d[-/.]\d\d?[-/.]\d\d?\b | \d\d?[-/.]\d\d?[-/.](?:19|20)\d\d\b )         # a date
"""
_MORE_DIGITS = r"(?:[\ -]\d+\b(?![:h./]\d))*+"

_CODE = re.compile(
    rf"""
    \b(?P<before> (?:(?P<booking>{_BOOKING})|{_OTHER}) {_BETWEEN} )
    (?!(?:{_BESIDE})(?!\w))
    (?: (?!(?:EUR|USD|GBP|CHF)\b)[a-z]{{1,3}}[\ -]\d{{5,}}+{_MORE_DIGITS}(?!\w)                # AB 123456
      | (?!\d+[^\W\d_]{{2,}}\b)(?=[a-z]*\d)(?=[\d-]*[a-z])[a-z\d]{{5,12}}(?:-[a-z\d]{{1,8}})*+\b       # X7K2PQ
        (?:[\ -](?!{_YEAR}\b)\d{{3,}}\b(?![:h./]\d))*+
      | (?=[a-z]*-?[a-z]*\d)(?=[\d-]*[a-z])[a-z\d]{{3}}-[a-z\d]{{3}}\b                        # X7K-2PQ
      | (?P<letters>[a-z]{{6}})\b )
    """,
    re.IGNORECASE | re.VERBOSE,
)
_SHORT_NUMBER = re.compile(
    rf"""
    \b(?P<before> (?:{_BOOKING}|{_OTHER}|{_NUMBER}) {_BETWEEN} )
    (?!\d[\d\ ]*+{_AFTER_AMOUNT})
    (?: \d{{5,}}+{_MORE_DIGITS}(?!\w)                                                         # 12345 67
      | (?=(?:\d[\ -]?){{5}})\d{{2,4}}(?:[\ -]\d{{2,4}})+\b )                                  # 123-456
    """,
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
    for end in reversed([word.end() for word in re.finditer(r"\w+", text)]):
        if iban.is_valid(re.sub(r"\W", "", text[:end]), check_country=False):
            return end
    mistyped = _UNCHECKED_IBAN.match(text)
    return mistyped.end() if mistyped else 0


def _mask_code(match: re.Match[str]) -> str:
    """Mask a code. One of letters alone may be a word, unless it is in capitals or follows a colon."""
    before = match["before"]
    if match["letters"]:
        stands_out = match["letters"].isupper() and (not before.isupper() or before.startswith("PNR"))
        announced = match["letters"].islower() and before.rstrip()[-1:] in (":", "=", "#")
        if not match["booking"] or not (stands_out or announced):
            return match[0]
    return before + MASK


def _mask_run(match: re.Match[str]) -> str:
    """Mask what identifies somebody in a run of digits and separators; keep dates, times and amounts."""
    run = match["run"]
    if len(_digits(run)) < _MIN_DIGITS or _is_money(match) or _is_law_or_aircraft(match):
        return match[0]
    masked = "".join(_mask_around_moments(run))
    before = "" if masked.startswith(MASK) else match["prefix"]
    after = "" if masked.endswith(MASK) else match["extension"] + match["suffix"]
    return before + masked + after


def _mask_around_moments(run: str) -> Iterator[str]:
    """Yield the parts of a run: dates and times as they are, what is between them masked."""
    moments = list(_MOMENT.finditer(run))
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
    if not _HARMLESS.fullmatch(number):
        return False
    return not any(map(_identifies_somebody, re.findall(r"[\d,.'’]+", number)))


def _identifies_somebody(amount: str) -> bool:
    return _is_card(amount) or any(_phones(_digits(amount)))


def _is_card(number: str) -> bool:
    digits = _digits(number)
    return 13 <= len(digits) <= 19 and bool(luhn.is_valid(digits))


def _is_money(match: re.Match[str]) -> bool:
    """Return whether this is no more than an amount in groups of three digits, with a currency before or after it."""
    before = match.string[: match.start("run")] if not match["prefix"] else match["prefix"]
    around = _CURRENCY_BEFORE.search(before[-5:]) or _CURRENCY_AFTER.match(match.string, match.end("run"))
    is_amount = bool(around and _AMOUNT.fullmatch(match["run"]))
    return is_amount and not _identifies_somebody(match["run"])


def _is_law_or_aircraft(match: re.Match[str]) -> bool:
    """Return whether this is a law of the EU, such as "EU261/2004", or the only aircraft with seven digits."""
    start = match.start("run")
    before = match.string[max(0, start - _MAX_LAW_CHARACTERS) : start]
    is_law = bool(_LAW.fullmatch(match["run"]) and _LAW_BEFORE.search(before))
    return is_law or (match["prefix"] + match["run"]).upper() == "A350-1000"


def _digits(text: str) -> str:
    """Return the digits of `text`, of any script, as ASCII."""
    return "".join(str(unicodedata.decimal(character)) for character in text if character.isdecimal())
