import random
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.support.dataframes import invented, prepared
from training.data import profile

SENTENCES = {
    "en": "we really loved the flight and the people were friendly",
    "fr": "nous avons beaucoup aimé ce voyage avec toute notre famille",
    "es": "nos gustó mucho el viaje y la gente estaba muy contenta",
    "de": "wir haben diesen Flug wirklich geliebt und waren glücklich",
    "unknown": "qwzx plfgh brrzt",
}


@pytest.mark.parametrize(("language", "sentence"), SENTENCES.items())
def test_detects_language(language: str, sentence: str) -> None:
    assert profile.languages([sentence]) == {language: 1.0}


@pytest.mark.parametrize("text", ["", "@you http://a.b/c 12:30", ":-) !!!", "中文"])
def test_language_of_text_without_words_is_unknown(text: str) -> None:
    assert profile.languages([text]) == {"unknown": 1.0}


def test_languages_are_shares_most_frequent_first() -> None:
    texts = [SENTENCES["fr"]] * 3 + [SENTENCES["en"]] * 5 + [SENTENCES["unknown"]] * 2
    random.Random(0).shuffle(texts)
    assert list(profile.languages(texts).items()) == [("en", 0.5), ("fr", 0.3), ("unknown", 0.2)]


def test_language_sample_is_evenly_spread() -> None:
    texts = pd.Series([str(n) for n in range(12_345)])
    sample = profile.sample(texts)
    assert len(set(sample)) == profile.MAX_LANGUAGE_SAMPLE
    assert (sample[0], sample[-1]) == ("0", "12344")
    assert profile.sample(texts[:7]) == list("0123456")


def rows(labels: list[int], tokens: list[int], content: list[str]) -> pd.DataFrame:
    names = [["negative", "positive"][label] for label in labels]
    return pd.DataFrame({"text": "a flight", "label": names, "tokens": tokens, "content": content, "split": "train"})


def test_lengths_are_quantiles_by_class() -> None:
    found = profile.lengths(rows([0] * 101 + [1], [*range(101), 7], ["x"] * 102))
    assert found["negative"]["least"] == 0 and found["negative"]["median"] == 50 and found["negative"]["95%"] == 95
    assert set(found["positive"].values()) == {7}
    assert list(profile.lengths(rows([1], [3], ["x"]))) == ["positive"]


def test_counts_near_duplicates_by_content() -> None:
    found = profile.near_duplicates(
        rows([0, 0, 1, 0, 1, 1, 0], [1] * 7, ["late", "late", "late", "fine", "one", "two", "one"])
    )
    assert (found.texts, found.contents, found.contradictory) == (5, 2, 2)
    alone = profile.near_duplicates(rows([0, 1], [1, 1], ["one", "two"]))
    assert (alone.texts, alone.contents, alone.contradictory) == (0, 0, 0)


def test_saves_plots_of_large_and_tiny_data_sets(tmp_path: Path) -> None:
    many = prepared(invented(300)).assign(
        tokens=np.arange(300) % 17, content="x", split=["train"] * 280 + ["validation", "test"] * 10
    )
    many.loc[many.index % 3 == 0, "label"] = "neutral"
    for data in (many, rows([0, 1], [1, 1], ["one", "two"])):
        profile.save_plots(data, profile.profile_texts(data), tmp_path)
        for name in profile.PLOTS:
            path = tmp_path / f"{name}.png"
            assert path.read_bytes().startswith(b"\x89PNG")
            path.unlink()
