"""Mask codes after a word that announces one: bookings, papers, customers, contracts.

No library knows every booking: what is masked is told by its shape, and by the word before it.
"""

import re
from collections.abc import Iterator

from .ordinary_numbers import NO_CODE, YEAR, is_law_or_flights

MASK = "<number>"
_MIN_CHARACTERS = 5  # of a code: letters and digits
_LETTERS = 6  # of a code without digits

# Words that announce a code. After those of bookings, it may have letters only.
_BOOKING = r"""
    pnr|locator|booking|r[ée]servation|r[ée]sa|r[ée]f(?:[ée]rence)?|dossier|confirmation|reserva|localizador
  | prenotazion[ei]|buchung|reservierung|vorgang|(?<!promo[ -])(?<!discount[ -])code"""
_OTHER = r"""
    e-?ticket|ticket|billet|voucher|bon\ d['’]achat|bag\ tag
  | passport|passeport|reisep[aä]ss|pasaporte|passaporto|(?:personal)?ausweis|carte|cni|permis|licen[cs]e|id
  | membership|member|card|adh[ée]rente?|abonn[ée]e?|mitglied|loyalty|user(?!s)|utilisateur|usuario|benutzer
  | frequent\ flyer|flying\ blue|miles\ (?:&|and)\ more
  | customer|client|cliente|kunden?|employee|matricule|acct|account|compte
  | contract|contrat|vertr[aä]g|polic(?:y|ie)|police|versicherung|claim|case|complaint|incident|sinistre|file
  | invoice|facture|rechnung|order|commande|auftr[aä]g|bestell(?:ung)?"""
_NUMBER = r"number|num[ée]ro|n[úu]mero|nummer|nr|n°|no"  # announces digits; with letters it is that of a flight
_COMPOUND = "nummer|number|num|nr|code|id|no|ref(?:erence)?"
_NOUN = "number|num[ée]ro|num|nummer|nr|no|n|n°|code|id|ref|reference|réf|référence|card|file|locator|record"
_SMALL_WORD = "is|are|was|were|est|sont|ist|sind|es|son|my|our|the|mon|ma|mes|notre|nos|le|la|les|de|du|des|of|for|pour"

_END = r"(?![^\W_])"  # of a word. "_" separates words, too: user_id
_SIGNS = rf"(?:(?!{MASK})(?:[^\w@]|_)){{1,6}}+"
_ANNOUNCED = re.compile(
    rf"""
    (?<![^\W_])(?=[^\W\d_](?:[^\W\d_]|[°-]))                              # for speed: two letters or more
    (?: (?:(?P<booking>{_BOOKING})|{_OTHER}) (?:e?[sn])? (?:[_-]?(?P<compound>{_COMPOUND})s?)?  # Buchungs-Nr, userid
      | (?P<number>{_NUMBER})s? )
    (?: {_SIGNS} (?:(?P<noun>{_NOUN})s?|{_SMALL_WORD}){_END} ){{0,6}}
    (?P<signs>{_SIGNS})
    """,
    re.IGNORECASE | re.VERBOSE,
)
_AND = re.compile(r" ?[,;/&+|]{0,2} ?\b(?:and|et|und|y|e|or|ou) | ?[,;/&+|]{1,2} ?", re.IGNORECASE)
_FLIGHT = re.compile(r"[A-Z][A-Z\d]\d{1,4}")

# Parts of a code may be joined by a space, or by any one sign.
_SIGN = r"(?:[^\w\s,;:?!()\[\]{}<>@&|\"“”„«»%‰°$¢-¥₠-⃀]|_)"
_DIGITS = rf"(?!{NO_CODE})\d++{_END}"
_PART = rf"(?!{NO_CODE})(?:[^\W\d_]{{1,4}}|[^\W\d_]{{5,12}}(?={_SIGN}\d{{5}})|[^\W_]*\d[^\W_]*){_END}"
_SHORT_PART = rf"(?!{NO_CODE}|{YEAR}{_END})(?:(?-i:(?!I\ [a-z])[A-Z]{{1,3}})|(?=[^\W_]*\d)[^\W_]{{1,4}}){_END}"
_NO_MEASURE = (  # no 23kg, 2nd, mid-2026
    rf"(?!(?:\d{{1,3}}[a-z]{{1,2}}|(?-i:\d{{1,4}}[a-z]{{1,3}})){_END}(?!.\d{{4}})|[a-z]{{1,6}}[\ -]{YEAR}{_END})"
)
_THREE_DIGITS = rf"(?:[\ -](?!{YEAR}{_END})(?=\d{{3}}){_DIGITS})*+"
_MORE_PARTS = rf"(?:{_SIGN}{_PART}){{0,15}}+{_THREE_DIGITS}"
_SHAPES = [  # the longest that matches is the code
    re.compile(shape, re.IGNORECASE | re.VERBOSE)
    for shape in (
        MASK,  # of what is masked already
        rf"(?!{NO_CODE})[^\W\d_]{{1,3}}\ (?=\d{{5}}){_DIGITS}{_THREE_DIGITS}",  # AB 12345 678
        rf"{_NO_MEASURE}{_SHORT_PART}(?:(?:\ |{_SIGN}){_SHORT_PART}){{1,15}}+{_MORE_PARTS}",  # X7K 2PQ, A B C 1 2 3
        rf"{_NO_MEASURE}(?=\S{{0,60}}\d){_PART}{_MORE_PARTS}",  # X7K2PQ 678, AB-12345
        rf"{_DIGITS}(?:(?:[\ ,;:]|{_SIGN}|\ ?{_SIGN}\ ?(?=\d{{3}})){_DIGITS})*+",  # 12345, 12.345, 1 2 3 4 5
        rf"[a-z]{{{_LETTERS}}}{_END}",  # ABCDEF
    )
]


def mask_codes(text: str, *, of_digits: bool) -> str:
    """Replace the codes that a word announces, and those that are listed after them.

    Codes of digits alone only if `of_digits`, once longer numbers are masked: they might be the start of one.
    """
    masked, done = [], 0
    for announced in _ANNOUNCED.finditer(text):
        if announced.start() < done or is_law_or_flights(text, announced.end()):
            continue
        for start, end in _codes(text, announced, of_digits):
            masked += [text[done:start], MASK]
            done = end
    return "".join(masked) + text[done:]


def _codes(text: str, announced: re.Match[str], of_digits: bool) -> Iterator[tuple[int, int]]:
    """Yield where each code of a list starts and ends. A flight's number ends a list of other codes."""
    start, of_flights = announced.end(), True  # the first may look like a flight's number
    while end := _end_of_code(text, start, announced, of_digits):
        is_flight = bool(_FLIGHT.fullmatch(text, start, end))
        if is_flight and not of_flights:
            return
        of_flights = is_flight
        yield start, end
        separator = _AND.match(text, end)
        if separator is None:
            return
        start = separator.end()


def _end_of_code(text: str, start: int, announced: re.Match[str], of_digits: bool) -> int:
    """Return where the longest code ends that starts at `start`, or 0 if there is none."""
    matches = [match for shape in _SHAPES if (match := shape.match(text, start))]
    return max((match.end() for match in matches if _is_code(match[0], announced, of_digits)), default=0)


def _is_code(code: str, announced: re.Match[str], of_digits: bool) -> bool:
    characters = re.sub(r"[\W_]", "", code)
    if code == MASK:
        return True
    if len(characters) < _MIN_CHARACTERS:
        return False
    if characters.isdecimal():
        return of_digits
    if announced["number"]:
        return characters[:_MIN_CHARACTERS].isdecimal()  # with letters first, it is that of a flight
    if any(map(str.isdecimal, characters)):
        return True
    return bool(announced["booking"]) and len(characters) == _LETTERS and _is_spelled(code, announced)


def _is_spelled(letters: str, announced: re.Match[str]) -> bool:
    """Return whether letters are a code: in capitals unlike what is before, or after a colon and unmistakable words."""
    if letters.isupper():
        return not announced[0].isupper() or announced[0].startswith("PNR")
    names_a_code = announced["noun"] or announced["compound"] or re.match("pnr|loca", announced[0], re.IGNORECASE)
    return letters.islower() and bool(names_a_code) and bool(re.search("[:=#→>]", announced["signs"]))
