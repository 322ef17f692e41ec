"""Tokenise tweets. Training and serving share this code.

There are three steps: read the text as a person does (`reading.py`), split it into links and, with one regular
expression, other tokens, all in linear time, and normalise each token (case, elongation, names of emoji). `TextSpec`
has a switch for what training tunes, and the manifest records them. Letters that only look like others are always
read, and mojibake is repaired.

Tokens joined with single spaces tokenise to themselves, because no pattern matches across a space.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import cache
from types import ModuleType
from typing import NamedTuple

import msgspec

from . import reading
from .links import split_at_links
from .reading import Step

URL = "<url>"
MENTION = "<mention>"

# English function words without sentiment. Negations and intensifiers ("not", "never", "too", "but") are not listed.
STOP_WORDS = frozenset(
    "a an the and or of to in on at by for from with as is am are was were be been being it its this that these those "
    "i me my we us our you your he him his she her they them their there here do does did has have had will".split()
)

_ELONGATION = re.compile(r"(\D)\1{2,}")
_HASHTAG_WORD = re.compile(r"[A-ZÀ-ÖØ-Þ]+(?![^\W\d_A-ZÀ-ÖØ-Þ])|[A-ZÀ-ÖØ-Þ]?[^\W\d_A-ZÀ-ÖØ-Þ]+|\d+")

# The order matters: the first alternative that matches wins. Every repetition is possessive or bounded, so matching
# takes linear time.
_TOKEN = re.compile(
    r"""
    (?P<special>  <[a-z][a-z0-9_-]{0,79}> )
  | (?P<mention>  (?<![\w!\#$%&*@])@(?a:\w{1,20}+)(?![\w@]) )                                # as X sees it
  | (?P<hashtag>  (?<!\w)\#\w++ )
  | (?P<emoticon> </?3++                                                                  # hearts
                | [<>]?(?<!\d)[:;=]['o^-]?(?:[()\[\]{}|/\\@*$]++ | [dposxc3]++(?!\w))     # :-) ;p =( :'(
                | (?:\( | (?<!\S)\))-?[:;=]                                               # (: and, alone, ):
                | \^[_.-]{0,9}\^ | -[_.]{1,9}- | >[_.]{1,9}< )                            # ^_^ -_- >.<
  | (?P<word>     \w++(?:['’]\w++)*+ )
  | (?P<run>      !++ | \?++ | \.++ )
  | (?P<symbol>   \S )
    """,
    re.VERBOSE | re.IGNORECASE,
)


class Span(NamedTuple):
    """A token and its position in the original text: `text[start:end]`, in code points."""

    token: str
    start: int
    end: int


def is_readable(text: str) -> bool:
    """Return whether it is known what a person reads: every letter, every sign, and their order."""
    return reading.is_ordinary(text) or _disguises().is_readable(text)


class TextSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How to tokenise a text. Equal specs give equal tokens wherever the version of Python is the same."""

    unescape: bool = True  # replace HTML entities by their characters
    printable: bool = True  # drop control, format and other non-printable characters
    nfc: bool = True  # compose characters canonically; accents are kept
    lowercase: bool = True
    urls: bool = True  # replace every link by <url>
    mentions: bool = True  # replace every @name by <mention>
    hashtags: bool = True  # split #LoveThisAirline into love this airline
    emoticons: bool = True  # keep :-) as one token; otherwise it is split into punctuation
    emoji: bool = True  # replace an emoji, or several that are one sign, by its name: <red_apple>
    elongations: bool = True  # shorten "soooo" and "sooo" to "soo", "!!!!" to "!!"
    punctuation: bool = True  # keep punctuation marks as tokens; otherwise drop them
    stop_words: bool = False  # drop English function words, never a negation
    lemmas: bool = False  # replace words by their English dictionary form, with simplemma

    def tokens(self, text: str) -> list[str]:
        """Return the tokens of any Unicode text, in O(len(text))."""
        return [token for token, _, _ in self._tokenise(self.clean(text))]

    def normalise(self, text: str) -> str:
        """Return the tokens joined by single spaces. Idempotent, except with `lemmas`: a lemma may have another one."""
        return " ".join(self.tokens(text))

    def spans(self, text: str) -> list[Span]:
        """Return the tokens with their positions in the original text."""
        cleaned, starts, ends = reading.align(text, self._steps(text))
        return [Span(token, starts[start], ends[end - 1]) for token, start, end in self._tokenise(cleaned)]

    def clean(self, text: str) -> str:
        """Return the text that a person reads, as far as the spec asks for it."""
        return reading.read(text, self._steps(text))

    def _steps(self, text: str) -> list[Step]:
        """Return the steps of reading that a text may need."""
        steps = reading.ORDINARY_STEPS if reading.is_ordinary(text) else _disguises().STEPS
        return [step for step in steps if step.switch is None or getattr(self, step.switch)]

    def _tokenise(self, cleaned: str) -> Iterator[tuple[str, int, int]]:
        """Yield each token of a cleaned text with its start and end there."""
        for start, end, is_link in split_at_links(cleaned):
            if is_link:
                yield self._url(cleaned[start:end]), start, end
            else:
                yield from self._tokenise_words(cleaned, start, end)

    def _tokenise_words(self, cleaned: str, start: int, end: int) -> Iterator[tuple[str, int, int]]:
        """Yield the tokens between two links."""
        for match in _TOKEN.finditer(cleaned, start, end):
            kind, raw = match.lastgroup, match[0]
            if kind == "hashtag" and self.hashtags:
                for part in _HASHTAG_WORD.finditer(raw):
                    if token := self._word(part[0]):
                        yield token, match.start() + part.start(), match.start() + part.end()
            elif kind == "emoticon" and not self.emoticons:
                for offset, character in enumerate(raw, match.start()):
                    if token := self._symbol(character):
                        yield token, offset, offset + 1
            elif token := _NORMALISERS[kind](self, raw):
                yield token, match.start(), match.end()

    def _lower(self, raw: str) -> str:
        return raw.lower() if self.lowercase else raw

    def _shorten(self, raw: str) -> str:
        return _ELONGATION.sub(r"\1\1", raw) if self.elongations and len(raw) > 2 else raw

    def _url(self, raw: str) -> str:
        return URL if self.urls else self._lower(raw)

    def _mention(self, raw: str) -> str:
        return MENTION if self.mentions else self._lower(raw)

    def _emoticon(self, raw: str) -> str:
        heart = raw.rstrip("3") if self.elongations else ""
        return heart + "3" if heart in ("<", "</") else self._shorten(self._lower(raw))

    def _word(self, raw: str) -> str:
        word = self._shorten(self._lower(raw.replace("’", "'")))
        if self.lemmas:
            word = _lemma(word)
        return "" if self.stop_words and word.lower() in STOP_WORDS else word

    def _run(self, raw: str) -> str:
        return self._shorten(raw) if self.punctuation else ""

    def _symbol(self, character: str) -> str:
        """Return the token of a character outside words: its name, the character itself, or an empty string."""
        if character.isascii():
            return self._lower(character) if self.punctuation else ""
        category = unicodedata.category(character)
        if category == "So":
            return f"<{unicodedata.name(character).lower().replace(' ', '_')}>" if self.emoji else character
        if category[0] in "MC" or "\U0001f3fb" <= character <= "\U0001f3ff":
            return ""  # a combining mark without a letter, a variation selector, or a skin tone
        return character if self.punctuation else ""


# By group of _TOKEN: what turns the matched text into a token. Empty tokens are dropped.
_NORMALISERS: dict[str | None, Callable[[TextSpec, str], str]] = {
    "special": TextSpec._lower,
    "mention": TextSpec._mention,
    "hashtag": TextSpec._lower,
    "emoticon": TextSpec._emoticon,
    "word": TextSpec._word,
    "run": TextSpec._run,
    "symbol": TextSpec._symbol,
}


@cache
def _disguises() -> ModuleType:
    from . import disguises  # lazily: its patterns and tables take 20 ms of processor, and few tweets need them

    return disguises


@cache
def _lemmatizer() -> Callable[..., str]:
    import simplemma  # imported lazily: it is slow to load, and only specs with `lemmas` need it

    return simplemma.lemmatize  # type: ignore[no-any-return]


def _lemma(word: str) -> str:
    return _lemmatizer()(word, lang="en")
