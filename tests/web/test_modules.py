"""The page's modules that compute: CSV, the length of a tweet, its explained pieces. Run by Node.js."""

import json
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from tests.support.paths import ROOT
from tests.support.time_limit import time_limit
from tests.support.tweets import hostile
from tools.node import node

type Call = Callable[..., Any]

CALLS = """
for await (const line of (await import("node:readline")).createInterface(process.stdin)) {
  const [module, name, args] = JSON.parse(line);
  const given = name === "decode" ? [new Uint8Array(args[0]).buffer] : args;
  console.log(JSON.stringify((await import(module))[name](...given) ?? null));
}
"""


@pytest.fixture(scope="module")
def modules() -> Iterator[Call]:
    """Return a function that calls a function of a web module, with JSON arguments and result."""
    command = [node(), "--input-type=module", "-e", CALLS]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8") as process:

        def call(module: str, name: str, *args: Any) -> Any:
            assert process.stdin and process.stdout
            print(json.dumps([(ROOT / "web" / module).as_uri(), name, args]), file=process.stdin, flush=True)
            return json.loads(process.stdout.readline())

        yield call


@pytest.fixture(scope="module")
def csv(modules: Call) -> Call:
    return partial(modules, "csv.js")


@pytest.fixture(scope="module")
def tweet(modules: Call) -> Call:
    modules("links.js", "useTlds", json.loads((ROOT / "web/tlds.json").read_text()))
    return partial(modules, "tweet.js")


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("a,b\r\nc,d\r\n", [["a", "b"], ["c", "d"]]),
        ("a\rb", [["a"], ["b"]]),
        ('"a, b";"say ""hi""";\r\n', [["a, b", 'say "hi"', ""]]),
        ('id;text\n1;"two\r\nlines; and, commas"\n', [["id", "text"], ["1", "two\r\nlines; and, commas"]]),
        ("a\tb, c; d\te", [["a", "b, c; d", "e"]]),
        ("a,b\n\n,\nc", [["a", "b"], ["c"]]),
        ("tweet\r\nBonjour, we love you\r\n", [["tweet"], ["Bonjour, we love you"]]),
        ('"so, quoted"\na, b; c', [["so, quoted"], ["a, b; c"]]),
        ("\n\ttext\n1\ta, b", [["", "text"], ["1", "a, b"]]),
        ("sep=;\r\na;b, c, d", [["a", "b, c, d"]]),
        ("SEP=|\na|b", [["a", "b"]]),
        ('5" screen,x', [['5" screen', "x"]]),
        ('"never closed, a', [["never closed, a"]]),
        ("", []),
    ],
)
def test_parse_reads_every_dialect_of_csv(csv: Call, text: str, rows: list[list[str]]) -> None:
    assert csv("parse", text) == rows


@pytest.mark.parametrize(
    ("first", "column", "headed"),
    [
        (["id", "Text", "date"], 1, True),
        (["date", " tweet "], 1, True),
        (["texte"], 0, True),
        (["Tweet id", "Tweet permalink", "Tweet text", "time"], 2, True),
        (["Date du tweet", "Corps du tweet"], 1, True),
        (["user_id", "full_text"], 1, True),
        (["created-at", "Our Posts"], 1, True),
        (["full_text"], 0, True),
        (["great post"], 0, False),
        (["we love this post", "today"], 0, False),
        (["texture", "impost"], 0, False),
        (["hello", "world"], 0, False),
        (["the text of it"], 0, False),
    ],
)
def test_finds_the_text_column_by_its_name(csv: Call, first: list[str], column: int, headed: bool) -> None:
    assert csv("columnOfTexts", [first, ["a", "b", "c"]]) == {"column": column, "headed": headed}


def test_decode_reads_every_encoding_of_excel(csv: Call) -> None:
    text = "Équipe à l'heure"  # Node.js 20 takes windows-1252 for latin-1
    for encoding in ("utf-8", "utf-8-sig", "cp1252", "utf-16"):
        assert csv("decode", [*text.encode(encoding)]) == text, encoding
    assert csv("decode", [*b"PK\3\4\0\0"]) is None  # a workbook, not a table as text


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r", "\n", "＝"])
def test_format_escapes_formulas(csv: Call, first: str) -> None:
    written = csv("format", [[f"{first}cmd|' /C calc'!A0", "safe = it is"]], ",")
    ((cell, other),) = csv("parse", written.removeprefix("\ufeff"))
    assert (cell, other) == (f"'{first}cmd|' /C calc'!A0", "safe = it is")


@pytest.mark.parametrize("separator", [",", ";"])
def test_parse_reads_what_format_writes(csv: Call, separator: str) -> None:
    rows = [["text", "decision"], ['say "hi", you;\ttab\r\nand more', "hold"], ["👍🏽 é", ""]]
    written = csv("format", rows, separator)
    assert written.startswith("\ufeff") and written.endswith("\r\n")
    assert csv("parse", written.removeprefix("\ufeff")) == rows


@pytest.mark.parametrize(
    ("text", "weight"),
    [
        ("", 0),
        ("plain", 5),
        ("e\u0301té", 3),
        ("日本", 4),
        ("👍", 2),
        ("👩‍👩‍👧‍👦👍🏽🇫🇷1️⃣", 8),
        ("“quoted” – it’s", 15),
        ("see https://example.org/a/very/long/path?with=much%20more now", 31),
        ("example.com", 23),
        ("Example.Com/a_(b), see airparis.fr", 52),
        ("https://example.org.", 24),
        ("https://t.co/AbC💔", 25),
        ("https://t.co/AbC—soon", 28),
        ("日本example.com日本", 31),
        ("https://例え.みんな/a", 23),
        ("bob@example.com @a.com #a.com 3.5", 33),
        ("example.nosuch http://localhost/a", 33),
        ("€", 2),
    ],
)
def test_weighted_length_is_that_of_x(tweet: Call, text: str, weight: int) -> None:
    assert tweet("weightedLength", text) == weight


@pytest.mark.parametrize(
    "part", ["a.", "日.", "日a.com", "a.com/(", "(", "http://", "a.com_", "日", "a.com/;", "-a.", "https://日."]
)
def test_weighted_length_takes_linear_time(tweet: Call, part: str) -> None:
    """A hundred thousand characters take a moment. Quadratic work would take minutes."""
    with time_limit(seconds=20):
        assert tweet("weightedLength", part * (100_000 // len(part))) > 0


def test_pieces_join_to_the_text(tweet: Call) -> None:
    text = "👍🏽 the crew was GREAT 🙂 today"
    start = text.index("GREAT")
    explanation = [
        {"start": 0, "end": 2, "token": "👍🏽", "weight": 0.5},
        {"start": start, "end": start + 5, "token": "great", "weight": 2.0},
        {"start": start + 6, "end": start + 7, "token": "🙂", "weight": -1.0},
    ]
    pieces = tweet("pieces", text, explanation)
    assert "".join(piece["text"] for piece in pieces) == text
    assert {piece["text"]: piece["weight"] for piece in pieces if piece["weight"]} == {
        "👍🏽": 0.5,
        "GREAT": 2.0,
        "🙂": -1.0,
    }


def test_pieces_of_overlapping_tokens_repeat_no_character(tweet: Call) -> None:
    explanation = [
        {"start": 0, "end": 3, "token": "abc", "weight": 1},
        {"start": 2, "end": 5, "token": "cde", "weight": 2},
    ]
    pieces = tweet("pieces", "abcdef", explanation)
    assert [(piece["text"], piece["weight"]) for piece in pieces] == [("abc", 1), ("de", 2), ("f", 0)]


def test_strength_is_relative_to_the_strongest_word_but_not_to_weak_ones(tweet: Call) -> None:
    def strengths(*pieces: tuple[str, float]) -> Any:
        return tweet("strengths", [{"text": text, "weight": weight} for text, weight in pieces])

    assert strengths(("awful", -4.0), ("late", -2.4), ("we", 1.3), ("on", 0.9), (" ", 0)) == [3, 2, 1, 0, 0]
    assert strengths(("we", 0.2), ("on", -0.35)) == [0, 1]
    assert strengths((".", 3.0), ("good", 1.0), ("!", 0.9)) == [0, 3, 3]


@pytest.mark.parametrize("text", hostile(5, seed=7))
def test_sanitize_keeps_the_number_of_code_points(tweet: Call, text: str) -> None:
    half = text + "\ud83d!\0"  # half of a surrogate pair, as a cut emoji leaves it
    sent = tweet("sanitize", half)
    assert sent == text.replace("\0", "\ufffd") + "\ufffd!\ufffd"
    assert tweet("codePoints", sent) == len(half)
