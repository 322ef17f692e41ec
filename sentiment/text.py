"""A tweet becomes tokens: the only copy, used by training and by serving alike.

`TextSpec` names every step as a switch, because training tunes them and the manifest records them.
The way of a text: `clean` (entities, control characters, NFC) → one regular expression that cuts it into
tokens, linear in its length → each token folded (case, elongation, names for emoji).

Joined with single spaces, the tokens of a text tokenise to themselves: no pattern crosses a space.
"""

import html
import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import cache
from typing import NamedTuple

import msgspec

URL = "<url>"
MENTION = "<mention>"

# English function words that carry no mood. Negations and intensity ("not", "never", "too", "but") stay out of it.
STOP_WORDS = frozenset(
    "a an the and or of to in on at by for from with as is am are was were be been being it its this that these those "
    "i me my we us our you your he him his she her they them their there here do does did has have had will".split()
)

_ENTITY = re.compile(r"&(?:(?:amp|#38|#x26);)*(?:#\d{1,7}|#x[0-9a-f]{1,6}|[a-z][a-z0-9]{1,31});", re.IGNORECASE)
_ELONGATION = re.compile(r"(\D)\1{2,}")
_CAMEL = re.compile(r"[A-ZÀ-ÖØ-Þ]+(?![^\W\d_A-ZÀ-ÖØ-Þ])|[A-ZÀ-ÖØ-Þ]?[^\W\d_A-ZÀ-ÖØ-Þ]+|\d+")

# The order is the meaning: what stands first wins. Every repetition is possessive or bounded, so the whole is O(n).
_TOKEN = re.compile(
    r"""
    (?P<special>  <[a-z][a-z0-9_-]{0,79}> )
  | (?P<url>      (?:https?://|www\.)\S++ | \b[a-z0-9][a-z0-9-]{0,30}+\.(?:com|org|net|co|ly|fm|tv|me|gl|im)/\S*+ )
  | (?P<mention>  (?<!\w)@\w++ )
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
    """A token and where it stands in the caller's text: `text[start:end]`, in code points."""

    token: str
    start: int
    end: int


class TextSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a text is cut into tokens. Equal specs give equal tokens on every machine with the same Python."""

    unescape: bool = True  # HTML entities become the characters they stand for
    printable: bool = True  # control, format and other non-printable characters are dropped
    nfc: bool = True  # canonical composition; accents are kept
    lowercase: bool = True
    urls: bool = True  # every link becomes <url>
    mentions: bool = True  # every @name becomes <mention>
    hashtags: bool = True  # #LoveThisAirline becomes love this airline
    emoticons: bool = True  # :-) is one token; otherwise it falls apart into punctuation
    emoji: bool = True  # an emoji is named: <red_apple>; otherwise it stands for itself
    elongations: bool = True  # "soooo" and "sooo" become "soo", "!!!!" becomes "!!"
    punctuation: bool = True  # punctuation marks are tokens; otherwise they are dropped
    stop_words: bool = False  # drop English function words, never a negation
    lemmas: bool = False  # English dictionary forms, by simplemma

    def tokens(self, text: str) -> list[str]:
        """The tokens of any Unicode text; O(len(text))."""
        return [token for token, _, _ in self._scan(self.clean(text))]

    def normalise(self, text: str) -> str:
        """The tokens joined by single spaces; idempotent, but for lemmas: a lemma may have one of its own."""
        return " ".join(self.tokens(text))

    def spans(self, text: str) -> list[Span]:
        """The tokens with their place in `text` itself, before any cleaning."""
        cleaned, starts, ends = self._align(text)
        return [Span(token, starts[start], ends[end - 1]) for token, start, end in self._scan(cleaned)]

    def clean(self, text: str) -> str:
        """`text` as the tokeniser reads it: entities resolved, control characters gone, composed."""
        if self.unescape and "&" in text:
            text = _ENTITY.sub(_character, text)
        if self.printable and not text.isprintable():
            text = "".join(map(_printable, text))
        if self.nfc and not text.isascii():
            text = unicodedata.normalize("NFC", _stream_safe(text))
        if self.lowercase and "İ" in text:  # the one character whose lower case is longer than itself
            text = text.replace("İ", "I")
            if self.nfc:
                text = unicodedata.normalize("NFC", text)  # without its dot it may compose with the next mark
        return text

    def _align(self, text: str) -> tuple[str, list[int], list[int]]:
        """`clean(text)`, and for each of its characters where its origin starts and ends in `text`."""
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
        """Cut `text` where cleaning the parts is cleaning the whole: around entities, and before every character
        that does not compose with the one before it."""
        alone = msgspec.structs.replace(self, nfc=False)  # cleans one character or entity without composing it
        entities = {m.start(): m.end() for m in _ENTITY.finditer(text)} if self.unescape else {}
        start = position = 0
        while position < len(text):
            end = entities.get(position, position + 1)
            content = alone.clean(text[position:end])
            if position > start and content and not _composes(content[0]):
                yield start, position
                start = position
            position = end
        if start < len(text):
            yield start, len(text)

    def _scan(self, cleaned: str) -> Iterator[tuple[str, int, int]]:
        for match in _TOKEN.finditer(cleaned):
            kind, raw = match.lastgroup, match[0]
            if kind == "hashtag" and self.hashtags:
                for part in _CAMEL.finditer(raw):
                    if token := self._word(part[0]):
                        yield token, match.start() + part.start(), match.start() + part.end()
            elif kind == "emoticon" and not self.emoticons:
                for offset, character in enumerate(raw, match.start()):
                    if token := self._symbol(character):
                        yield token, offset, offset + 1
            elif token := _TOKEN_OF[kind](self, raw):
                yield token, match.start(), match.end()

    def _case(self, raw: str) -> str:
        return raw.lower() if self.lowercase else raw

    def _fold(self, raw: str) -> str:
        return _ELONGATION.sub(r"\1\1", raw) if self.elongations and len(raw) > 2 else raw

    def _url(self, raw: str) -> str:
        return URL if self.urls else self._case(raw)

    def _mention(self, raw: str) -> str:
        return MENTION if self.mentions else self._case(raw)

    def _emoticon(self, raw: str) -> str:
        heart = raw.rstrip("3") if self.elongations else ""
        return heart + "3" if heart in ("<", "</") else self._fold(self._case(raw))

    def _word(self, raw: str) -> str:
        word = self._fold(self._case(raw.replace("’", "'")))
        if self.lemmas:
            word = _lemma(word)
        return "" if self.stop_words and word.lower() in STOP_WORDS else word

    def _run(self, raw: str) -> str:
        return self._fold(raw) if self.punctuation else ""

    def _symbol(self, character: str) -> str:
        """The token of a character that is no word: its name, itself, or nothing."""
        if character.isascii():
            return self._case(character) if self.punctuation else ""
        category = unicodedata.category(character)
        if category == "So":
            return f"<{unicodedata.name(character).lower().replace(' ', '_')}>" if self.emoji else character
        if category[0] in "MC" or "\U0001f3fb" <= character <= "\U0001f3ff":
            return ""  # a mark without its letter, a skin tone, a variation selector
        return character if self.punctuation else ""


# What makes a token of each kind of match; "" drops it.
_TOKEN_OF: dict[str | None, Callable[[TextSpec, str], str]] = {
    "special": TextSpec._case,
    "url": TextSpec._url,
    "mention": TextSpec._mention,
    "hashtag": TextSpec._case,
    "emoticon": TextSpec._emoticon,
    "word": TextSpec._word,
    "run": TextSpec._run,
    "symbol": TextSpec._symbol,
}


def _character(entity: re.Match[str]) -> str:
    return html.unescape("&" + entity[0].rpartition("&")[2].split(";")[-2] + ";")


def _printable(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character.isspace() else ""


def _stream_safe(text: str) -> str:
    """At most 30 combining marks in a row, which no language needs: sorting them is quadratic (UAX #15, section 13)."""
    kept, run = [], 0
    for character in text:
        run = run + 1 if unicodedata.combining(character) else 0
        if run <= 30:
            kept.append(character)
    return "".join(kept)


def _composes(character: str) -> bool:
    """Whether NFC may join this character to the one before it: a mark, or a Hangul vowel or final consonant."""
    return unicodedata.category(character)[0] == "M" or "\u1160" <= character <= "\u11ff"


@cache
def _lemmatizer() -> Callable[..., str]:
    import simplemma  # slow to load: only a spec that asks for lemmas pays for it

    return simplemma.lemmatize  # type: ignore[no-any-return]


def _lemma(word: str) -> str:
    return _lemmatizer()(word, lang="en")
