"""Emoji of several characters are read as one sign where that has a name."""

import emoji
import pytest

from sentiment.emoji import _names
from sentiment.text import TextSpec, is_readable
from tools.emoji_names import TABLE, table

SPEC = TextSpec()
TONES = "🏻🏼🏽🏾🏿"


def test_table_is_what_the_command_writes() -> None:
    assert TABLE.read_text(encoding="utf-8") == table()


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("🙂‍↔️", "<head_shaking_horizontally>"),
        ("🙂‍↔", "<head_shaking_horizontally>"),
        ("🙂\u200d↕️", "<head_shaking_vertically>"),
        ("❤️‍🔥❤‍🩹", "<heart_on_fire> <mending_heart>"),
        ("😮‍💨 😵‍💫 😶‍🌫️", "<face_exhaling> <face_with_spiral_eyes> <face_in_clouds>"),
        ("🏳️‍🌈 🏴‍☠️", "<rainbow_flag> <pirate_flag>"),
        ("good🏳️‍🌈bad", "good <rainbow_flag> bad"),
        (">_🏳️‍🌈", "> _ <rainbow_flag>"),
        ("👨‍👩‍👧‍👦", "<man> <woman> <girl> <boy>"),
        ("👩🏾‍🚀", "<woman> <rocket>"),
        ("🤷🏽‍♀️ 🤷‍♂ 🏃🏿‍♂️‍➡️", "<shrug> <shrug> <runner>"),
        ("🫱🏻‍🫲🏿", "<handshake>"),
        ("😀‍🚀", "<grinning_face> <rocket>"),  # no sequence that anybody knows
        ("🇫🇷🇩🇪 🇬🇧", "<flag_france> <flag_germany> <flag_united_kingdom>"),
        ("🏴󠁧󠁢󠁳󠁣󠁴󠁿", "<flag_scotland>"),
        ("🇳🇴🇹 🇬🇴🇴🇩", "not good"),
        ("🇧🇦🇩", "bad"),
        ("1️⃣0️⃣ #️⃣", "10 #"),
        ("🫩🫪", "<face_with_bags_under_eyes> <distorted_face>"),
        ("👨🏿‍🫯‍👨🏻", "<man> <fight_cloud> <man>"),
        ("🍎 👍🏽 ❤️ ☺", "<red_apple> <thumbs_up_sign> <heavy_black_heart> <white_smiling_face>"),
    ],
)
def test_names_emoji(text: str, tokens: str) -> None:
    assert SPEC.normalise(text) == tokens and is_readable(text)
    assert [span.token for span in SPEC.spans(text)] == tokens.split(" ")


@pytest.mark.parametrize("text", ["\U0001faff", "good \U0001f6ff", "😀\u200d\U0001faff", "\U0001fac3\u200d\U0001fa7f"])
def test_warns_of_emoji_without_a_name(text: str) -> None:
    assert not is_readable(text)


def test_every_emoji_is_read() -> None:
    """No sign of Unicode's list is dropped, and each token is a name, a digit or punctuation."""
    for characters in emoji.EMOJI_DATA:
        tokens = SPEC.tokens(characters)
        assert is_readable(characters) and (tokens or characters in TONES), characters


def test_names_are_words_in_ascii() -> None:
    assert all(name.isascii() and SPEC.tokens(f"<{name}>") == [f"<{name}>"] for name in _names().values())


def test_without_names_the_parts_of_a_sequence_stay() -> None:
    spec = TextSpec(emoji=False)
    assert spec.tokens("🙂‍↔️ 🍎") == ["🙂", "↔", "🍎"]
