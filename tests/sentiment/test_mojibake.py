"""Mojibake is repaired where it is beyond doubt. `ftfy` is the oracle."""

import ftfy
import pytest

from sentiment.mojibake import _characters
from sentiment.text import TextSpec, is_readable

SPEC = TextSpec()
# Texts as people write them, in the languages that models read and in others.
TEXTS = [
    "don’t worry, it’s “great” – really…",
    "déjà vu à la crème brûlée, où êtes-vous ? Ça alors, naïve Élise",
    "Übergrößenträger äußern sich über Öl",
    "¡Mañana será otro día! ¿Sí? Él comió piña",
    "São Paulo não é fácil, coração",
    "perché è così, più o meno",
    "Łódź, żółw, gęś i ćma",
    "škoda, že",
    "Příliš žluťoučký kůň",
    "ağaç, şeker, İstanbul",
    "Москва и море",
    "Καλημέρα κόσμε",
    "日本語のテキスト",
    "so angry 😡😡 and ❤️ ☺ 👍🏽",
    "costs £5 or 20 € at 30 °C © 2020 ™ ½",
]


def garble(text: str, encoding: str = "cp1252") -> str:
    """Return the text in UTF-8, read as another encoding. Bytes that windows-1252 lacks are read as in Latin-1."""
    high = dict(enumerate(_characters(encoding), 0x80))
    return "".join(high.get(byte, chr(byte)) for byte in text.encode())


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("times", [1, 2, 3])
def test_repairs_utf_8_read_as_windows_1252(text: str, times: int) -> None:
    garbled = text
    for _ in range(times):
        garbled = garble(garbled)
    assert SPEC.tokens(garbled) == SPEC.tokens(text) and is_readable(garbled)
    assert SPEC.tokens(garbled) == SPEC.tokens(ftfy.fix_encoding(garbled))


@pytest.mark.parametrize("text", TEXTS)
def test_repairs_utf_8_read_as_latin_1(text: str) -> None:
    garbled = text.encode().decode("latin-1")
    assert SPEC.tokens(garbled) == SPEC.tokens(text) and is_readable(garbled)


@pytest.mark.parametrize("encoding", ["mac_roman", "cp437", "cp850", "cp1251"])
def test_repairs_punctuation_in_other_encodings(encoding: str) -> None:
    text = "don’t say “never” – ever…"
    assert SPEC.tokens(garble(text, encoding)) == SPEC.tokens(text)


@pytest.mark.parametrize("text", ["café à la crème", "so angry 😡 ❤️", "Ñandú über"])
def test_repairs_mac_roman(text: str) -> None:
    assert SPEC.tokens(garble(text, "mac_roman")) == SPEC.tokens(text)


def test_repairs_mojibake_in_entities() -> None:
    assert SPEC.tokens("don&acirc;&euro;&trade;t caf&Atilde;&copy; it&#146;s") == ["don't", "café", "it's"]


def test_reads_control_characters_as_windows_1252() -> None:
    assert SPEC.tokens("it\x92s \x93good\x94 \x85 5 \x80") == ["it's", "“", "good", "”", "5", "€"]


@pytest.mark.parametrize(
    "text",
    [
        *TEXTS,
        "Â ÂGE NAÏVE São À PRENDRE",
        "CAFÉ… IRMÃ… AMANHÃ” MAÇÃ® É… “É” É— À «là» NESTLÉ® NESTLÉ©",
        "manhã…” café…” voilà…” né™ “haï…” Spaß… Fuß” groß“ 3×° 2×…",
        "Úžasné Úšovice ÜŠ Ž Œuvre Ô’Brien Ó’Cathail",
        "iâ…” “tâ”",
        "à\xa0» où\xa0! É\xa0!",
        "√ 9 √2 ‚Ätna‘ ‚Äußerung‘ ÔÇ Öl",
        "Ärger über Ökonomie, ÄÖÜ",
    ],
)
def test_leaves_real_text_alone(text: str) -> None:
    without_repair = ftfy.fix_text(text, fix_encoding=False, uncurl_quotes=False, unescape_html=False)
    assert SPEC.tokens(text) == SPEC.tokens(without_repair)
    assert SPEC.clean(text) == SPEC.clean(text.replace("\xa0", " ")) and is_readable(text)


@pytest.mark.parametrize("text", ["donâ€ t", "â€", "ðŸ good", "voilÃ ", "Ã  la carte", "ï¿½", "DONÂ€™T", "donΓÇ t"])
def test_warns_of_mojibake_that_lost_bytes(text: str) -> None:
    assert not is_readable(text)


def test_spans_of_repaired_text_are_those_of_the_garbled_one() -> None:
    text = "I donâ€™t like cafÃ©s ðŸ˜¡"
    spans = {span.token: text[span.start : span.end] for span in SPEC.spans(text)}
    assert spans == {
        "i": "I",
        "don't": "donâ€™t",
        "like": "like",
        "cafés": "cafÃ©s",
        "<pouting_face>": "ðŸ˜¡",
    }
