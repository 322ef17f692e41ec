import pytest

from sentiment.language import ENGLISH, FOREIGN, is_probably_not_english

FOREIGN_TEXTS = [
    "Notre vol a deux heures de retard, merci pour rien",
    "Bagage perdu encore une fois, je suis furieux",
    "J’adore cette compagnie",
    "Vol annulé sans explication @airparadis https://airparadis.example/vol",
    "TOUJOURS EN RETARD",
    "El vuelo salió tarde y nadie responde",
    "Nunca más vuelo con ustedes",
    "Der Flug war wunderbar, danke",
    "Koffer weg, und niemand hilft uns",
    "Il volo è in ritardo di tre ore",
    "L'equipaggio gentilissimo, grazie",
    "Não recomendo a ninguém",
    "De vlucht had weer vertraging, heel jammer",
    "Planet var försenat igen och ingen hjälper oss",
    "Dziękuję za wspaniały lot",
    "Uçak yine gecikti, kimse yardım etmiyor",
    "Koper saya hilang dan tidak ada yang membantu",
    "Спасибо экипажу за отличный полёт",
    "飛行機が遅れて最悪だった",
    "شكرا على الرحلة",
    "정말 친절한 승무원들",
    "Ευχαριστούμε για την πτήση",
    "e\u0301videmment, c'est tre\u0300s bien",  # decomposed, as some keyboards send it
]

ENGLISH_TEXTS = [
    "the crew on my flight was lovely",
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
    "@el_capitan #niewieder https://merci.example",
    "omg",
    "❤️❤️❤️",
    "12:30",
    "?!",
]


@pytest.mark.parametrize("text", FOREIGN_TEXTS)
def test_detects_other_languages(text: str) -> None:
    assert is_probably_not_english(text)


@pytest.mark.parametrize("text", ENGLISH_TEXTS)
def test_in_doubt_text_is_english(text: str) -> None:
    assert not is_probably_not_english(text)


def test_word_lists_are_disjoint() -> None:
    assert not ENGLISH & FOREIGN
