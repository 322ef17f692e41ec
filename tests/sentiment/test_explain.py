import pytest

from sentiment.explain import MAX_SEGMENTS, MAX_SINGLE_LENGTH, MAX_SINGLE_TOKENS, explain, plan_occlusion
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


def test_long_text_is_explained_in_one_batch(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = []
    score = model.score_tokens
    monkeypatch.setattr(model, "score_tokens", lambda batch, check: rows.append(len(batch)) or score(batch, check))
    text = "! a " * 250
    parts = explain(model, text)
    assert rows == [len(parts) + 1] == [plan_occlusion(model, text).scorings] and len(parts) == MAX_SEGMENTS <= 16
    assert " ".join(part.token for part in parts) == model.manifest.text.normalise(text)
    assert "".join(text[part.start : part.end].replace(" ", "") for part in parts) == text.replace(" ", "")


@pytest.mark.parametrize(("n_tokens", "n_segments"), [(1, 1), (64, 64), (65, MAX_SEGMENTS), (500, MAX_SEGMENTS)])
def test_only_a_text_of_more_than_64_tokens_is_explained_in_segments(
    model: Model, n_tokens: int, n_segments: int
) -> None:
    occlusion = plan_occlusion(model, "a " * n_tokens)
    assert (len(occlusion.segments), occlusion.scorings) == (n_segments, n_segments + 1)
    sizes = [segment.stop - segment.start for segment in occlusion.segments]
    assert sum(sizes) == n_tokens and max(sizes) - min(sizes) <= 1
    assert MAX_SINGLE_TOKENS == 64


def test_few_words_of_many_pieces_are_explained_in_segments_as_well() -> None:
    champion = Model.load(ROOT / "models" / "champion")
    text = " ".join(f"qzxwvk{i:02}jqpxzkvw" for i in range(40))
    assert champion.length(champion.tokens(text)) > MAX_SINGLE_LENGTH
    assert plan_occlusion(champion, text).scorings == 1 + MAX_SEGMENTS
    tweet = text[:280].rsplit(" ", 1)[0]
    assert champion.length(champion.tokens(tweet)) > MAX_SINGLE_LENGTH
    assert plan_occlusion(champion, tweet).scorings == 1 + len(tweet.split())
    assert plan_occlusion(champion, "a " * 64).scorings == 65
    assert plan_occlusion(champion, "qzxwvkjqpxzkvw" * 20).scorings == 2


def test_text_without_tokens_has_no_explanation(model: Model) -> None:
    assert explain(model, "\u200b") == []
