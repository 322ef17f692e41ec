r"""`languages`: measure how well sentiment/language.py recognises languages, or fit its table anew with --fit.

Each FILE is a parquet file with `text` and, unless LANGUAGE= stands before its name, `language`. A fifth of the tweets
of --tweets are for tests, by their content, a fifth to choose the thresholds on, and --fit learns from the rest.
--unseen files are for tests alone. --part validation measures what thresholds may be chosen on.

    python -m training languages --tweets others.parquet fr=french.parquet en=sentiment140.parquet \
        --unseen en=semeval.parquet
"""

import argparse
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from sentiment.language import TABLE
from training.language import corpus
from training.language.corpus import Tweets
from training.language.measure import measure, to_markdown


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tweets", nargs="+", required=True, type=_tweets, metavar="[LANGUAGE=]FILE")
    parser.add_argument("--unseen", nargs="+", default=[], type=_tweets, metavar="[LANGUAGE=]FILE")
    parser.add_argument("--part", choices=["validation", "test"], default="test", help="(default: %(default)s)")
    parser.add_argument("--mistaken", action="store_true", help="print every tweet that is mistaken for English or not")
    parser.add_argument("--fit", action="store_true", help=f"write {TABLE.name}, and print its digest")


def run(arguments: argparse.Namespace) -> None:
    splits = [(name, corpus.split(tweets)) for name, tweets in _read(arguments.tweets)]
    if arguments.fit:
        from training.language.fit import fit  # imported here: scipy takes a while, and only fitting needs it

        train = [corpus.drop_english(parts["train"]) for _, parts in splits]
        table = fit(train, corpus.read_vocabulary(), corpus.read_cities()).tobytes()
        TABLE.write_bytes(table)
        print(f"{TABLE}: TABLE_SHA256 is {hashlib.sha256(table).hexdigest()}")
        return
    rows = [measure(name, parts[arguments.part]) for name, parts in splits]
    rows += [measure(name, tweets) for name, tweets in _read(arguments.unseen)]
    print(to_markdown(rows))
    if arguments.mistaken:
        for row in rows:
            print(f"\n{row.name}, {row.language}:", *row.mistaken, sep="\n  ")


def _tweets(argument: str) -> tuple[str | None, Path]:
    language, _, path = argument.rpartition("=")
    return language or None, Path(path)


def _read(files: Sequence[tuple[str | None, Path]]) -> Iterator[tuple[str, Tweets]]:
    for language, path in files:
        for tweets in corpus.read_tweets(path, language):
            yield path.stem, tweets
