"""Find the links in a text, by the rules that X publishes: twitter-text 3.1.0.

The page counts links by exactly these rules (web/links.js). To read a text, a few differ. What belongs to an address is
not read as words of the text:

- After https:// everything is a link: whatever stands before it, however long it is, and if there is no such domain.
- A name may have underscores everywhere, and dots, a slash or a hyphen before it.

And what belongs to the text is not taken for an address:

- A short link to t.co ends with its letters and digits, with or without https://.
- A name without https://, www. and a path is a link only if it cannot be two sentences without a space: "awful.so".
"""

import re
from collections.abc import Iterator

from .tlds import TLDS

# The characters of a domain, of one after https:// (neither space nor punctuation nor invisible), and of a path.
# Each use of one takes 0.3 ms to compile.
_LATIN = r"a-zA-Z0-9\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02af\u02bb\u0300-\u036f\u1e00-\u1eff\u2c65\u2c66"
_NAME = rf"[{_LATIN}_-]"
_ANY_NAME = r"[^\0-,./:-@\[-^`{-\x7f\s\u061c\u180e\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]"
_PATH_LETTER = rf"[{_LATIN}\u0400-\u04ff!*';:=+,.$/%#\[\]\u2013_~@|&-]"
_BRACKETS = rf"\((?!\)){_PATH_LETTER}*+(?:\({_PATH_LETTER}++\){_PATH_LETTER}*+)?+\)"

# The labels of a domain, but for the last. Candidates do not overlap, and every repetition is possessive: finding all
# links takes linear time.
_LABEL = r"(?![-_]){}++(?<![-_])\."
_CANDIDATE = re.compile(
    rf"(?P<scheme>(?:(?i:https?)://)++)(?:{_LABEL.format(_ANY_NAME)})*+"
    rf"|(?P<name>(?<![@$#{_LATIN}])(?<![{_LATIN}_-][-_])(?:{_LABEL.format(_NAME)})++)"
    r"|[@$#](?:[a-zA-Z0-9_-]++\.)*+"  # an account, a hashtag or the domain of an e-mail address: no link
)
_PLAIN_TLD = re.compile(r"(?P<punycode>(?i:xn)--[a-zA-Z0-9-]++)|[a-zA-Z]++(?![a-zA-Z0-9@+-])")
_JOINED = re.compile(r"[a-zA-Z0-9@+-]")  # before one of these, no top-level domain ends
_LONGEST_TLD = 17  # characters, of those in other letters
_HOST = re.compile(rf"(?![-_.])(?:(?!(?i:https?)://)(?:{_NAME}|\.(?=\w)))++")  # if it has no such ending
_PORT = re.compile(r":[0-9]++")
_PATH = re.compile(rf"/(?:{_PATH_LETTER}++|{_BRACKETS})*+")
_SLUG = re.compile(r"/(?:(?!(?i:https?)://)[a-zA-Z0-9])++")  # of t.co; another link may follow without a space
_QUERY = re.compile(r"\?[a-zA-Z0-9!?*'@();:&=+$/%#\[\]_.,~|-]++")
_NO_END_OF_PATH = "!*';:,.$%[]~@|&\u2013"
_NO_END_OF_QUERY = "!?*'@();:+$%[].,~|"

# What a name without path may end in: one of these, another two letters, or two letters after one of these: com.au.
_GENERIC = frozenset("com net org edu gov mil biz aero".split())
_BEFORE_COUNTRY = re.compile(r"\.(?:com?|net|org|edu|gov|ac)\.\Z", re.IGNORECASE)
# Top-level domains that are words of English, French, German, Spanish, Italian or Portuguese, or start a sentence in a
# chat.
_WORDS = frozenset(
    "ad ai al am an ao as at au bb be bi bs bt by ca ci cu de dm do eh er es et eu ga gg gl gm gn hm id ie il im in io "
    "is it je la li ma me mm mo mr ms mu my na ne ni no nu om pa pm pr ps re sa se sh si sm so ss st su to tv um us va "
    "ve vi vu ye".split()
)


def find_links(text: str) -> Iterator[tuple[int, int]]:
    """Yield where each link in `text` starts and ends, in code points, in O(len(text))."""
    position = 0
    while candidate := _CANDIDATE.search(text, position):
        position = candidate.end()
        if candidate.lastgroup and (end := _find_end(text, candidate)):
            yield candidate.start(), end
            position = max(position, end)


def _find_end(text: str, candidate: re.Match[str]) -> int:
    """Return where the link ends, or 0 if there is none."""
    has_scheme = candidate.lastgroup == "scheme"
    start = candidate.end("scheme") if has_scheme else candidate.start()
    is_sure = text[start : start + 4].lower() == "www."
    for tld_start, end in _find_domains(text, start, candidate.end()):
        if has_scheme or text.startswith("/", _skip(_PORT, text, end)):
            return _find_end_of_path(text, start, end)
        if is_sure or _is_no_sentence(text, start, tld_start, end):
            return end
    host = _HOST.match(text, start) if has_scheme else None
    return _find_end_of_path(text, start, start + len(host[0].rstrip("-_"))) if host else 0


def _find_domains(text: str, start: int, end_of_labels: int) -> Iterator[tuple[int, int]]:
    """Yield start and end of each top-level domain that ends a name, the longest name first."""
    tld_start = end_of_labels
    while tld_start > start:
        if end := _find_end_of_tld(text, tld_start):
            yield tld_start, end
        tld_start = text.rfind(".", start, tld_start - 1) + 1


def _find_end_of_tld(text: str, start: int) -> int:
    """Return where the top-level domain at `start` ends, or 0 if there is none."""
    if text[start : start + 1].isascii():
        plain = _PLAIN_TLD.match(text, start)
        return plain.end() if plain and (plain["punycode"] or plain[0].lower() in TLDS) else 0
    for end in range(min(start + _LONGEST_TLD, len(text)), start, -1):
        if text[start:end].lower() in TLDS and not _JOINED.match(text, end):
            return end
    return 0


def _find_end_of_path(text: str, start: int, end: int) -> int:
    """Return where the link ends whose host goes from `start` to `end`: after port, path and query, if it has them."""
    is_short = text[start:end].lower() == "t.co"
    end = _skip(_PORT, text, end)
    path = (_SLUG.match(text, end) if is_short else None) or _PATH.match(text, end)
    if path:
        end += len(path[0].rstrip(_NO_END_OF_PATH))
    query = _QUERY.match(text, end)
    return end + len(query[0].rstrip(_NO_END_OF_QUERY)) if query else end


def _skip(pattern: re.Pattern[str], text: str, position: int) -> int:
    """Return where a match at `position` ends: there if nothing matches."""
    found = pattern.match(text, position)
    return found.end() if found else position


def _is_no_sentence(text: str, start: int, tld_start: int, end: int) -> bool:
    """Return whether the last part of a name cannot be the first word of a sentence."""
    tld = text[tld_start:end].lower()
    if len(tld) != 2:
        return tld in _GENERIC or tld.startswith("xn--")
    return tld not in _WORDS or _BEFORE_COUNTRY.search(text, max(start, tld_start - 5), tld_start) is not None
