from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sentiment.language import LANGUAGES, hash_ngrams
from training.__main__ import main
from training.language import corpus, fit
from training.language.corpus import Tweets, Vocabulary

TWEETS = [
    Tweets("en", ["thank you for the lovely flight", "we are late again", "what a day"] * 4),
    Tweets("fr", ["merci pour ce beau vol", "nous avons du retard", "quelle journée"] * 4),
]
PER_MILLION = {  # in each of LANGUAGES
    "flight": [90, 1, 1, 1, 1, 1, 1, 1, 1],
    "vol": [9, 90, 1, 9, 9, 1, 1, 1, 40],
    "vlucht": [1, 1, 1, 1, 1, 1, 1, 1, 90],
    "le": [1, 9000, 1, 1, 900, 1, 1, 1, 1],
    "the": [9000, 1, 1, 1, 1, 1, 1, 1, 1],
}
VOCABULARY = Vocabulary(list(PER_MILLION), np.array(list(PER_MILLION.values()), float))
CITIES = [["los", "angeles"], ["nice"]]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"ENGLISH_TWEETS": 400, "CROPPED_TWEETS": 400, "DRAWN_TEXTS": 200, "BATCH_SIZE": 32}.items():
        monkeypatch.setattr(fit, name, value)


def likeliest(table: np.ndarray, text: str) -> str:
    buckets, _ = hash_ngrams(text.split())
    return LANGUAGES[int(table[buckets].sum(axis=0, dtype=int).argmax())]


@pytest.mark.usefixtures("small")
def test_table_has_the_same_bytes_from_the_same_data() -> None:
    first = fit.fit(TWEETS, VOCABULARY, CITIES)
    assert first.tobytes() == fit.fit(TWEETS, VOCABULARY, CITIES).tobytes()
    texts = ["the flight", "merci pour le vol", "thank you", "vlucht"]
    assert [likeliest(first, text) for text in texts] == ["en", "fr", "en", "other"]


def test_near_duplicates_stay_in_one_split() -> None:
    texts = [
        f"{name} the crew on flight {i} was {i * 'very '}kind" for i in range(60) for name in ("", "@air", "@sky:")
    ]
    parts = corpus.split(Tweets("en", texts))
    assert sum(len(part.texts) for part in parts.values()) == 60
    assert all(part.texts for part in parts.values())


def test_english_tweets_with_another_label_are_dropped() -> None:
    texts = ["we are going to be late again", "Wir kommen schon wieder zu spät", "in der Stadt"]
    assert corpus.drop_english(Tweets("de", texts)).texts == texts[1:]
    assert corpus.drop_english(Tweets("en", texts)).texts == texts


def test_vocabulary_has_frequencies_of_every_language() -> None:
    words, per_million = corpus.read_vocabulary()
    assert per_million.shape == (len(words), len(LANGUAGES))
    rows = [per_million[words.index(word)] for word in ("annulation", "文文")]
    annulation, other_script = (dict(zip(LANGUAGES, row, strict=True)) for row in rows)
    assert annulation["fr"] > 100 * annulation["de"]
    assert other_script["other"] > 100
    assert other_script["fr"] == annulation["de"] == corpus.UNSEEN_PER_MILLION


def test_refuses_tweets_whose_language_is_not_known(tmp_path: Path) -> None:
    path = tmp_path / "tweets.parquet"
    pd.DataFrame({"text": ["hello"]}).to_parquet(path)
    with pytest.raises(SystemExit, match="has no column language"):
        list(corpus.read_tweets(path, None))
    with pytest.raises(SystemExit, match="nl is not one of en, fr"):
        list(corpus.read_tweets(path, "nl"))


def test_measures_each_language(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    english, french = tmp_path / "english.parquet", tmp_path / "french.parquet"
    pd.DataFrame({"text": ["Thank you so much!", "Vol annulé"]}).to_parquet(english)
    pd.DataFrame({"text": [f"Notre vol a {i} heures de retard {'encore ' * i}" for i in range(40)]}).to_parquet(french)
    main(["languages", "--tweets", f"fr={french}", "--unseen", f"en={english}", "--mistaken"])
    printed = capsys.readouterr().out
    assert "| english | en | 2 | 50.00% | 50.00% | – | – |" in printed
    assert "100.00% | 100.00%" in printed
    assert "\n  Vol annulé" in printed
