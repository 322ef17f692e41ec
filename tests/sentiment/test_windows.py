"""A text is read to its end, and what is friendly in it does not drown what is not."""

from collections.abc import Sequence
from itertools import combinations, pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentiment.features import Tokens
from sentiment.model import Model
from sentiment.verdict import verdict
from sentiment.windows import divide
from tests.support.paths import ROOT

# Every letter of a token is a piece. A tweet has 16 at most, a window 8.
ENCODER: Any = SimpleNamespace(max_whole=16, max_window=8, size=len, parts=list)

tokens = st.lists(
    st.sampled_from("abcdefgh").flatmap(lambda letter: st.integers(1, 12).map(letter.__mul__)), max_size=40
)


@given(tokens)
def test_windows_are_the_whole_text(tokens: Tokens) -> None:
    windows = divide(ENCODER, tokens)
    read = [(window.places[0], window.places[-1]) for window in windows if window.tokens]
    assert not tokens or (read[0][0] == 0 and read[-1][1] == len(tokens) - 1)
    for window, following in pairwise(windows):
        assert following.places[0] <= window.places[-1] + 1 and following.places[-1] >= window.places[-1]
    for place, token in enumerate(tokens):
        found = [part for window in windows for part, at in zip(*window, strict=True) if at == place]
        assert set(found) == ({token} if len(token) <= 8 or len(windows) == 1 else set(token))
        assert sum(map(len, found)) >= len(token)


@given(tokens)
def test_only_a_text_of_one_window_is_longer_than_a_window(tokens: Tokens) -> None:
    windows = divide(ENCODER, tokens)
    if sum(map(len, tokens)) <= 16:
        assert [window.tokens for window in windows] == [tokens]
    else:
        assert len(windows) > 1 and all(0 < sum(map(len, window.tokens)) <= 8 for window in windows)


@given(st.lists(st.sampled_from(["a", "bb", "ccc"]), min_size=8, max_size=40))
def test_what_is_no_longer_than_half_a_window_stands_in_one_whole(tokens: Tokens) -> None:
    whole = [set(window.places) for window in divide(ENCODER, tokens)]
    for start, end in combinations(range(len(tokens) + 1), 2):
        if sum(map(len, tokens[start:end])) <= 4:
            assert any(set(range(start, end)) <= places for places in whole)


@given(tokens)
def test_number_of_windows_is_linear_in_the_length(tokens: Tokens) -> None:
    """Two windows in a row take more than half a window, so that none is read for nothing."""
    size = sum(map(len, tokens))
    assert len(divide(ENCODER, tokens)) <= max(1, size // 2)


FRIENDLY = (
    "Thank you so much for flying with us! We love to have you on board. What a wonderful day for our lovely crew! "
    "We are so happy to announce great new seats. Enjoy a free coffee, our treat! Congratulations to our amazing team! "
    "We are proud and excited to welcome you. It was a great pleasure to serve you today. Have a fantastic weekend! "
)
ABUSE = [
    "my flight was cancelled and nobody answers, worst airline ever",
    "You lost my bag, ruined my holiday and nobody even says sorry. I hate you.",
    "This is the worst service I have ever had, rude staff, dirty seats, never again",
    "We hate all of you, you are disgusting, stupid and sad. Nobody cares that you cry.",
]


def text_around(abuse: str, n_friendly: int, place: float) -> str:
    """Return `n_friendly` characters of friendly words with the abuse before, between or after them."""
    words = (FRIENDLY * 3)[:n_friendly].split()
    cut = int(place * len(words))
    return " ".join([*words[:cut], abuse, *words[cut:]])


def decisions(model: Model, texts: Sequence[str]) -> list[str]:
    scores = model.score(texts)
    thresholds = model.manifest.thresholds
    scored = zip(texts, scores.probability.tolist(), scores.unknown_share.tolist(), strict=True)
    return [verdict(text, probability, unknown, thresholds).decision for text, probability, unknown in scored]


@pytest.fixture(scope="module", params=["champion", "lite"])
def shipped(request: pytest.FixtureRequest) -> Model:
    return Model.load(ROOT / "models" / request.param)


def test_friendly_text_is_published_however_long(shipped: Model) -> None:
    texts = [text_around("", n, 0) for n in (100, 250, 300, 450, 700, 1000)]
    assert decisions(shipped, texts) == ["publish"] * len(texts)


@pytest.mark.parametrize("place", [0, 0.5, 1], ids=["start", "middle", "end"])
@pytest.mark.parametrize("abuse", ABUSE)
def test_abuse_is_not_published_however_long_the_friendly_part_is(shipped: Model, abuse: str, place: float) -> None:
    texts = [text_around(abuse, n, place) for n in (0, 260, 330, 400, 550, 700, 900)]
    assert all(len(shipped.windows(shipped.tokens(text))) > 1 for text in texts[1:])
    assert "publish" not in decisions(shipped, texts)


def test_tweet_is_read_in_one_piece(shipped: Model) -> None:
    """Its score is what the graph says of all its words, as it was before there were windows."""
    for text in (text_around(abuse, n, 1) for abuse in ABUSE for n in (0, 60, 100)):
        assert shipped.score([text]).logit.tolist() == shipped.logit([shipped.tokens(text)]).tolist()


def test_abuse_after_a_word_or_emoji_without_end_is_not_published() -> None:
    champion = Model.load(ROOT / "models" / "champion")
    flood = ["😍" * 280, "😍😂🎉🥰✨" * 56, "'".join(["love"] * 150), "love" * 150]
    assert "publish" not in decisions(champion, [f"{each} {ABUSE[0]}" for each in flood])
    inside = ["love'" * 50 + "you'are'awful'we'hate'you" + "'love" * 50, "_".join(["love"] * 50 + ["hate", "you"] * 5)]
    assert "publish" not in decisions(champion, inside)
