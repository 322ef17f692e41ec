"""Links as X sees them: its own package, twitter-text, is the oracle of the page's count and of what is read.

The count has to agree to the letter. Reading differs where a verdict depends on it: each difference has its case here.
"""

import json
import random
import subprocess
import unicodedata
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from sentiment.links import split_at_links
from tests.support.paths import ROOT
from tools import tlds
from tools.node import node, package

type Ask = Callable[[list[str]], list[Any]]

# In processes of their own: twitter-text replaces parts of JavaScript's regular expressions.
ORACLE = """
const { default: X } = await import(process.argv[1]);
for await (const line of (await import("node:readline")).createInterface(process.stdin)) {
  const text = JSON.parse(line);
  const links = X.extractUrlsWithIndices(text).map(({ url, indices: [start] }) => [start, start + url.length]);
  console.log(JSON.stringify({ links, weight: X.parseTweet(text).weightedLength }));
}
"""
PAGE = """
const { findLinks, useTlds } = await import(process.argv[1] + "links.js");
useTlds(JSON.parse((await import("node:fs")).readFileSync(new URL("tlds.json", process.argv[1]))));
const { weightedLength } = await import(process.argv[1] + "tweet.js");
for await (const line of (await import("node:readline")).createInterface(process.stdin)) {
  const text = JSON.parse(line);
  const links = findLinks(text).map(({ start, end }) => [start, end]);
  console.log(JSON.stringify({ links, weight: weightedLength(text) }));
}
"""

LINKS = """
https://example.com http://example.com/ HTTPS://Example.Com/A https://example.com:8080/a?b=c#d https://www.example.de/a_(b)
https://example.de/a_(b(c)) https://müller.de/é https://例え.みんな/a https://пример.рф/путь https://xn--p1ai.xn--p1ai
https://a.b.c.example.museum/x https://💔.com/x example.com/a example.com www.example.org/x bbc.co.uk/news/a-b bbc.co.uk
spoti.fi/3x example.рф/a example.中国/a example.de:80/a?b= a-b.example.com/ example.com/a,b;c example.com/a(b)c
example.com/(a example.com/%20~x/@b/ example.com/?a=b,c example.com/a!b* example.com/a–b
""".split()
AROUND = [
    *"( ) [ ] { } “ ” ‘ ’ « » \" ' — … ! ? , ; : !? :( > < * ~ = % & ^ | \\".split(),
    *"💔 👍🏽 ❤️ 👨‍👩‍👧 日本 。 こ ไทย".split(),
    *[" ", "\n", "\u3000", " so ", ", ", ". "],
]
# In any order, these make names, paths and brackets that nobody writes.
PIECES = [
    *"example.com bbc.co.uk t.co https:// http:// HTTPS:// www. com.au a.b foo_bar foo-bar spoti.fi/ https://t.co/".split(),
    *"t.co/AbC https://example.com/ www.example.org/a_(b) xn--p1ai xn-- a b co com de it so late news AbC123 1".split(),
    *". .. - _ / // : :80 ? ?a=b &c=d #x # @ $ ! , ; ' \" “ ” ( ) () (a) (a(b)c) (( )) [ ] { } < > ~ * + =".split(),
    *"%20 | \\ – — … ＠ ＃ 。 、 é ü ß İ ſ Ⱥ ⱥ 日本 中国 みんな рф пример بازار भारत ไทย".split(),
    *"💔 👍🏽 👨‍👩‍👧 ❤️".split(),
    *[" ", "\n", "\t", "\u00a0", "\u3000", "\u200b", "\u200e", "\u202a", "\ufeff", ". ", "a" * 43, "日本語" * 7],
    "https://t.co/" + "a" * 41,
]
ODD = [
    "a" * 63 + ".com",
    "a" * 64 + ".com",
    "日" * 18 + ".com",
    "https://" + "日" * 40 + ".com",
    "https://" + "é" * 50 + ".com/x",
    "これはとても長い日本語の文章なのでここで終わりますexample.com",
    "これはとても長い日本語の文章なのでここで終わります。これはとても長い日本語の文章なのでここでexample.com/a",
    "https://example.com/" + "a" * 4068,
    "https://example.com/" + "a" * 4069,
    "example.com/" + "a" * 4076,
    "example.com/" + "a" * 4077,
    "xn--日.com https://xn--日.com https://xn--p1ai.com",
    "a.com日本b.com/x a.com.日本.com/x",
    "éexample.com “example.com",
    "foo_barexample.compath”example.com/x",
    ".".join("a" * 500),
    "(" * 1000,
    "example.com/" + "(" * 1000,
    "example.com/" + "(a" * 1000 + ")" * 1000,
    "http://" * 200,
]


@pytest.fixture(scope="module")
def asked() -> Callable[[str, str], Ask]:
    """Return a function that starts a program and returns what asks it about texts."""

    def start(program: str, argument: str) -> Ask:
        def ask(texts: list[str]) -> list[Any]:
            command = [node(), "--input-type=module", "-e", program, argument]
            lines = "".join(json.dumps(text) + "\n" for text in texts)
            answer = subprocess.run(command, input=lines, capture_output=True, check=True, encoding="utf-8").stdout
            return [json.loads(line) for line in answer.splitlines()]

        return ask

    return start


@pytest.fixture(scope="module")
def x(asked: Callable[[str, str], Ask]) -> Ask:
    return asked(ORACLE, (package("twitter-text") / "dist" / "index.js").as_uri())


@pytest.fixture(scope="module")
def page(asked: Callable[[str, str], Ask]) -> Ask:
    return asked(PAGE, (ROOT / "web").as_uri() + "/")


def written(n: int, seed: int) -> list[str]:
    """Return n texts of links and what people write around them."""
    choose = random.Random(seed)
    around = partial(choose.choice, AROUND)
    texts = []
    for _ in range(n):
        parts = [f"{around()}{choose.choice(LINKS)}{around()}" for _ in range(choose.randint(1, 4))]
        texts.append(unicodedata.normalize("NFC", " ".join(parts)))
    return texts


def mixed(n: int, seed: int) -> list[str]:
    """Return n texts of pieces of links, in any order."""
    choose = random.Random(seed)
    return [unicodedata.normalize("NFC", "".join(choose.choices(PIECES, k=choose.randint(1, 14)))) for _ in range(n)]


def in_code_points(text: str, units: list[list[int]]) -> list[tuple[int, int]]:
    """Convert positions in UTF-16 units, as JavaScript counts."""
    points = [point for point, character in enumerate(text) for _ in range(1 + (character > "\uffff"))] + [len(text)]
    return [(points[start], points[end]) for start, end in units]


def links(text: str) -> list[tuple[int, int]]:
    return [(start, end) for start, end, is_link in split_at_links(text) if is_link]


def test_the_page_counts_as_x_does(x: Ask, page: Ask) -> None:
    texts = [*written(3000, seed=1), *mixed(6000, seed=2), *ODD]
    for text, theirs, ours in zip(texts, x(texts), page(texts), strict=True):
        assert ours == theirs, text


def test_links_are_read_as_x_sees_them(x: Ask) -> None:
    texts = written(5000, seed=3)
    for text, theirs in zip(texts, x(texts), strict=True):
        assert links(text) == in_code_points(text, theirs["links"]), text


def test_no_part_of_a_link_with_scheme_or_path_is_read(x: Ask) -> None:
    """But for what follows a short link to t.co, an account and the like, or a quotation mark, X's letter."""
    texts = [text for text in mixed(12000, seed=4) if not set(text) & set('@#$"')]
    n = 0
    for text, theirs in zip(texts, x(texts), strict=True):
        for start, end in in_code_points(text, theirs["links"]):
            link = text[start:end].lstrip("-")
            start = end - len(link)
            if "/" in link and "t.co" not in link.lower():
                assert any(first <= start and end <= last for first, last in links(text)), (text, link)
                n += 1
    assert n > 1000


@pytest.mark.parametrize(
    ("text", "theirs", "ours"),
    [
        # What belongs to an address is not read as words, even if X makes no link of it.
        ("seehttps://example.com/worst", [], ["https://example.com/worst"]),
        ("@https://example.com/worst", [], ["https://example.com/worst"]),
        ("http://localhost:8080/worst", [], ["http://localhost:8080/worst"]),
        ("http://192.0.2.1/worst", [], ["http://192.0.2.1/worst"]),
        ("https://example.nosuch/worst", [], ["https://example.nosuch/worst"]),
        ("https://example.com+", [], ["https://example.com"]),
        ("https://https://example.com/a", ["https://example.com/a"], ["https://https://example.com/a"]),
        (f"https://{'a' * 64}.com/worst", [], [f"https://{'a' * 64}.com/worst"]),
        (f"https://t.co/{'a' * 41}", [], [f"https://t.co/{'a' * 41}"]),
        ("my_blog.example.com/a", ["blog.example.com/a"], ["my_blog.example.com/a"]),
        ("my_blog.com/worst", [], ["my_blog.com/worst"]),
        ("wait...bbc.co.uk/worst", [], ["bbc.co.uk/worst"]),
        ("//bbc.co.uk/worst", [], ["bbc.co.uk/worst"]),
        ("https://example.com/a;(worst)", ["https://example.com/a"], ["https://example.com/a;(worst)"]),
        ("ébbc.co.uk/a", ["bbc.co.uk/a"], ["ébbc.co.uk/a"]),
        # What belongs to the text is read, even if X makes a link of it.
        ("t.co/AbC-awful", ["t.co/AbC-awful"], ["t.co/AbC"]),
        ("https://t.co/AbChttps://t.co/DeF", ["https://t.co/AbChttps"], ["https://t.co/AbC", "https://t.co/DeF"]),
        ("awful.so slow", ["awful.so"], []),
        ("awful.It is", ["awful.It"], []),
        ("awful.never again", [], []),
        ("awful.today", ["awful.today"], []),
    ],
)
def test_reading_differs_from_x_on_purpose(x: Ask, text: str, theirs: list[str], ours: list[str]) -> None:
    ((_, answer),) = zip([text], x([text]), strict=True)
    assert [text[start:end] for start, end in in_code_points(text, answer["links"])] == theirs
    assert [text[start:end] for start, end in links(text)] == ours


def test_the_lists_of_top_level_domains_are_those_of_x() -> None:
    for path, content in tlds.render().items():
        assert (ROOT / path).read_text() == content, f"{path}: run python -m tools.tlds"
