"""The model that ships, on what it promises: the seed sentences, its size, the figures of its card on real tweets."""

import os
from pathlib import Path

import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from sentiment import manifest
from sentiment.model import Model
from sentiment.verdict import verdict
from tests.support.paths import ROOT
from training.commands.prepare import content, split_of
from training.scoring.predict import predict

DATA = os.environ.get("BUZZGUARD_DATA")
MODELS = ROOT / "models"
# What every model that ships must reach on the test split: accuracy, AUC, and bytes on disk at most.
PROMISED = {"champion": (0.860, 0.935, 25_000_000), "lite": (0.830, 0.908, 4_000_000)}


@pytest.fixture(scope="module", params=PROMISED)
def shipped(request: pytest.FixtureRequest) -> Model:
    return Model.load(MODELS / request.param)


@pytest.mark.parametrize(
    ("text", "label", "at_least", "decision"),
    [
        ("I love this company the experience was great !", "positive", 0.9, "publish"),
        ("my flight was cancelled and nobody answers, worst airline ever", "negative", 0.9, "hold"),
    ],
)
def test_the_seed_sentences_behave(shipped: Model, text: str, label: str, at_least: float, decision: str) -> None:
    scores = shipped.score([text])
    probability = float(scores.probability[0])
    read = verdict(text, probability, float(scores.unknown[0]), shipped.manifest.thresholds)
    assert (read.label, read.decision, read.warnings) == (label, decision, [])
    assert (probability if label == "positive" else 1 - probability) > at_least


def test_negation_turns_the_score(shipped: Model) -> None:
    good, not_good, like, dislike = shipped.score(["good", "not good", "I like it", "I don't like it"]).probability
    assert good > 0.5 > not_good and like > 0.5 > dislike


def test_it_is_small_and_what_its_card_says(shipped: Model) -> None:
    about = shipped.manifest
    accuracy, auc, size = PROMISED[about.name]
    folder = MODELS / about.name
    assert sum(path.stat().st_size for path in folder.iterdir()) <= size
    card = (folder / "MODEL_CARD.md").read_text()
    assert about.version in card and f"{about.metrics['test'].values['accuracy']:.4f}" in card
    assert about.metrics["test"].values["accuracy"] >= accuracy and about.metrics["test"].values["auc"] >= auc


def test_the_best_of_them_is_served() -> None:
    described = [manifest.read_manifest(MODELS / name) for name in PROMISED]
    best = max(described, key=lambda about: about.metrics["test"].values["auc"])
    assert manifest.read_champion(MODELS) == best.name


@pytest.mark.skipif(DATA is None, reason="BUZZGUARD_DATA names no folder of real tweets")
def test_its_figures_are_what_its_card_says(shipped: Model) -> None:
    """On the part of the test split that a tenth of the tweets holds: within three standard errors of the card."""
    tweets = pd.read_parquet(Path(str(DATA)) / "sentiment140.parquet")[::10]
    held_out = tweets[[split_of(content(text), 0.02) == "test" for text in tweets.text]]
    probability = predict(shipped, held_out.text.tolist()).probability
    claimed = shipped.manifest.metrics["test"].values
    assert len(held_out) > 2000
    right = (probability >= 0.5) == (held_out.label == 1)
    assert abs(right.mean() - claimed["accuracy"]) < 3 * (claimed["accuracy"] * (1 - claimed["accuracy"]) / 2000) ** 0.5
    assert abs(roc_auc_score(held_out.label, probability) - claimed["auc"]) < 0.02
