"""Measure how often the languages of tweets are recognised."""

from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import NamedTuple

from sentiment.language import ENGLISH, detect_languages

from .corpus import Tweets, drop_english


class Recognition(NamedTuple):
    """What was detected in tweets of one language."""

    name: str
    language: str
    texts: int
    not_english: float  # share in which a language other than English was detected, alone or beside English
    right: float  # share whose first language is the right one
    foreign: int  # texts most of whose words are not common English ones
    foreign_not_english: float  # `not_english` of these alone; of English tweets, of all
    mistaken: list[str]  # the tweets for which `not_english` is wrong


def measure(name: str, tweets: Tweets) -> Recognition:
    """Detect the languages of tweets. `name` says where they come from."""
    detected = {text: detect_languages(text) for text in tweets.texts}
    foreign = drop_english(tweets).texts
    return Recognition(
        name,
        tweets.language,
        len(tweets.texts),
        not_english=_share(detected[text] != (ENGLISH,) for text in tweets.texts),
        right=_share(detected[text][0] == tweets.language for text in tweets.texts),
        foreign=len(foreign),
        foreign_not_english=_share(detected[text] != (ENGLISH,) for text in foreign),
        mistaken=[t for t in tweets.texts if (detected[t] == (ENGLISH,)) != (tweets.language == ENGLISH)],
    )


def _share(truths: Iterable[bool]) -> float:
    return fmean(map(float, truths))


def to_markdown(rows: Sequence[Recognition]) -> str:
    """Return the table of docs/languages.md."""
    lines = [
        "| tweets | language | number | not English | its language | less those in English words | not English |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    for row in rows:
        without = f"{row.foreign:,} | {row.foreign_not_english:.2%}" if row.language != ENGLISH else "– | –"
        lines.append(
            f"| {row.name} | {row.language} | {row.texts:,} | {row.not_english:.2%} | {row.right:.2%} | {without} |"
        )
    return "\n".join(lines)
