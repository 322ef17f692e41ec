import re
import subprocess
import sys
import unicodedata
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import fields, replace

from sentiment.text import STOP_WORDS, TextSpec
from tests.support.time_limit import time_limit
from tests.support.tweets import PATHOLOGICAL, megabyte_of

SPEC = TextSpec()
SWITCHES = [field.name for field in fields(TextSpec) if field.name != "lemmas"]

PARTS = (
    "so SOOO &amp; &amp;lt; &#8203; &#x41; # #AirParis2nd @ @bob. http://x.y www.z bit.ly/a :-)) ):D <3333 </3 ^__^ "
    "-.- <url> <b> é e\u0301 İ ß Σ 😀 👍🏽 ❤️ 👨‍👩‍👧 \ud800 \x00 \u200b \u2028 ’ don’t "
    "!!! ??? ... … 10:30 각 ᄀ ᅡ _ 中文 w"
)
texts = st.text() | st.lists(st.sampled_from(PARTS.split(" "))).map("".join)
specs = st.builds(TextSpec, **{name: st.booleans() for name in SWITCHES})


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Fish &amp; chips &lt;3", "fish & chips <3"),
        ("twice &amp;quot;escaped&amp;quot;", 'twice " escaped "'),
        ("see https://example.org/a?b=c, www.example.org or bit.ly/x1", "see <url> , <url> or <url>"),
        ("@alice thanks! mail me@home", "<mention> thanks ! mail me @ home"),
        ("#LoveThisAirline #NYC2024 #étéÀParis", "love this airline nyc 2024 été à paris"),
        ("ok :-) fine ;D sad :'( meh :/", "ok :-) fine ;d sad :'( meh :/"),
        ("at 10:30 (sharp): yes", "at 10 : 30 ( sharp ) : yes"),
        ("👍🏽 ❤️", "<thumbs_up_sign> <heavy_black_heart>"),
        ("soooo goooood!!!!!! nooo...", "soo good !! noo .."),
        ("1000000 likes", "1000000 likes"),
        ("a\x00b\u200bc\td", "abc d"),
        ("cafe\u0301 DÉJÀ", "café déjà"),
        ("don’t isn't", "don't isn't"),
        ("", ""),
    ],
)
def test_normalises_text(text: str, tokens: str) -> None:
    assert SPEC.normalise(text) == tokens


@pytest.mark.parametrize(
    ("switch", "text", "off"),
    [
        ("unescape", "a &gt; b", "a & gt ; b"),
        ("nfc", "cafe\u0301", "cafe"),
        ("lowercase", "Great", "Great"),
        ("urls", "http://x.y/Z", "http://x.y/z"),
        ("mentions", "@Bob", "@bob"),
        ("hashtags", "#GoTeam", "#goteam"),
        ("emoticons", ":-)", ": - )"),
        ("emoji", "🍎", "🍎"),
        ("elongations", "soooo", "soooo"),
        ("punctuation", "a, b!", "a b"),
    ],
)
def test_every_step_has_a_switch(switch: str, text: str, off: str) -> None:
    assert replace(SPEC, **{switch: False}).normalise(text) == off != SPEC.normalise(text)


def test_control_characters_end_links_unless_dropped() -> None:
    spec = TextSpec(printable=False, urls=False)
    assert spec.tokens("http://a\x01b") == ["http://a", "\x01", "b"]
    assert replace(spec, printable=True).tokens("http://a\x01b") == ["http://ab"]


def test_stop_words_are_dropped_and_negations_kept() -> None:
    spec = TextSpec(stop_words=True)
    assert spec.tokens("The food was not good") == ["food", "not", "good"]
    negations = {"no", "not", "nor", "never", "none", "nothing", "nobody", "neither", "cannot", "without"}
    assert not {word for word in STOP_WORDS if word in negations or word.endswith("n't")}


def test_simplemma_is_imported_only_for_lemmas() -> None:
    assert TextSpec(lemmas=True).tokens("Flights were delayed") == ["flight", "be", "delay"]
    code = (
        "import sys; from sentiment.text import TextSpec; TextSpec().tokens('a'); sys.exit('simplemma' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@given(texts, specs)
@example("https://", SPEC)
def test_normalising_is_idempotent(text: str, spec: TextSpec) -> None:
    once = spec.normalise(text)
    assert spec.normalise(once) == once


@given(texts, specs)
def test_tokens_are_not_empty_and_hold_no_white_space(text: str, spec: TextSpec) -> None:
    assert all(token and not re.search(r"\s", token) for token in spec.tokens(text))


@given(texts, specs)
def test_spans_point_into_the_original_text(text: str, spec: TextSpec) -> None:
    spans = spec.spans(text)
    assert [span.token for span in spans] == spec.tokens(text)
    assert all(0 <= span.start < span.end <= len(text) for span in spans)
    assert all(a.start <= b.start for a, b in pairwise(spans))


@given(st.text(alphabet=st.characters(categories=["L", "N", "P", "Z"])))
def test_no_letter_or_digit_is_lost(text: str) -> None:
    """Every letter and digit of the composed text is in some token."""
    spec = TextSpec(unescape=False, elongations=False, urls=False, mentions=False, emoticons=False, hashtags=False)
    letters = [c for c in spec.clean(text).replace("’", "'").lower() if c.isalnum()]
    assert [c for c in "".join(spec.tokens(text)) if c.isalnum()] == letters


@pytest.mark.parametrize("text", ["İSTANBUL", "http://İ\u200d\u0301", "i\u0307"])
def test_dotted_capital_i_becomes_i(text: str) -> None:
    for spec in (SPEC, replace(SPEC, urls=False)):
        once = spec.normalise(text)
        assert "İ" not in once and spec.normalise(once) == once


def test_spans_cover_entities_marks_and_emoji() -> None:
    text = "&lt;3 cafe\u0301 👍🏽 #BigDay!!!"
    spans = {span.token: text[span.start : span.end] for span in SPEC.spans(text)}
    assert spans == {
        "<3": "&lt;3",
        "café": "cafe\u0301",
        "<thumbs_up_sign>": "👍",
        "big": "Big",
        "day": "Day",
        "!!": "!!!",
    }


@given(texts)
def test_composed_text_tokenises_like_decomposed_text(text: str) -> None:
    assert SPEC.tokens(unicodedata.normalize("NFC", text)) == SPEC.tokens(unicodedata.normalize("NFD", text))


@pytest.mark.parametrize("part", PATHOLOGICAL)
def test_tokenising_takes_linear_time(part: str) -> None:
    """A megabyte takes less than a second. Quadratic work would take hours."""
    text = megabyte_of(part)
    with time_limit(seconds=30):
        assert len(SPEC.tokens(text)) <= len(text)
