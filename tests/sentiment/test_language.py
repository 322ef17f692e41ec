from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentiment import language
from sentiment.errors import ModelError
from sentiment.language import (
    LANGUAGES,
    OTHER,
    check_table,
    detect_languages,
    hash_ngrams,
    is_probably_not_english,
    split_words,
)

IN_LANGUAGE = {
    "fr": [
        "Vol annulé",
        "Annulation vol AF1234 Paris Nice",
        "Retard important vol Paris Nice",
        "Notre vol a deux heures de retard, merci pour rien",
        "Bagage perdu encore une fois, je suis furieux",
        "J’adore cette compagnie",
        "Vol annulé sans explication @airparadis https://airparadis.example/vol",
        "TOUJOURS EN RETARD",
        "e\u0301videmment, c'est tre\u0300s bien",  # decomposed, as some keyboards send it
        "Bonjour",
        "Bienvenue à bord",
        "Grève demain",
        "Vols annulés Orly",
    ],
    "es": ["El vuelo salió tarde y nadie responde", "Nunca más vuelo con ustedes", "Vuelo cancelado", "¡Gracias!"],
    "de": ["Der Flug war wunderbar, danke", "Koffer weg, und niemand hilft uns", "Flug gestrichen", "Guten Morgen"],
    "it": ["Il volo è in ritardo di tre ore", "L'equipaggio gentilissimo, grazie", "Volo cancellato", "Buongiorno"],
    "pt": ["Não recomendo a ninguém", "Voo cancelado", "Obrigado", "Bom dia"],
    "ar": ["شكرا على الرحلة", "تأخير الرحلة"],
    "hi": ["यात्रा के लिए धन्यवाद", "yaar kya baat hai bhai"],
    OTHER: [
        "De vlucht had weer vertraging, heel jammer",
        "Planet var försenat igen och ingen hjälper oss",
        "Dziękuję za wspaniały lot",
        "Uçak yine gecikti, kimse yardım etmiyor",
        "Koper saya hilang dan tidak ada yang membantu",
        "Flyet er forsinket, og ingen sier noe",
        "Lento oli taas myöhässä",
        "Let byl zrušen a nikdo nám nic neřekl",
        "Zborul a fost anulat, nimeni nu răspunde",
        "A járatot törölték, senki sem segít",
        "Chuyến bay bị hủy",
        "El vol ha estat cancel·lat i ningú no respon",
        "Спасибо экипажу за отличный полёт",
        "飛行機が遅れて最悪だった",
        "航班取消了",
        "정말 친절한 승무원들",
        "Ευχαριστούμε για την πτήση",
        "תודה על הטיסה",
        "ขอบคุณสำหรับเที่ยวบิน",
        "متشکرم از پرواز شما",
        "გმადლობთ",  # Georgian, which no list teaches
    ],
}

ENGLISH_TEXTS = [
    "the crew on my flight was lovely",
    "Free webinar Thursday 2pm EST",
    "Premium Plus seats available",
    "Congrats MIT!",
    "El Paso weather: sunny",
    "Bon voyage to our crew!",
    "Thanks to the team at São Paulo",
    "Merci Paris, what a night!",
    "C'est la vie, we will be late",
    "Crème brûlée at 10,000 metres, yes please",
    "Zürich–Genève cancelled",
    "Viva Las Vegas",
    "Flying to Los Angeles tonight",
    "Delayed again. Unreal.",
    "Beyoncé on board!",
    "Flight cancelled",
    "Gate change: B12",
    "Boarding now",
    "Nice to Paris",
    "Real Madrid 3-1 Barcelona",
    "FT: Arsenal 3-1 Chelsea",
    "Galaxy S23 Ultra",
    "iPhone 15 Pro Max",
    "Delta Air Lines",
    "Project Titan",
    "AF1234",
    "Airbus A320neo",
    "hahaha",
    "LOL",
    "omg",
    "Hello",
    "Congratulations!",
    "𝗡𝗼𝘁 𝗴𝗼𝗼𝗱",  # mathematical letters that a person reads as "Not good"
]

WITHOUT_WORDS = [
    "",
    "❤️❤️❤️",
    "12:30",
    "?!",
    "@el_capitan #niewieder https://merci.example",
    "https://fr.example/le-vol-est-annule www.vol-annule.example",
]


@pytest.mark.parametrize(("code", "text"), [(code, text) for code, texts in IN_LANGUAGE.items() for text in texts])
def test_detects_the_language(code: str, text: str) -> None:
    assert detect_languages(text)[0] == code
    assert is_probably_not_english(text)


@pytest.mark.parametrize("text", ENGLISH_TEXTS)
def test_in_doubt_text_is_english(text: str) -> None:
    assert detect_languages(text) == ("en",)
    assert not is_probably_not_english(text)


@pytest.mark.parametrize("text", WITHOUT_WORDS)
def test_text_without_words_is_english(text: str) -> None:
    assert detect_languages(text) == ("en",)


@pytest.mark.parametrize(
    "text",
    [
        "Your flight is cancelled, we are very sorry. Votre vol est annulé, nous sommes désolés.",
        "Votre vol est annulé, nous sommes désolés. Your flight is cancelled, we are very sorry.",
        "Thank you all for flying with us! " * 20 + "Votre vol est annulé, nous sommes vraiment désolés.",
        "We are happy to help you today. " + "Vous êtes vraiment la pire des compagnies. " + "Have a nice evening!",
    ],
)
def test_passage_in_another_language_is_heard(text: str) -> None:
    """However long the rest is, and wherever the passage stands."""
    assert set(detect_languages(text)) == {"en", "fr"}


@given(st.text(max_size=300))
def test_any_text_has_distinct_languages_of_the_list(text: str) -> None:
    found = detect_languages(text)
    assert found
    assert len(set(found)) == len(found)
    assert set(found) <= set(LANGUAGES)


@given(st.lists(st.text("aéßж文ग", min_size=1, max_size=12), min_size=1, max_size=12))
def test_ngrams_of_a_word_do_not_depend_on_its_neighbours(words: list[str]) -> None:
    buckets, firsts = hash_ngrams(words)
    alone = [hash_ngrams([word])[0].tolist() for word in words]
    assert [part.tolist() for part in np.split(buckets, firsts[1:])] == alone


def test_number_of_ngrams_grows_with_the_letters_alone() -> None:
    """Each letter starts at most MAX_NGRAM n-grams, in one long word as in many."""
    for words in (["a" * 1000], ["ab"] * 500):
        buckets, _ = hash_ngrams(words)
        assert len(buckets) <= (language.MAX_NGRAM + 1) * (len(" ".join(words)) + 1)


def test_words_are_without_case_elongation_links_and_names() -> None:
    assert split_words("@air #fail SOOOOO good: https://a.example/le-vol www.le-vol.com") == ["soo", "good"]


def test_table_is_the_released_one() -> None:
    check_table()


def test_refuses_another_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "languages.bin"
    content = bytearray(language.TABLE.read_bytes())
    content[0] ^= 1
    other.write_bytes(content)
    monkeypatch.setattr(language, "TABLE", other)
    with pytest.raises(ModelError, match="not the table that was released"):
        check_table()


@pytest.mark.parametrize("content", [None, b"", b"short"])
def test_refuses_to_read_a_table_that_is_missing_or_cut_off(
    content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "languages.bin"
    if content is not None:
        other.write_bytes(content)
    monkeypatch.setattr(language, "TABLE", other)
    with pytest.raises(ModelError, match="languages.bin"):
        language.read_table.__wrapped__()
