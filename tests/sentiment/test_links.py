"""What belongs to a link when a text is read. tests/parity/test_links.py compares it with X's own rules."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentiment.links import split_at_links
from sentiment.text import TextSpec
from tests.support.time_limit import time_limit
from tests.support.tweets import megabyte_of

SPEC = TextSpec()
PARTS = (
    "https:// http:// www. t.co/Ab1 example.com bbc.co.uk /news /a_(b) ( ) [ ] . .. , : ; ! ? ?a=b #c @ # $ - _ "
    "— – … “ ” ' 💔 👍🏽 é ß 日本 中国 рф xn--p1ai so It late e\u0301 \u200b :8080 % &amp; <url>"
).split(" ")
texts = st.text() | st.lists(st.sampled_from([*PARTS, " "])).map("".join)


def links(text: str) -> list[str]:
    return [text[start:end] for start, end, is_link in split_at_links(text) if is_link]


@pytest.mark.parametrize(
    "link",
    [
        "https://example.com",
        "HTTPS://Example.COM/A",
        "http://example.com:8080/a/b.html?c=d&e=f#g",
        "https://example.com?a=b",
        "https://example.com/a_(b)",
        "https://example.com/a_(b_(c))/d",
        "https://example.com/it's,a:path;with*all!of|them-_~@&=+$%20/x",
        "https://example.com/été/путь",
        "https://例え.みんな/a",
        "https://müller.example.de/",
        "https://t.co/AbC123",
        "https://t.co/AbC123?amp=1",
        "www.example.de",
        "www.example.co.uk/a",
        "example.com",
        "Example.COM",
        "airparis.fr",
        "amazon.co.uk",
        "news.com.au",
        "example.xn--p1ai",
        "bbc.co.uk/news/terrible-delays-worst-airline",
        "spoti.fi/3xYz",
        "youtu.be/dQw4",
        "t.co/AbC123",
        "example.рф/a",
        "example.中国/a",
        "example.de:8080/a",
        "foo-bar.example.museum/a",
        "a.b.c.d.example.com",
    ],
)
@pytest.mark.parametrize(
    "around", ["{}", "see {} now", "({})", "“{}”", "“{}…", "日本{}", "…{}—", "{}💔", "{}, {}.", "👍🏽{}!?"]
)
def test_what_surrounds_a_link_is_not_in_it(link: str, around: str) -> None:
    assert links(around.replace("{}", link)) == [link] * around.count("{}")


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("https://t.co/AbC💔", "<url> <broken_heart>"),
        ("https://t.co/AbC—horrible service", "<url> — horrible service"),
        ("https://t.co/AbC-horrible", "<url> - horrible"),
        ("https://t.co/AbC/horrible", "<url> / horrible"),
        ("https://t.co/AbC,horrible", "<url> , horrible"),
        ("https://t.co/AbChttps://t.co/DeF", "<url> <url>"),
        ("t.co/AbC-horrible", "<url> - horrible"),
        ("https://example.com/n—horrible service", "<url> — horrible service"),
        ("https://example.com/n…horrible", "<url> … horrible"),
        ("https://example.com/n“horrible”", "<url> “ horrible ”"),
        ('https://example.com/n"horrible"', '<url> " horrible "'),
        ("https://example.com/n<3", "<url> <3"),
        ("https://example.com/n(horrible service)", "<url> ( horrible service )"),
        ("https://example.com/n💔💔", "<url> <broken_heart> <broken_heart>"),
        ("https://example.comひどい", "<url> ひどい"),
        ("example.com!!!", "<url> !!"),
        ("example.com:(", "<url> :("),
        ("example.com...awful", "<url> .. awful"),
        ("awful…example.com", "awful … <url>"),
        ("awful https://example.com. Awful", "awful <url> . awful"),
        ("awfulhttps://example.com/x", "awful <url>"),
        ("wait...www.example.com", "wait .. <url>"),
        ("@https://example.com/x", "@ <url>"),
        ("https://https://example.com/x", "<url>"),
    ],
)
def test_what_touches_a_link_is_read(text: str, tokens: str) -> None:
    assert SPEC.normalise(text) == tokens


@pytest.mark.parametrize(
    "text",
    [
        "awful.so slow",
        "terrible.It is late",
        "terrible.it is late",
        "super.je suis",
        "late.now awful.today worst.ever",
        "merci.au revoir",
        "i.e. e.g. U.S. p.m. 3.5 v1.2 10.30",
        "end.start",
        "bob@example.com first.last@mail.example.co.uk",
        "@example.com #example.com $example.com",
        "@bbc.co.uk/news",
        "example.nosuchdomain/a",
        "www.terrible",
        "https://",
        "https://-",
        "//",
        "example.com-x example.com@x example.com1",
    ],
)
def test_what_only_looks_like_a_link_is_read(text: str) -> None:
    assert links(text) == []


@pytest.mark.parametrize(
    "link", ["http://localhost:8080/a-b", "http://x.y/Z", "http://192.0.2.1/worst", "https://a_b.c/d"]
)
def test_after_a_scheme_any_host_makes_a_link(link: str) -> None:
    assert links(f"see {link}, ok") == [link]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("@a@b", "@ a @ b"),
        ("hi @bob, @Bob_1!", "hi <mention> , <mention> !"),
        ("“@bob”", "“ <mention> ”"),
        ("@déçu", "@ déçu"),
        ("@ужас", "@ ужас"),
        ("*@awful*", "* @ awful *"),
        (f"@{'awful' * 5}", f"@ {'awful' * 5}"),
        ("bob@example.com", "bob @ example . com"),
        ("#1", "1"),
    ],
)
def test_only_what_x_takes_for_an_account_is_a_mention(text: str, tokens: str) -> None:
    assert SPEC.normalise(text) == tokens


@given(texts)
def test_parts_join_to_the_text(text: str) -> None:
    parts = list(split_at_links(text))
    assert "".join(text[start:end] for start, end, _ in parts) == text
    assert all(start < end for start, end, _ in parts)


@given(texts)
def test_a_link_is_the_same_link_alone(text: str) -> None:
    for link in links(text):
        assert links(link) == [link]


@given(texts)
def test_normalising_text_with_links_is_idempotent(text: str) -> None:
    for spec in (SPEC, TextSpec(urls=False, mentions=False, hashtags=False), TextSpec(urls=False, lowercase=False)):
        once = spec.normalise(text)
        assert spec.normalise(once) == once


def test_rules_are_loaded_with_the_first_text_that_may_have_a_link() -> None:
    code = (
        "import sys; from sentiment.text import TextSpec; from sentiment.language import is_probably_not_english;"
        "TextSpec().tokens('Great crew. 3.5 hours late... :('); is_probably_not_english('a. b');"
        "assert 'sentiment.link_rules' not in sys.modules;"
        "TextSpec().tokens('example.com'); assert 'sentiment.link_rules' in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize(
    "part",
    "a. a.a ( /( http:// http://a.co/( a.co/( é. 日. -a. x_. a.com_ 日a.com a.com.b- www. https://日. a@b.co a.com/(( "
    "a.com? @a. t.co/http a.com/; https://a.co/@ xn--a.".split(),
)
def test_finding_links_takes_linear_time(part: str) -> None:
    """A megabyte takes a second or two. Quadratic work would take hours."""
    with time_limit(seconds=30):
        assert sum(1 for _ in split_at_links(megabyte_of(part)))
