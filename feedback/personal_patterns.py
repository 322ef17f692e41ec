"""What links, e-mail addresses and names of accounts look like, as regular expressions.

Every pattern starts where a word starts and repeats possessively or within bounds, so that matching takes linear time.
"""

import re

# What may follow a letter or a digit as a part of it. `\w` does not know these: Hindi and Thai would fall into pieces.
MARKS = (
    r"\u0300-\u036f\u0483-\u0489\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u06d6-\u06ed\u0711-\u074a\u07a6-\u07b0"
    r"\u0816-\u082d\u08d3-\u0903\u093a-\u094f\u0962\u0963\u0981-\u0983\u09bc-\u09cd\u0a01-\u0a03\u0a3c-\u0a4d"
    r"\u0a81-\u0a83\u0abc-\u0acd\u0b01-\u0b03\u0b3c-\u0b57\u0b82\u0bbe-\u0bcd\u0c00-\u0c04\u0c3e-\u0c56\u0c81-\u0c83"
    r"\u0cbc-\u0ccd\u0d00-\u0d03\u0d3e-\u0d4d\u0dca-\u0ddf\u0e31-\u0e3a\u0e47-\u0e4e\u0eb1-\u0ebc\u0ec8-\u0ecd"
    r"\u0f35-\u0f84\u102b-\u103e\u135d-\u135f\u17b6-\u17d3\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\u3099\u309a"
    r"\ufe00-\ufe0f"
)
WORD = rf"\w{MARKS}"

# Domains that are masked even if nothing else says that they are links. "late.We" is a missing space.
_GENERIC = (
    "com|org|net|edu|gov|mil|int|info|biz|name|pro|aero|app|dev|mobi|xyz|online|site|website|store|shop|club|blog|page|"
    "tech|cloud|email|social|digital|agency|space|link|media|network|paris|london|berlin|bzh|cat|travel|museum|jobs|"
    "asia|local|lan|home|internal|localhost|example|test|onion|xn--[a-z0-9-]{2,59}"
)
_COUNTRIES = (
    "a[cdefgilmoqrstuwxz]|b[abdefghijmnorstvwyz]|c[acdfghiklmnoruvwxyz]|d[ejkmoz]|e[cegrstu]|f[ijkmor]|"
    "g[abdefghilmnpqrstuwy]|h[kmnrtu]|i[delmnoqrst]|j[emop]|k[eghimnprwyz]|l[abcikrstuvy]|m[acdeghklmnopqrstuvwxyz]|"
    "n[acefgilopruz]|om|p[aefghklmnrstwy]|qa|r[eosuw]|s[abcdeghijklmnorstuvxyz]|t[cdfghjklmnortvwz]|u[agksyz]|"
    "v[aceginu]|w[fs]|y[et]|z[amw]|рф|укр|бел|срб|中国|中國|香港|台湾|台灣|한국|भारत|ไทย"
)
_DOT = r"(?:[.。]|[\[({]\ ?(?:\.|dot)\ ?[\])}])"
_LABELS = rf"(?:[{WORD}-]++{_DOT})"  # of a domain, but for the last
_LAST = rf"(?:{_GENERIC}|(?!(?-i:[A-Z][a-z])(?![{WORD}]))(?:{_COUNTRIES}))(?![{WORD}-])"  # "It" starts a sentence
_NAME_START = rf"(?<![{WORD}@-])(?<![{WORD}-][.。])(?<![{WORD}-][\[({{][.。][\])}}])"
_APOSTROPHES = r"'’‘‛′‵´΄\u1fbd\u1fbf\u1ffe"
_LOCAL = rf"[{WORD}{_APOSTROPHES}.!#$%&*+/=?^`{{|}}~\\-]"  # of a mailbox, RFC 5322, and "\\"; quoted it may be anything
_HEX = r"[\da-f]{1,4}"

_LINK = rf"""
    \b[a-z][a-z0-9+.-]{{1,15}}:/{{1,3}}[^\s/]\S*                    # ftp://… http:/… whatsapp://…
  | \bh(?:tt|xx)ps?(?::|//)\S+                                      # https:… http//… hxxp:…
  | \b(?:skype|callto|sips?|xmpp|facetime|facetime-audio|whatsapp|tg|im|matrix):[^\s:]\S*
  | \bwww\d?{_DOT}\S+
  | (?<![^\s<>()@])[^\s<>()@]++@{_LABELS}*[{WORD}-]++(?::\d{{1,5}})?/\S*          # user:password@host/…
  | {_NAME_START}{_LABELS}{{1,126}}[^\W\d_][{WORD}-]+(?: (?::\d{{1,5}})?/\S* | :\d{{2,5}}\b\S* | \?[\w.%-]+=\S* )
  | (?<![{WORD}-])(?:localhost(?::\d{{1,5}}|/)|[a-z][{WORD}-]*+:\d{{4,5}}/)\S*   # localhost:8080 intranet:8080/…
  | {_NAME_START}\d{{1,3}}(?:\.\d{{1,3}}){{3}}(?![{WORD}]|\.\d)(?::\d{{1,5}})?(?:/\S*)?                     # IPv4
  | (?<![{WORD}:])\[?(?: (?:{_HEX}:){{7}}{_HEX}
      | (?:{_HEX}(?::{_HEX}){{0,6}})?::{_HEX}(?::{_HEX}){{0,6}} | {_HEX}(?::{_HEX}){{1,6}}:: )
    (?:%\w+)?(?![{WORD}:])\]?(?::\d{{1,5}})?(?:/\S*)?                                                       # IPv6
"""
_AT_WORD = "(?:arr?oba[sz]?e?|chiocciola|klammeraffe|apenstaartje|snabel-?a|ät)"  # what can mean nothing else
_DOT_WORD = "(?:dot|point|punkt|punto|ponto)"
_SURE_AT = rf"(?:\ {{0,2}}[\[({{<]\ ?(?:{_AT_WORD}|at|a|@)\ ?[\])}}>]\ {{0,2}}|\ {{1,2}}{_AT_WORD}\ {{1,2}})"
_WORDED_DOT = rf"(?:\ {{1,2}}{_DOT_WORD}\ {{1,2}}|\ {{0,2}}[\[({{<]\ ?(?:{_DOT_WORD}|\.)\ ?[\])}}>]\ {{0,2}})"
_EMAIL = rf"""
    @?(?: "[^"]{{1,64}}" | (?<!{_LOCAL}){_LOCAL}++ )
    @{{1,3}}(?: \[[^\]\s]{{2,45}}\] | {_LABELS}*[{WORD}-]++ )(?:\?[\w.%-]+=\S*)?
  | (?<!{_LOCAL})[{WORD}.+-]++\ {{0,2}}@\ {{0,2}}{_LABELS}+{_LAST}                         # bob @example.org
  | (?<![{WORD}.+-])(?:
      [{WORD}.+-]++(?:{_WORDED_DOT}[{WORD}+-]++){{0,3}}                                      # bob dot smith
        (?: {_SURE_AT}(?:[{WORD}-]++(?:{_WORDED_DOT}|{_DOT}))+                               # (at) example.org
          | \ {{1,2}}at\ {{1,2}}(?:[{WORD}-]++{_WORDED_DOT})+ )                               # at example dot org
    | (?=[{WORD}.+-]*?[^\W\d_])(?=[^\W\d_]*+[\d._])[{WORD}.+-]++                             # bob.smith at example.org
        \ {{1,2}}at\ {{1,2}}(?:[{WORD}-]++{_DOT})+ ){_LAST}
"""
_DOMAIN = rf"{_NAME_START}(?!\d[\d.]*\.\w\w\b){_LABELS}{{1,126}}{_LAST}(?:[?\#]\S+)?"
_MENTION = rf"""
    @(?!\d{{1,2}}(?:[:h.]\d\d|[ap]m)\b)                                                          # "@10:30" is a time
    (?:[@{_APOSTROPHES}"._-]{{0,3}}[{WORD}] | \ {{1,2}}['"]?[^\W\d_])[{WORD}]*+
    (?:[.{_APOSTROPHES}/·‐-―-]{{1,2}}(?!s\b)[{WORD}]++)*+
  | (?<![{WORD}/])(?:/?u/[{WORD}-]{{2,}}+)++                                                       # of Reddit
"""

# Each mask with its pattern, in the order in which they apply: a link may contain an e-mail address, an address
# contains a domain, and "@bob.example.org" is no name alone. A pattern takes the marks that follow, too: NFC would
# compose one with the last character of the mask.
ADDRESS_MASKS = tuple(
    (mask, re.compile(rf"(?:{pattern})[{MARKS}]*+", re.IGNORECASE | re.VERBOSE))
    for mask, pattern in (("<url>", _LINK), ("<email>", _EMAIL), ("<url>", _DOMAIN), ("<mention>", _MENTION))
)
