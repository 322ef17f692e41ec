"""The model that ships, on what it promises: the seed sentences, its size, the figures of its card on real tweets."""

import os
from pathlib import Path

import pandas as pd
import pytest

from sentiment import manifest
from sentiment.model import Model
from sentiment.verdict import verdict
from tests.conftest import ROOT
from training.prepare import content, split_of

DATA = os.environ.get("BUZZGUARD_DATA")
LITE = ROOT / "models" / "lite"


@pytest.fixture(scope="module")
def lite() -> Model:
    return Model.load(LITE)


@pytest.mark.parametrize(
    ("text", "label", "at_least", "decision"),
    [
        ("I love this company the experience was great !", "positive", 0.9, "publish"),
        ("my flight was cancelled and nobody answers, worst airline ever", "negative", 0.9, "hold"),
    ],
)
def test_the_seed_sentences_behave(lite: Model, text: str, label: str, at_least: float, decision: str) -> None:
    scores = lite.score([text])
    probability = float(scores.probability[0])
    read = verdict(probability, float(scores.unknown[0]), lite.manifest.thresholds)
    assert (read.label, read.decision, read.warnings) == (label, decision, [])
    assert (probability if label == "positive" else 1 - probability) > at_least


def test_negation_turns_the_score(lite: Model) -> None:
    good, not_good, like, dislike = lite.score(["good", "not good", "I like it", "I don't like it"]).probability
    assert good > 0.5 > not_good and like > 0.5 > dislike


def test_it_is_small_and_what_its_card_says() -> None:
    assert sum(path.stat().st_size for path in LITE.iterdir()) <= 4_000_000
    about = manifest.describe(LITE)
    card = (LITE / "MODEL_CARD.md").read_text()
    assert about.version in card and f"{about.metrics['test'].values['accuracy']:.4f}" in card
    assert about.metrics["test"].values["accuracy"] >= 0.830 and about.metrics["test"].values["auc"] >= 0.908
    assert manifest.champion(ROOT / "models") == "lite"


@pytest.mark.skipif(DATA is None, reason="BUZZGUARD_DATA names no folder of real tweets")
def test_its_accuracy_is_what_its_card_says(lite: Model) -> None:
    """On the part of the test split that a tenth of the tweets holds: within three standard errors of the card."""
    tweets = pd.read_parquet(Path(str(DATA)) / "sentiment140.parquet")[::10]
    held_out = tweets[[split_of(content(text), 0.02) == "test" for text in tweets.text]]
    right = (lite.score(held_out.text.tolist()).probability >= 0.5) == (held_out.label == 1)
    claimed = lite.manifest.metrics["test"].values["accuracy"]
    assert len(right) > 2000
    assert abs(right.mean() - claimed) < 3 * (claimed * (1 - claimed) / len(right)) ** 0.5
