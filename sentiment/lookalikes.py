"""Read letters that only look like Latin letters.

A letter from another alphabet has a reading only in its context: "а" is a Cyrillic letter in a Russian text, and an "a"
in "We hаte our guests". The tables follow Unicode's list of confusable characters (UTS #39), and what people make of
other letters on purpose, as in "ТЯАSН".
"""

import re
import unicodedata
from enum import Enum, auto
from functools import lru_cache
from typing import NamedTuple

# By the Latin letter that a reader sees: letters of other alphabets that have the same shape in some typeface.
_SAME = {
    "A": "ΑАᎪᗅᗩꓮ𖽀𐊠",
    "B": "ΒВᏴᗷꓐ𐊂𐊡𐌁",
    "C": "ϹⲤСᏟꓚ𐊢𐌂𐐕𐔜",
    "D": "Ꭰᗞᗪꓓ",
    "E": "ΕЕⴹᎬꓰ𐊆",
    "F": "Ϝᖴꓝ𐊇𐊥𐔥",
    "G": "ԌᏀᏳꓖ",
    "H": "ΗⲎНᎻᕼꓧ𐋏",
    "I": "ΙІӀⲒⵏᏆꓲ𖼨𐊊𐌉ᛁ",
    "J": "ͿЈᎫᒍꓙ",
    "K": "ΚⲔКᏦᛕꓗ𐔘",
    "L": "ⳐᏞᒪꓡ𖼖𐐛𐔦Լ",
    "M": "ΜϺⲘМᎷᗰᛖꓟ𐊰𐌑",
    "N": "ΝⲚꓠ𐔓ᑎ",
    "O": "ΟⲞОՕⵔዐ𐓂ꓳ𐊒𐊫𐐄𐔖〇০୦",
    "P": "ΡⲢРᏢᑭꓑ𐊕",
    "Q": "ⵕԚ",
    "R": "ᎡᏒ𐒴ᖇꓣ𖼵",
    "S": "ЅՏᏕᏚꓢ𖼺𐊖𐐠ᔕ",
    "T": "ΤⲦТᎢꓔ𖼊𐊗𐊱𐌕",
    "U": "Սሀ𐓎ᑌꓴ𖽂",
    "V": "ѴⴸᏙᐯꓦ𖼈𐔝",
    "W": "ԜᎳᏔꓪᗯ",
    "X": "ΧⲬХⵝᚷꓫ𐊐𐊴𐌗𐌢𐔧",
    "Y": "ΥϒⲨУҮᎩᎽꓬ𖽃𐊲",
    "Z": "ΖᏃꓜ𐋵",
    "a": "αа",
    "b": "ЬᏏᑲᖯ",
    "c": "ϲⲥсꮯ𐐽",
    "d": "ԁᏧᑯꓒ",
    "e": "еҽ",
    "f": "ք",
    "g": "ց",
    "h": "һհᏂ",
    "i": "ιіꙇᎥꭵ",
    "j": "ϳј",
    "l": "ӏ",
    "n": "ոռ",
    "o": "οⲟоჿօ𐓪𐐬०੦૦௦๐໐၀ဝ൦",
    "p": "ρϱⲣр",
    "q": "ԛգզ",
    "r": "ꮁⲅ",
    "s": "ѕꮪ𐑈",
    "t": "ꭲ",
    "u": "υս𐓶",
    "v": "νѵꮩ",
    "w": "ѡԝաꮃ",
    "x": "хᕁᕽ",
    "y": "уүყ",
    "z": "ꮓ",
}
# Letters that stand for Latin ones beside Latin letters only: "Яussia", "wоndегfυl".
_SIMILAR = {
    "A": "ⲀДΔΛ𐌀卂",
    "B": "ⲂБЪЫ乃",
    "C": "匚",
    "E": "ⲈЭЄΣΞЁ乇",
    "F": "ӺҒ千",
    "G": "ᎶҐ",
    "H": "卄ЂЋҢ",
    "I": "丨",
    "K": "ҜҚ",
    "L": "ㄥ",
    "M": "爪",
    "N": "ИЙΠ几Ͷ",
    "O": "ФΘӨѲΩロㄖ",
    "P": "卩",
    "R": "Я尺",
    "S": "丂",
    "T": "ГҬ丅ㄒ",
    "U": "ЦЏㄩ",
    "W": "ШЩѠ山",
    "X": "Ӿ乂Ҳ",
    "Y": "ЧΨЎㄚ",
    "Z": "乙",
    "a": "ⲁдάᎯ",
    "b": "ⲃбвъьβ",
    "c": "ςҫ",
    "d": "δժ",
    "e": "ⲉєэεё",
    "f": "ғƒ",
    "h": "нћђҥ",
    "k": "кκқҝ",
    "l": "լ",
    "m": "м",
    "n": "ийпηח",
    "o": "σθөфסه",
    "r": "гяґᴦ",
    "t": "тτҭե",
    "u": "μцџט",
    "w": "ωшщש",
    "x": "χҳӿ",
    "y": "γчў",
}
# Latin letters that are turned by half a turn.
_TURNED = {"a": "ɐ", "e": "ǝ", "h": "ɥ", "i": "ᴉ", "k": "ʞ", "m": "ɯ", "r": "ɹ", "t": "ʇ", "w": "ʍ", "y": "ʎ"}
# Letters that are themselves or another one after half a turn. A word of these and turned ones is upside down, or not.
_TURN_INTO_LETTERS = frozenset("bdlnopqsuxz")

_CYRILLIC_TWINS = frozenset("abcehikmoptxy")  # as small letters or as capitals


def _invert(table: dict[str, str]) -> dict[int, str]:
    return {ord(lookalike): letter for letter, lookalikes in table.items() for lookalike in lookalikes}


SAME, TURNED = _invert(_SAME), _invert(_TURNED)
SIMILAR = SAME | _invert(_SIMILAR)

# What stands in a text beside its words. Links and names are no words: their letters say nothing about the language.
_WORD = re.compile(
    r"(?i)<[a-z][a-z0-9_-]{0,79}>|</?3++|(?<!\w)(?:https?://|www\.)[!-~]++|(?<!\w)@(?a:\w++)|(?P<word>[^\W_]++)"
)
# Alphabets by the first words of their letters' names; those whose letters stand side by side in one word; and first
# words of letters and digits that belong to no alphabet.
_LATIN = "LATIN"
_JAPANESE_AND_KOREAN = frozenset("CJK IDEOGRAPHIC HIRAGANA KATAKANA KATAKANA-HIRAGANA HALFWIDTH HANGUL".split())
_IN_USE = _JAPANESE_AND_KOREAN | frozenset(
    "CYRILLIC GREEK ARMENIAN GEORGIAN HEBREW ARABIC SYRIAC THAANA ETHIOPIC DEVANAGARI BENGALI GURMUKHI GUJARATI ORIYA "
    "TAMIL TELUGU KANNADA MALAYALAM SINHALA THAI LAO TIBETAN MYANMAR KHMER MONGOLIAN BOPOMOFO".split()
)
_NO_ALPHABET = frozenset("DIGIT SUPERSCRIPT SUBSCRIPT VULGAR FRACTION FEMININE MASCULINE MICRO MODIFIER".split())


class _Kind(Enum):
    NEUTRAL = auto()  # no letters
    LATIN = auto()  # or mixed with letters of the same shape
    MIXED = auto()  # Latin letters and similar ones
    AMBIGUOUS = auto()  # the same, but all of its letters may be of the other alphabet: "мoре"
    DISGUISED = auto()  # no Latin letters, but all have the shape of one
    DOUBTFUL = auto()  # the same, but some are only similar; or of an alphabet that is hardly used, like runes
    FOREIGN = auto()
    UNREADABLE = auto()  # any other mixture, or a letter without a reading


class _Word(NamedTuple):
    start: int
    kind: _Kind
    plain: str  # in Latin letters, where that is possible; as long as the original


class Words(NamedTuple):
    """A text whose words are read."""

    text: str  # as long as the original
    is_certain: bool  # False if a word may or may not be Latin, mixes alphabets, or has a letter without a reading


def read_words(text: str) -> Words:
    """Replace letters of other alphabets by the Latin ones that they look like, where the text is Latin.

    A word that mixes Latin letters with such letters is read as Latin. So is one of such letters alone, beside Latin
    words: "We love оur сrеw". A text in another alphabet stays as it is, however many of its letters look Latin.
    """
    words = [_Word(match.start(), *_read(match["word"])) for match in _WORD.finditer(text) if match["word"]]
    kinds = {word.kind for word in words}
    latin, doubtful = {_Kind.LATIN}, {_Kind.UNREADABLE}
    has_foreign = _Kind.FOREIGN in kinds
    (doubtful if has_foreign else latin).add(_Kind.MIXED)
    is_latin = not latin.isdisjoint(kinds)
    (latin if is_latin and not has_foreign else doubtful).add(_Kind.AMBIGUOUS)
    if is_latin:
        (doubtful if has_foreign else latin).add(_Kind.DISGUISED)
        doubtful.add(_Kind.DOUBTFUL)
    characters = list(text)
    for start, kind, plain in words:
        if kind in latin:
            characters[start : start + len(plain)] = plain
    return Words("".join(characters), doubtful.isdisjoint(kinds))


def _read(word: str) -> tuple[_Kind, str]:
    """Return what kind of word this is, by its letters alone, and the word in Latin letters."""
    if word.isascii():
        return (_Kind.NEUTRAL if word.isdecimal() else _Kind.LATIN), word
    alphabets = {alphabet for character in word if (alphabet := _alphabet(character))}
    if not alphabets:
        return _Kind.NEUTRAL, word
    if _LATIN in alphabets:
        return _read_latin(word)
    if SIMILAR.keys().isdisjoint(map(ord, word)):
        return _classify(alphabets), word
    for kind, table in ((_Kind.DISGUISED, SAME), (_Kind.DOUBTFUL, SIMILAR)):
        plain = _translate(word, table)
        if _is_latin(plain):
            # α and π stand for themselves
            return (_Kind.NEUTRAL if len(word) == 1 and alphabets == {"GREEK"} else kind), plain
    return _classify(alphabets), word


def _classify(alphabets: set[str]) -> _Kind:
    """Return the kind of a word whose letters have no readings as Latin ones."""
    if len(alphabets) > 1 and not alphabets <= _JAPANESE_AND_KOREAN:
        return _Kind.UNREADABLE
    return _Kind.FOREIGN if alphabets <= _IN_USE else _Kind.DOUBTFUL  # runes beside Latin words are a disguise


def _read_latin(word: str) -> tuple[_Kind, str]:
    """Read a word with at least one Latin letter."""
    plain = _translate(word, SAME)
    turned = {letter for letter in plain if ord(letter) in TURNED}
    if turned and not set(plain.lower()) - turned <= _TURN_INTO_LETTERS:
        plain = plain.translate(TURNED)
    if _is_latin(plain):
        return (_Kind.UNREADABLE if any(map(_is_rare, plain)) else _Kind.LATIN), plain
    similar = _translate(plain, SIMILAR)
    latin = {letter for letter in word.lower() if _alphabet(letter) == _LATIN}
    others = {letter for letter in plain.lower() if _alphabet(letter) not in (_LATIN, "")}
    if len(others) > len(latin) or not _is_latin(similar):
        return _Kind.UNREADABLE, word
    return (_Kind.MIXED if len(others) <= len(latin - _CYRILLIC_TWINS) else _Kind.AMBIGUOUS), similar


@lru_cache(maxsize=4096)
def _alphabet(character: str) -> str:
    """Return the first word of a letter's name, like CYRILLIC; an empty string for what is in no alphabet."""
    if character.isascii():
        return _LATIN if character.isalpha() else ""
    first = unicodedata.name(character, "").partition(" ")[0]
    return "" if first in _NO_ALPHABET else first


def _is_latin(word: str) -> bool:
    return all(_alphabet(character) in (_LATIN, "") for character in word)


def _translate(word: str, table: dict[int, str]) -> str:
    """Replace letters by the Latin ones that they look like, with or without an accent."""
    return "".join(_look_up(character, table) or character for character in word)


def _look_up(letter: str, table: dict[int, str]) -> str | None:
    base = unicodedata.normalize("NFD", letter)[0]
    return table.get(ord(letter)) or table.get(ord(base)) or table.get(ord(base.lower()[0]))


def _is_rare(letter: str) -> bool:
    """Return whether no European language writes this Latin letter, with or without an accent."""
    if letter < "\u0180" or letter == "ẞ" or unicodedata.decomposition(letter):
        return False
    return _alphabet(letter) == _LATIN
