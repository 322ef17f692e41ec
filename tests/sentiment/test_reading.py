"""What a person reads is what is scored, and positions stay those of the caller's text."""

import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentiment import disguises, reading
from sentiment.reading import align, is_ordinary, read
from sentiment.text import TextSpec, is_readable
from tests.support.spellings import INVISIBLE, SPELLINGS
from tests.support.time_limit import time_limit
from tests.support.tweets import megabyte_of

SPEC = TextSpec()
SENTENCES = [
    "We hate our guests",
    "Our food is not good, the crew was awful and jinxed my quiz",
    "you are NOT welcome here!",
]
# Parts of texts that need every step, glued together in any order.
PARTS = (
    "We hate а аu п Ж α Ω 𝗻𝗼𝘁 ⓗ ⒜ ﬁ ᴇ ₳ ² ɐ ə Ʊ ꜳ \u0332 \u0301\u0327\u0316 é e\u0301 ̸ İ ᄀ ᅡ 中文 ไทย ® Ã © Ã© â€™ "
    "ðŸ˜¡ √© \x92 É… \u200b \u2800 \u202e \ue000 \U000fffff \ud800 &eacute; &amp;#8217; ’ ` 🙂\u200d↔️ 🇫🇷 🇳 🫩 👍🏽 "
    "1️⃣ 😀 \u200d http://x.y/ @x # _ <3 . "
)
texts = st.text() | st.lists(st.sampled_from(PARTS.split(" "))).map("".join)
ORDINARY = "aA9 &<;:.#@_'`\n\x00" + "éÉÄñøłžß" + "\xa0¡«»©°´‘’“”–—…•☀❤✈😀👍\ufe0f\U0001f3fd"


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("sentence", SENTENCES)
def test_reads_every_spelling_of_a_sentence(spelling: str, sentence: str) -> None:
    text = SPELLINGS[spelling](sentence)
    assert text != sentence and SPEC.tokens(text) == SPEC.tokens(sentence) and is_readable(text)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_spans_of_a_spelling_cover_its_words(spelling: str) -> None:
    text = SPELLINGS[spelling]("We hate our guests")
    spans = SPEC.spans(text)
    assert [span.token for span in spans] == ["we", "hate", "our", "guests"]
    words = text.split(" ")
    assert all(text[span.start : span.end] in word for span, word in zip(spans, words, strict=True))
    assert all(span.end - span.start >= len(span.token) for span in spans)


@pytest.mark.parametrize("character", ["\u2800", "\u3164", "\uffa0", "\u115f", "\u3000", "\u2003", "&nbsp;", "\u2028"])
def test_what_looks_like_a_space_separates_words(character: str) -> None:
    assert SPEC.tokens(f"not{character}good") == ["not", "good"]


@pytest.mark.parametrize("name", INVISIBLE)
def test_invisible_characters_neither_join_nor_split_words(name: str) -> None:
    mark = INVISIBLE[name]
    assert SPEC.tokens(f"{mark}aw{mark}ful {mark}don{mark}’{mark}t{mark}") == ["awful", "don't"]
    assert is_readable(f"aw{mark}ful")


@pytest.mark.parametrize("sign", "'’‘‛‚ʻʼʽʹˈˊˋ′‵´`՚׳ꞌ❛❜＇｀")
def test_every_apostrophe_is_one_inside_a_word(sign: str) -> None:
    text = f"don{sign}t l{sign}avion"
    assert SPEC.tokens(text) == ["don't", "l'avion"] and is_readable(text)
    assert [text[span.start : span.end] for span in SPEC.spans(text)] == text.split(" ")


@pytest.mark.parametrize(
    "entity", ["&apos;", "&#39;", "&#x27;", "&rsquo;", "&lsquo;", "&amp;#8217;", "&acute;", "&#146;"]
)
def test_every_entity_of_an_apostrophe_is_one_inside_a_word(entity: str) -> None:
    assert SPEC.tokens(f"don{entity}t") == ["don't"]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("‘great’ crew", "‘ great ’ crew"),
        ("dogs’ toys", "dogs ’ toys"),
        ("so ´good` ′", "so ´ good ` ′"),
        ("5′10″ “yes”", "5 ′ 10 ″ “ yes ”"),
        ("«là» „so“", "« là » „ so “"),
    ],
)
def test_quotation_marks_and_primes_are_no_apostrophes(text: str, tokens: str) -> None:
    assert SPEC.normalise(text) == tokens


def test_what_has_no_picture_does_not_split_a_word() -> None:
    assert SPEC.tokens("pri\ue000va\U000fffffte") == ["private"]


def test_every_control_and_format_character_is_invisible_or_a_space() -> None:
    for code in range(0x110000):
        character = chr(code)
        if unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp", "Zs"):
            read = reading.read(f"a{character}b", (reading.SPACES, reading.INVISIBLE))
            assert read in ("ab", "a b"), hex(code)


@pytest.mark.parametrize(
    "text",
    [
        "We love \ue000 you",
        "good \U000fffff",
        "fl\ufffdght",
        "good \ufffc",
        "\U0001fbff",
        "good \U0001faff",
        "good \U0001f6df\u0378",
        "\u202eetah\u202c our guests",
        "We \u202dlove\u202c you",
        "👍\u20e0 good",
        "half of an emoji \ud83d",
        "ʇɥǝ ɟood",  # upside down or not
        "good ƃuol",
        "good dǝd",
        "good tərrible",
        "We love ʃʒ",
        "good ƨ",
        "We нате our guests",  # every letter may be Latin
        "We love 卂山千ㄩㄥ food",
        "We love ภץ food",
        "Our food is ⴰԱwful",
        "We lжve you",
        "We 𐌇𐌀𐌕𐌄 you",
        "We ᚺᚨᛏᛖ you",
        "We ура love Ждём",
        "donâ€ good",
        "voilÃ  ok",
        "ï¿½ good",
        "good ðŸ\x98",
    ],
)
def test_warns_of_what_it_cannot_read(text: str) -> None:
    assert not is_readable(text)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Москва моя любимая", "москва моя любимая"),
        ("ура мы летим", "ура мы летим"),
        ("Ελλάδα", "ελλάδα"),
        ("Καλημέρα σας από την Αθήνα", "καλημέρα σας από την αθήνα"),
        ("Welcome to Ελλάδα", "welcome to ελλάδα"),
        ("Łódź Åsa Ørsted Đorđe Şişli Ħamrun", "łódź åsa ørsted đorđe şişli ħamrun"),
        ("Tiếng Việt rất đẹp", "tiếng việt rất đẹp"),
        ("今日はいい天気ですね！", "今日はいい天気ですね !"),
        ("한국 여행", "한국 여행"),
        ("مرحبا بالعالم", "مرحبا بالعالم"),
        ("Հայաստան", "հայաստան"),
        ("α and π", "α and π"),
        ("Großer GRUẞ", "großer gruß"),
        ("5µm 10² m² 1º ª ½ 5€ £50", "5µm 10² m2 1º ª ½ 5 € £ 50"),
        ("cœur æther Ñandú", "cœur æther ñandú"),
        ("Merci™ № 5", "merci <trade_mark_sign> <numero_sign> 5"),
    ],
)
def test_leaves_real_words_as_they_are(text: str, tokens: str) -> None:
    assert SPEC.normalise(text) == tokens and is_readable(text)


@pytest.mark.parametrize("text", ["cпасибо за всё", "Москвa моя", "мoре"])
def test_leaves_a_latin_letter_in_another_alphabet_and_warns(text: str) -> None:
    assert SPEC.normalise(text) == text.lower() and not is_readable(text)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("CO₂ ﬁne ﬄuent ﬆop ꜳ ǳ Ⅳ ℓove", "co2 fine ffluent stop aa dz iv love"),
        ("①②③ ❶ ⑩ ⒈ 𝟗 ４", "123 1 10 1 9 4"),
        ("10\u200b² a\xad´t", "10² a't"),  # invisible characters are gone first
        ("h€llo fa¥ 5€each a£", "hello fa ¥ 5 € each a £"),
        ("Яussia ТЯАSН", "russia trash"),
        ("hɐte ʇerrible", "hate terrible"),
        ("а bad flight", "a bad flight"),
        ("#hаte @hаte http://hаte", "hate <mention> <url>"),
        ("café\u0332 e\u0301\u0332", "café é"),  # the accent is read, the underline is not
        ("ẹ́ h\u0301", "ẹ h"),
    ],
)
def test_reads_letters_as_a_person_does(text: str, tokens: str) -> None:
    assert SPEC.normalise(text) == tokens and is_readable(text)


@given(texts)
def test_alignment_is_in_order_and_inside_the_text(text: str) -> None:
    for steps in (disguises.STEPS, reading.ORDINARY_STEPS):
        aligned = align(text, steps)
        assert aligned.text == read(text, steps)
        assert len(aligned.text) == len(aligned.starts) == len(aligned.ends)
        spans = list(zip(aligned.starts, aligned.ends, strict=True))
        assert all(0 <= start < end <= len(text) for start, end in spans)
        assert all(one[0] <= other[0] and one[1] <= other[1] for one, other in pairwise(spans))


@given(st.text(alphabet=ORDINARY) | texts.filter(is_ordinary))
def test_ordinary_texts_need_only_the_ordinary_steps(text: str) -> None:
    if is_ordinary(text):
        assert read(text, disguises.STEPS) == read(text, reading.ORDINARY_STEPS)
        assert disguises.is_readable(text)


def test_ordinary_tweets_take_the_short_way() -> None:
    assert is_ordinary("Café, so good &amp; “cheap” – don’t miss it… ❤️👍🏽 http://t.co/x\n&lt;3 It’s São Paulo, naïve")
    assert all(map(is_ordinary, ["Nice from 99€", "only £5, not €6"]))
    assert not any(
        map(
            is_ordinary,
            ["h€lp", "£ove", "hаte", "𝗻ot", "a\u200bb", "🙂‍↔️", "donâ€™t", "&#8217;", "&amp;#8217;", "e\u0301"],
        )
    )


@given(texts)
def test_composed_text_reads_like_decomposed_text(text: str) -> None:
    composed, decomposed = (read(unicodedata.normalize(form, text), disguises.STEPS) for form in ("NFC", "NFD"))
    assert composed == decomposed


@pytest.mark.parametrize("part", "а|aа |𝗮|h\u0334\u0321 |😀\u200d|🇫|Ã|Ã¢â‚¬â„¢|₳|a´|⒜|ɐ|&amp;|\x92".split("|"))
def test_reading_takes_linear_time(part: str) -> None:
    """This takes a second. Quadratic work would take hours."""
    text = megabyte_of(part)[:100_000]
    with time_limit(seconds=60):
        assert len(align(text, disguises.STEPS).text) <= len(text)


def test_alignment_is_exact_before_what_changes() -> None:
    aligned = align("cafe\u0332\u0301s x", disguises.STEPS)
    assert (aligned.text, aligned.starts, aligned.ends[:3]) == ("cafés x", [0, 1, 2, 3, 3, 7, 8], [1, 2, 3])
