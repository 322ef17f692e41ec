"""Read letters and digits in a style: 𝗯𝗼𝗹𝗱, ｗｉｄｅ, ᵗⁱⁿʸ, ⓒⓘⓡⓒⓛⓔⓓ, 🅂🅀🅄🄰🅁🄴, sᴍᴀʟʟ ᴄᴀᴘɪᴛᴀʟs, sŧɍøkɇ, signs of ₥oney.

Unicode has most of them only once more for a style, and says for which plain letter. For others their names do.
"""

import re
import unicodedata

_RARE = "\u017f-\u02b8\u02e0-\u02e4\u1d00-\u1dbf\u2c60-\u2c7f\ua722-\ua7ff\uab30-\uab69"  # rare Latin letters
_RAISED = "\u2071\u207f\u2090-\u209c\ua69c\ua69d\U00010780-\U000107ba"  # and lowered
_LETTER_LIKE = "\u2100-\u2115\u2117-\u211f\u2121\u2123-\u214f\u2160-\u217f"  # as ℓ and Ⅳ; not № and ™
_ENCLOSED = "\u2460-\u24ff\u2776-\u2793\U0001f100-\U0001f189"  # in circles, squares and brackets
_WHOLE_ALPHABETS = "\uff01-\uff5e\U0001d400-\U0001d7ff\U0001ccd6-\U0001ccf9\U0001f1e6-\U0001f1ff"
_LIGATURES = "ŉ\ufb00-\ufb06"
_DIGITS = "¹²³⁰⁴-⁹₀-₉"  # raised and lowered
_COINS, _SIGNS = "₳₵₣₲₭₥₦₱₴₮₩฿", "€£¥¢∆∑∂"  # beside a letter; between two letters
_MONEY = dict(zip(_COINS + _SIGNS, "ACFGKMNPSTWBELYCAED", strict=True))

STYLED = re.compile(
    f"[{_RARE}{_RAISED}{_LETTER_LIKE}{_ENCLOSED}{_WHOLE_ALPHABETS}{_LIGATURES}]"
    rf"|(?<![\d{_DIGITS}])[{_DIGITS}]"  # an exponent is no part of its number
    r"|[ªº](?=[^\W\d_])"
    rf"|[{_COINS}](?=[^\W\d_]|[{_COINS}])|(?<=[^\W\d_{_COINS}])[{_COINS}]|(?<=[{_COINS}])[{_COINS}]"
    rf"|(?<=[^\W\d_])[{_SIGNS}](?=[^\W\d_])"
)
# By the first of them: letters and digits in a row that Unicode, or Python's copy of it, does not relate to plain ones.
_ROWS = [(0x1CCD6, "A", 26), (0x1CCF0, "0", 10), (0x1F150, "A", 26), (0x1F170, "A", 26), (0x1F1E6, "A", 26)]
# Letters that look like others than their names say; None where two readings are possible, like c and o.
_EXCEPTIONS = {"ɑ": "a", "ɩ": "i", "ǀ": "l", "ʊ": "u", "℮": "e", **dict.fromkeys("ɔɟƃɾ")}
_NAME = re.compile(
    r"LATIN (CAPITAL |SMALL )?LETTER (?:SMALL |CAPITAL )*"
    r"(?:(?:SCRIPT|OPEN|CLOSED|REVERSED|INVERTED|BARRED|SIDEWAYS|LONG|DOTLESS|INSULAR|STRETCHED|LENIS|BLACKLETTER) )*"
    r"([A-Z]|A[AOUVY]|OO)(?: BAR| WITH [A-Z ]+)?"
)


def read_style(match: re.Match[str]) -> str:
    """Return what a match of STYLED reads as, or the match itself if it has no reading."""
    character = match[0]
    if character in _MONEY:
        return _MONEY[character]
    for start, first, length in _ROWS:
        if 0 <= (offset := ord(character) - start) < length:
            return chr(ord(first) + offset)
    plain = unicodedata.normalize("NFKC", character)
    if len(plain) > 1:
        plain = plain.strip("().")
    if plain == character and (number := unicodedata.numeric(character, None)) is not None:
        return f"{number:.0f}"
    plain = "".join(map(_read_rare, plain))
    return plain if plain.isalnum() or len(plain) == 1 else character


def _read_rare(letter: str) -> str:
    """Return the plain letter that the name of a rare Latin letter tells."""
    if (exception := letter.lower()) in _EXCEPTIONS:
        return _EXCEPTIONS[exception] or letter
    if letter < "\u017f" or unicodedata.decomposition(letter):
        return letter
    if not (name := _NAME.fullmatch(unicodedata.name(letter, ""))):
        return letter
    return name[2] if name[1] == "CAPITAL " else name[2].lower()
