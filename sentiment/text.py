"""Tokenise tweets. Training and serving share this code.

There are three steps: clean the text (entities, control characters, NFC), split it into links and, with one regular
expression, other tokens, both in linear time, and normalise each token (case, elongation, names of emoji). `TextSpec`
has a switch for everything that they do: training tunes the switches, and the manifest records them.

Tokens joined with single spaces tokenise to themselves, because no pattern matches across a space.
"""

import html
import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import cache
from typing import NamedTuple

import msgspec

from .links import split_at_links

URL = "<url>"
MENTION = "<mention>"

# English function words without sentiment. Negations and intensifiers ("not", "never", "too", "but") are not listed.
STOP_WORDS = frozenset(
    "a an the and or of to in on at by for from with as is am are was were be been being it its this that these those "
    "i me my we us our you your he him his she her they them their there here do does did has have had will".split()
)

_MAX_MARKS = 30
_ENTITY = re.compile(r"&(?:(?:amp|#38|#x26);)*(?:#\d{1,7}|#x[0-9a-f]{1,6}|[a-z][a-z0-9]{1,31});", re.IGNORECASE)
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
    emoji: bool = True  # replace an emoji by its name: <red_apple>
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
        cleaned, starts, ends = self._align(text)
        return [Span(token, starts[start], ends[end - 1]) for token, start, end in self._tokenise(cleaned)]

    def clean(self, text: str) -> str:
        """Decode entities, drop control characters and compose accents, as far as the spec asks for it."""
        if self.unescape and "&" in text:
            text = _ENTITY.sub(_decode_entity, text)
        if self.printable and not text.isprintable():
            text = "".join(map(_make_printable, text))
        if self.nfc and not text.isascii():
            text = unicodedata.normalize("NFC", _stream_safe(text))
        if self.lowercase and "İ" in text:  # U+0130, the only character whose lower case is longer
            text = text.replace("İ", "I")
            if self.nfc:
                text = unicodedata.normalize("NFC", text)  # without the dot, I may compose with the next mark
        return text

    def _align(self, text: str) -> tuple[str, list[int], list[int]]:
        """Return `clean(text)`, and for each of its characters where it starts and ends in `text`."""
        cleaned: list[str] = []
        starts: list[int] = []
        ends: list[int] = []
        for start, end in self._clusters(text):
            piece = self.clean(text[start:end])
            cleaned.append(piece)
            starts += [start] * len(piece)
            ends += [end] * len(piece)
        return "".join(cleaned), starts, ends

    def _clusters(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield the start and end of the shortest parts that, cleaned separately, give the cleaned text.

        A part ends before and after an entity, and before each character that does not compose with the previous one.
        """
        without_nfc = msgspec.structs.replace(self, nfc=False)
        entities = {m.start(): m.end() for m in _ENTITY.finditer(text)} if self.unescape else {}
        start = position = 0
        while position < len(text):
            end = entities.get(position, position + 1)
            content = without_nfc.clean(text[position:end])
            if position > start and content and not _composes(content[0]):
                yield start, position
                start = position
            position = end
        if start < len(text):
            yield start, len(text)

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


def _decode_entity(entity: re.Match[str]) -> str:
    """Decode an entity that may have been escaped several times, like &amp;amp;lt;."""
    return html.unescape("&" + entity[0].rpartition("&")[2].split(";")[-2] + ";")


def _make_printable(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character.isspace() else ""


def _stream_safe(text: str) -> str:
    """Drop all but the first 30 of consecutive combining marks, because composing sorts them in quadratic time.

    No language needs more: Stream-Safe Text Format, UAX #15, section 13.
    """
    kept, n_marks = [], 0
    for character in text:
        n_marks = n_marks + 1 if unicodedata.combining(character) else 0
        if n_marks <= _MAX_MARKS:
            kept.append(character)
    return "".join(kept)


def _composes(character: str) -> bool:
    """Return whether NFC may compose this character with the previous one: a mark, or a Hangul vowel or final."""
    return unicodedata.category(character)[0] == "M" or "\u1160" <= character <= "\u11ff"


@cache
def _lemmatizer() -> Callable[..., str]:
    import simplemma  # imported lazily: it is slow to load, and only specs with `lemmas` need it

    return simplemma.lemmatize  # type: ignore[no-any-return]


def _lemma(word: str) -> str:
    return _lemmatizer()(word, lang="en")
