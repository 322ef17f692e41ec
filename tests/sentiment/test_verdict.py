import pytest

from sentiment.manifest import Thresholds
from sentiment.verdict import verdict
from tests.support.spellings import SPELLINGS

THRESHOLDS = Thresholds(publish=0.9, hold=0.2)


@pytest.mark.parametrize(
    ("probability", "label", "decision"),
    [
        (1.0, "positive", "publish"),
        (0.9, "positive", "publish"),
        (0.8999, "positive", "review"),
        (0.5, "positive", "review"),
        (0.4999, "negative", "review"),
        (0.2001, "negative", "review"),
        (0.2, "negative", "hold"),
        (0.0, "negative", "hold"),
    ],
)
def test_thresholds_decide(probability: float, label: str, decision: str) -> None:
    assert verdict("a text", probability, 0, THRESHOLDS) == (label, decision, [])


def test_text_with_a_warning_is_never_published() -> None:
    assert verdict("a text", 0.99, 0.5, THRESHOLDS) == ("positive", "publish", [])
    assert verdict("a text", 0.99, 0.51, THRESHOLDS) == ("positive", "review", ["mostly_unknown_words"])
    assert verdict("a text", 0.01, 1.0, THRESHOLDS) == ("negative", "hold", ["mostly_unknown_words"])
    assert verdict("Merci à tous !", 0.99, 0.5, THRESHOLDS) == ("positive", "review", ["probably_not_english"])
    both = ["mostly_unknown_words", "probably_not_english"]
    assert verdict("Merci à tous !", 0.99, 0.9, THRESHOLDS) == ("positive", "review", both)


def test_unreachable_thresholds_send_everything_to_review() -> None:
    nowhere = Thresholds(publish=1.0001, hold=-0.0001)
    assert {verdict("a text", p, 0, nowhere).decision for p in (0.0, 0.5, 1.0)} == {"review"}


@pytest.mark.parametrize("text", ["Great \ufffd crew", "We lоve ʇɥǝ crew", "Nice \ue000", "We нате you, thanks to all"])
def test_text_that_cannot_be_read_is_never_published(text: str) -> None:
    assert verdict(text, 0.99, 0, THRESHOLDS) == ("positive", "review", ["unreadable_characters"])
    assert verdict(text, 0.01, 0, THRESHOLDS) == ("negative", "hold", ["unreadable_characters"])


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_disguised_english_is_english(spelling: str) -> None:
    text = SPELLINGS[spelling]("Thanks to all of you for the great day")
    assert verdict(text, 0.99, 0, THRESHOLDS) == ("positive", "publish", [])


@pytest.mark.parametrize("text", ["New route alert 🇧🇷", "Landed 🇰🇮", "USA🇺🇸", "Happy Friday 🇿🇦🇫🇷", "Cheers 🍻 to all"])
def test_flags_and_other_emoji_are_no_words_of_a_language(text: str) -> None:
    assert verdict(text, 0.99, 0, THRESHOLDS) == ("positive", "publish", [])
