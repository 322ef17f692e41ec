"""Texts whose language is known: tweets that people labelled, words with their frequencies, names of cities.

The words and frequencies of 42 languages are those of wordfreq (Robyn Speer; code Apache-2.0, data CC BY-SA 4.0): from
books, subtitles, news, the web and tweets. They teach the languages that have no tweets, and the words that are in no
tweet. The cities are those that have an airport in airportsdata (Mike Borsetti; MIT).
"""

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import airportsdata
import numpy as np
import pandas as pd
import wordfreq
from numpy.typing import NDArray

from sentiment.language import ENGLISH, LANGUAGES, OTHER, split_words
from training.data.cleaning import content, split_of
from training.data.dataset import Split

MAX_TWEETS = 90_000  # of one language in one file; a sample of more
HOLDOUT = 0.2  # share of validation, and of test
LISTED_WORDS, OTHER_LISTED_WORDS = (
    40_000,
    8_000,
)  # the most frequent ones, of each language with a name and of each other
COMMON_WORDS = 10_000  # of English
ENGLISH_SHARE = 0.6  # of common English words, from which a tweet is taken to be English
UNSEEN_PER_MILLION = 0.01  # the frequency of a word in a language whose list does not have it

# Serbo-Croatian and Filipino have codes of two and three letters that are not of ISO 639-1.
OTHERS = (
    "bg bn ca cs da el fa fi fil he hu id is ja ko lt lv mk ms nb nl pl ro ru sh sk sl sv ta tr uk ur vi zh".split()
)


class Tweets(NamedTuple):
    """Tweets in one language, without near-duplicates."""

    language: str
    texts: list[str]


class Vocabulary(NamedTuple):
    """The words of all lists, and how often each is in each of LANGUAGES, per million words: [words, languages]."""

    words: list[str]
    per_million: NDArray[np.float64]


def read_tweets(path: Path, language: str | None) -> Iterator[Tweets]:
    """Yield the tweets of a parquet file, by language: that of its column `language`, or the given one."""
    rows = pd.read_parquet(path)
    if language is None and "language" not in rows:
        raise SystemExit(f"{path}: has no column language; give LANGUAGE={path}")
    codes = pd.Series(language, rows.index) if language else rows.language
    for code, texts in rows.text.groupby(codes):
        if code not in LANGUAGES:
            raise SystemExit(f"{path}: {code} is not one of {', '.join(LANGUAGES)}")
        sample = texts.sample(MAX_TWEETS, random_state=0) if len(texts) > MAX_TWEETS else texts
        yield Tweets(code, sample.tolist())


def split(tweets: Tweets) -> dict[Split, Tweets]:
    """Split tweets by their content, of which each is kept once: near-duplicates never are in two splits."""
    contents = {content(text): text for text in reversed(tweets.texts)}
    parts: dict[Split, list[str]] = {"train": [], "validation": [], "test": []}
    for key, text in contents.items():
        parts[split_of(key, HOLDOUT)].append(text)
    return {name: Tweets(tweets.language, texts) for name, texts in parts.items()}


def drop_english(tweets: Tweets) -> Tweets:
    """Leave out tweets that are English, although they are labelled as in another language.

    These are tweets most of whose words are common in English, and rarer in their language. So are more than a quarter
    of those labelled Hindi, which is written in Latin letters there.
    """
    if tweets.language == ENGLISH:
        return tweets
    english, own = _read_list(ENGLISH, COMMON_WORDS), _read_list(tweets.language, COMMON_WORDS)
    common = frozenset(word for word, frequency in english.items() if frequency > own.get(word, 0.0))
    return Tweets(tweets.language, [t for t in tweets.texts if _share_of(common, split_words(t)) < ENGLISH_SHARE])


def _share_of(common: frozenset[str], words: Sequence[str]) -> float:
    """Return the share of common words, without those of one letter; 0 if there are no others."""
    long = [word for word in words if len(word) > 1]
    return sum(word in common for word in long) / max(len(long), 1)


def read_cities() -> list[list[str]]:
    """Return the words of each city with an airport, sorted."""
    cities = {airport["city"] for airport in airportsdata.load("IATA").values()}
    return [words for city in sorted(cities) if (words := split_words(city))]


def read_vocabulary() -> Vocabulary:
    """Return the most frequent words of each language that wordfreq has, sorted."""
    columns = {code: _read_list(code, LISTED_WORDS) for code in LANGUAGES if code != OTHER}
    others = [_read_list(code, OTHER_LISTED_WORDS) for code in OTHERS]
    words = sorted({word for listed in [*columns.values(), *others] for word in listed})
    frequencies = [[listed.get(word, 0.0) for word in words] for listed in columns.values()]
    frequencies.append([sum(listed.get(word, 0.0) for listed in others) / len(others) for word in words])
    return Vocabulary(words, np.array(frequencies).T + UNSEEN_PER_MILLION)


@cache
def _read_list(code: str, n: int) -> dict[str, float]:
    """Return the n most frequent words of a language, and how often each is among a million."""
    listed: dict[str, float] = {}
    for word, frequency in islice(wordfreq.get_frequency_dict(code, "best").items(), n):
        for part in split_words(word):  # don't: don, t
            listed[part] = listed.get(part, 0.0) + 1e6 * frequency
    return listed
