"""The tables of letters hold what Unicode says, and no letter has two readings."""

import unicodedata
from collections import Counter

import pytest
from confusable_homoglyphs.confusables import confusables_data

from sentiment.lookalikes import _SAME, _SIMILAR, _TURNED, SIMILAR, read_words
from sentiment.text import TextSpec

ALPHABETS = "CYRILLIC GREEK ARMENIAN CHEROKEE COPTIC CANADIAN LISU DESERET TIFINAGH".split()
ONE_SHAPE = str.maketrans("i", "l")  # in lower case: Unicode takes I for l


def confusable(alphabets: list[str]) -> list[tuple[str, str]]:
    """Return letters of these alphabets, each with the Latin letter that Unicode's list gives."""
    return [
        (letter, entry["c"])
        for letter, entries in confusables_data.items()
        for entry in entries
        if len(letter) == len(entry["c"]) == 1 and letter.isalpha() and entry["c"].isascii() and entry["c"].isalpha()
        if unicodedata.name(letter).split(" ")[0] in alphabets and unicodedata.category(letter) != "Lm"
    ]


def test_reads_the_letters_that_unicode_calls_confusable() -> None:
    found = confusable(ALPHABETS)
    wrong = {
        letter: (latin, read)
        for letter, latin in found
        if (read := read_words(f"ok o{letter}o").text[4]).lower().translate(ONE_SHAPE)
        != latin.lower().translate(ONE_SHAPE)
    }
    assert len(found) > 150 and wrong == {}


def test_no_letter_has_two_readings() -> None:
    letters = Counter("".join([*_SAME.values(), *_SIMILAR.values(), *_TURNED.values()]))
    assert [letter for letter, n in letters.items() if n > 1] == []
    assert all(letter.isalnum() and not letter.isascii() for letter in letters)


@pytest.mark.parametrize("case", [str.lower, str.upper])
def test_a_word_has_one_reading_in_either_case(case: type[str]) -> None:
    """Else the tokens of a text, which are in lower case, would be read differently."""
    for code in SIMILAR:
        word = f"xyz{chr(code)}"
        if TextSpec(lowercase=False).tokens(word) == [word]:
            assert TextSpec(lowercase=False).tokens(case(word)) == [case(word)]
