"""Repair mojibake: UTF-8 that some program has read as another encoding, once or several times.

Only what is beyond doubt is repaired. `É…` and `manhã…”` are real text, though UTF-8 could look like that.
"""

import re
import unicodedata

_BYTES = bytes(range(0x80, 0x100))
_C1 = "\x80-\x9f"  # where Latin-1 has control characters, most of them letters or quotation marks in windows-1252


def _characters(encoding: str) -> str:
    """Return what a program reads for the bytes 80 … FF. Bytes that windows-1252 leaves open read as in Latin-1."""
    return "".join(bytes([byte]).decode(encoding, "ignore") or chr(byte) for byte in _BYTES)


def _tail(encoding: str) -> str:
    """Return the members of a character class: what the bytes 80 … BF, which continue a character, read as."""
    return re.escape(_characters(encoding)[:0x40])


_BYTE = {chr(byte): byte for byte in _BYTES}
_BYTE |= {character: byte for byte, character in enumerate(_characters("cp1252"), 0x80)}
_T = f"[{_tail('cp1252')}{_C1}]"
# One or more characters in UTF-8, read as windows-1252 or Latin-1.
_WESTERN = rf"(?:[Â-ß]{_T}|[à-ï]{_T}{{2}}|[ð-ô]{_T}{{3}})++"
_REPEATED = re.compile(_WESTERN)
# What may stand behind a real letter: punctuation and signs, and letters of real words, like the ž in "Úžasné".
_FOLLOWS_LETTERS = frozenset("…†‡‰‹›‘’“”•–—™\xa0¡«»©®ª°º²³¹´·¿ŠŒŽšœž")
_ENDS_WORDS = frozenset("†‡‰™®©°²³¹´¡¿")
_FOLLOWS_WORDS = frozenset("…‘’“”–—»\xa0")

# Other encodings, where the first characters leave no doubt: those of ’ and “, and in Mac Roman of é and emoji, too.
_OTHERS = {
    encoding: "|".join(f"{first}[{_tail(encoding)}]{{{n}}}" for first, n in firsts)
    for encoding, firsts in {
        "mac_roman": [("‚", 2), ("√", 1), ("\uf8ffü", 2), ("Ô∏", 1)],
        "cp437": [("ΓÇ", 1)],
        "cp850": [("ÔÇ", 1)],
        "cp1251": [("вЂ", 1)],
    }.items()
}
MOJIBAKE = re.compile(
    f"(?P<western>{_WESTERN})|"
    + "".join(f"(?P<{encoding}>{pattern})|" for encoding, pattern in _OTHERS.items())
    + f"[{_C1}]"
)
# Certainly mojibake, and a byte of it is lost.
GARBLED = re.compile(r"[âÂ]€|[ðÐ]Ÿ|(?<![^\W\d_])Ã(?![^\W\d_])|(?<=[a-zß-ÿ])Ã(?![^\W\d_])|ï¿½|ΓÇ|вЂ")


def repair(match: re.Match[str]) -> str:
    """Return what stood in the place of a match of MOJIBAKE, or the match itself where that is in doubt."""
    garbled, encoding = match[0], match.lastgroup
    if encoding is None:
        return _read_control(garbled)
    plain = _decode(garbled, encoding)
    if encoding == "western" and not _is_certain(match, plain):
        return garbled
    repaired = _REPEATED.sub(_repair_again, plain)
    return repaired if _is_text(repaired) else garbled


def _repair_again(match: re.Match[str]) -> str:
    """Repair what a repair has left: a text that went wrong twice."""
    plain = _decode(match[0], "western")
    return plain if plain == match[0] else _REPEATED.sub(_repair_again, plain)


def _decode(garbled: str, encoding: str) -> str:
    """Return the text that was read as `encoding`, or the same if it was not in UTF-8."""
    try:
        return _encode(garbled, encoding).decode()
    except UnicodeDecodeError:
        return garbled


def _encode(garbled: str, encoding: str) -> bytes:
    if encoding == "western":
        return bytes(_BYTE[character] for character in garbled)
    return garbled.encode(encoding)


def _read_control(character: str) -> str:
    """Return a control character as browsers do: windows-1252 has a sign in its place. U+0085 ends a line."""
    return character if character == "\x85" else chr(ord(character)).encode("latin-1").decode("cp1252", "ignore")


def _is_text(plain: str) -> bool:
    return not any(unicodedata.category(character) in ("Cc", "Cn", "Co", "Cs") for character in plain)


def _is_certain(match: re.Match[str], plain: str) -> bool:
    """Return whether a match is mojibake. Two characters of it in a row are, and one that no writer would type is."""
    garbled = match[0]
    before, after = match.string[max(0, match.start() - 1) : match.start()], match.string[match.end() : match.end() + 1]
    lead, tail = garbled[0], garbled[1:]
    if len(plain) > 1 or lead >= "ð" or any("\x80" <= character <= "\x9f" for character in tail):
        return True
    if lead in "ÂÃ":  # No word ends in them, but for words in capitals, like "IRMÃ…"
        return not (before.isupper() and tail in _FOLLOWS_LETTERS and not after.isalpha())
    if lead == "â":
        return tail[0] not in _FOLLOWS_WORDS
    if lead == "ï":
        return plain in "\ufeff\ufe0f"
    if lead in "ß×":
        return False
    if len(tail) == 1 and (before.islower() or (tail in _ENDS_WORDS and after.isalpha())):
        return True
    return not _FOLLOWS_LETTERS.issuperset(tail)
