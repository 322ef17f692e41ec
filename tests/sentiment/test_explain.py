import pytest

from sentiment.explain import explain, explain_texts, plan_occlusion
from sentiment.model import Model
from tests.support.paths import ROOT


def test_explanation_points_into_the_original_text(model: Model) -> None:
    text = "OMG the crew&#39;s food was GREAT!!!! but check-in was terrible"
    parts = explain(model, text)
    weight = {text[part.start : part.end]: part.weight for part in parts}
    assert weight["GREAT"] > 0 > weight["terrible"]
    assert max(weight, key=lambda word: weight[word]) == "GREAT"
    assert min(weight, key=lambda word: weight[word]) == "terrible"
    assert "crew&#39;s" in weight


def test_weight_is_the_log_odds_lost_without_the_word(model: Model) -> None:
    with_it, without = model.score(["the crew was great", "the crew was"]).logit
    assert explain(model, "the crew was great")[-1].weight == pytest.approx(with_it - without)


@pytest.fixture
def scored(model: Model, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Return the token lists that the graph of `model` has read so far."""
    found: list[list[str]] = []
    logit = model.logit
    monkeypatch.setattr(model, "logit", lambda windows, check: found.extend(windows) or logit(windows, check))
    return found


FRIENDLY = "the crew was great and the food was lovely . "
ABUSE = "worst flight ever , the crew was awful "


def test_only_the_window_that_decides_is_explained(model: Model, scored: list[list[str]]) -> None:
    text = FRIENDLY * 9 + ABUSE + ". " + FRIENDLY * 9
    occlusion = plan_occlusion(model, text)
    scores, (parts,) = explain_texts(model, [occlusion])
    n = len(occlusion.windows)
    logit = model.logit(scored[:n], lambda: None)
    (worst,) = (window for window, each in zip(occlusion.windows, logit, strict=True) if each == min(logit))
    assert scores.logit.tolist() == [min(logit)] == model.score([text]).logit.tolist()
    before, *inside, behind = parts
    assert " ".join(part.token for part in inside).split() == worst.tokens and "awful" in worst.tokens
    assert len(inside) == 12 and before.weight == behind.weight == 0
    for i, part in enumerate(inside):
        without = worst.tokens[: 2 * i] + worst.tokens[2 * i + 2 :]
        assert part.weight == pytest.approx(scores.logit[0] - model.logit([without], lambda: None)[0], abs=1e-5)
    assert min(parts, key=lambda part: part.weight).token in ABUSE


@pytest.mark.parametrize("text", [ABUSE, FRIENDLY * 6, FRIENDLY * 7 + ABUSE, FRIENDLY * 20, ABUSE + FRIENDLY * 9])
def test_contributions_cover_the_text(model: Model, text: str) -> None:
    assert " ".join(part.token for part in explain(model, text)).split() == text.split()


def test_words_of_a_short_text_are_single_inside_the_window_and_around_it(model: Model) -> None:
    parts = explain(model, FRIENDLY * 5 + ABUSE)
    assert [part.token for part in parts] == (FRIENDLY * 5 + ABUSE).split()
    assert parts[0].weight == 0 != parts[-1].weight


@pytest.mark.parametrize("text", [ABUSE, FRIENDLY * 4, FRIENDLY * 20, "! a " * 250, "\u200b", ABUSE + FRIENDLY * 7])
def test_price_is_what_is_scored(model: Model, scored: list[list[str]], text: str) -> None:
    """Windows that are the same are scored once by a sequence model, and count once."""
    occlusion = plan_occlusion(model, text)
    explain_texts(model, [occlusion])
    n = len(occlusion.windows)
    windows, variants = scored[:n], scored[n:]
    assert occlusion.scorings >= len(set(map(tuple, windows))) + len(variants)
    assert len(variants) <= 48


@pytest.mark.parametrize(
    ("n_tokens", "n_segments", "n_parts"),
    [(1, 1, 1), (48, 48, 48), (49, 24, 49), (64, 24, 64), (65, 12, 14), (500, 12, 14)],
)
def test_long_text_has_few_segments(model: Model, n_tokens: int, n_segments: int, n_parts: int) -> None:
    text = " ".join(str(i) for i in range(n_tokens))
    occlusion = plan_occlusion(model, text)
    n_windows = 1 if n_tokens <= 48 else len(range(0, n_tokens - 12, 12))
    assert (len(occlusion.windows), occlusion.scorings) == (n_windows, n_windows + n_segments)
    assert len(explain(model, text)) <= n_parts


def test_explanation_of_a_long_text_reads_no_more_than_thirteen_full_graphs() -> None:
    champion = Model.load(ROOT / "models" / "champion")
    text = ("Thank you so much for the lovely service, @airparis! The crew on our flight to Oslo was wonderful. " * 11)[
        :1000
    ]
    occlusion = plan_occlusion(champion, text + "1 2 3")
    most = max(champion.size(window.tokens) for window in occlusion.windows) + 2
    assert occlusion.scorings * most <= 13 * 128


def test_windows_that_are_the_same_count_once(model: Model) -> None:
    assert plan_occlusion(model, "! a " * 250).scorings <= 2 + 12


def test_token_that_is_longer_than_a_window_is_one_part(model: Model) -> None:
    champion = Model.load(ROOT / "models" / "champion")
    for text in ("'".join("abcdefghij" * 40), "qzxwvkjqpxzkvw" * 70):
        assert len(plan_occlusion(champion, text).windows) > 5
        (part,) = explain(champion, text)
        assert (part.start, part.end) == (0, len(text))


def test_text_without_tokens_has_no_explanation(model: Model) -> None:
    assert explain(model, "\u200b") == []
