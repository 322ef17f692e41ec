"""The shipped models keep their promises: seed sentences, size, and the metrics of their cards on real tweets."""

import os
from pathlib import Path

import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from sentiment import manifest
from sentiment.model import Model
from sentiment.verdict import verdict
from tests.support.paths import ROOT
from tests.support.spellings import SPELLINGS
from training.data.cleaning import content, split_of
from training.scoring.predict import predict

DATA = os.environ.get("BUZZGUARD_DATA")
MODELS = ROOT / "models"
# Of every shipped model: minimum accuracy and AUC on the test split, maximum bytes on disk.
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
def test_decides_the_seed_sentences(shipped: Model, text: str, label: str, at_least: float, decision: str) -> None:
    scores = shipped.score([text])
    probability = float(scores.probability[0])
    read = verdict(text, probability, float(scores.unknown_share[0]), shipped.manifest.thresholds)
    assert (read.label, read.decision, read.warnings) == (label, decision, [])
    assert (probability if label == "positive" else 1 - probability) > at_least


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_abuse_in_disguise_is_not_published(shipped: Model, spelling: str) -> None:
    plain = "We hate our guests, the food is awful"
    text = SPELLINGS[spelling](plain)
    scores = shipped.score([text, plain])
    probability, expected = map(float, scores.probability)
    read = verdict(text, probability, float(scores.unknown_share[0]), shipped.manifest.thresholds)
    assert probability == expected and read.decision != "publish"


def test_negation_changes_the_label(shipped: Model) -> None:
    good, not_good, like, dislike = shipped.score(["good", "not good", "I like it", "I don't like it"]).probability
    assert good > 0.5 > not_good and like > 0.5 > dislike


@pytest.mark.parametrize(
    "link",
    [
        "bbc.co.uk/news/terrible-delays-worst-airline",
        "spoti.fi/hate",
        "worst-airline.com",
        "https://example.com/worst_airline/horrible-(awful)?q=never,again#broken",
        "http://localhost:8080/never-again",
    ],
)
def test_words_of_an_address_do_not_count(shipped: Model, link: str) -> None:
    text = "We love our new lounge in Lyon, thank you all!"
    plain, linked = shipped.score([f"{text} https://t.co/AbC", f"{text} {link}"]).probability
    assert linked == plain > 0.9


@pytest.mark.parametrize("link", ["https://t.co/AbC", "https://example.com/n", "bbc.co.uk/news", "example.com"])
@pytest.mark.parametrize(
    "touching", ["—horrible service, worst airline ever", "…never again, awful", "“worst airline ever”"]
)
def test_words_that_touch_a_link_count(shipped: Model, link: str, touching: str) -> None:
    glued, apart = shipped.score([f"Our new lounge {link}{touching}", f"Our new lounge {link} {touching}"]).probability
    assert glued == apart < shipped.score([f"Our new lounge {link}"]).probability[0]


def test_reaches_its_promised_metrics_and_size(shipped: Model) -> None:
    accuracy, auc, size = PROMISED[shipped.manifest.name]
    values = shipped.manifest.metrics["test"].values
    assert values["accuracy"] >= accuracy and values["auc"] >= auc
    assert sum(path.stat().st_size for path in (MODELS / shipped.manifest.name).iterdir()) <= size


def test_card_names_version_and_accuracy(shipped: Model) -> None:
    card = (MODELS / shipped.manifest.name / "MODEL_CARD.md").read_text()
    accuracy = shipped.manifest.metrics["test"].values["accuracy"]
    assert shipped.manifest.version in card and f"{accuracy:.4f}" in card


def test_champion_has_the_highest_auc() -> None:
    manifests = [manifest.read_manifest(MODELS / name) for name in PROMISED]
    best = max(manifests, key=lambda about: about.metrics["test"].values["auc"])
    assert manifest.read_champion(MODELS) == best.name


@pytest.mark.skipif(DATA is None, reason="BUZZGUARD_DATA is not set to a folder of real tweets")
def test_metrics_on_real_tweets_are_those_of_the_card(shipped: Model) -> None:
    """The accuracy on a tenth of the test split is within three standard errors of the card's."""
    tweets = pd.read_parquet(Path(str(DATA)) / "sentiment140.parquet")[::10]
    held_out = tweets[[split_of(content(text), 0.02) == "test" for text in tweets.text]]
    probability = predict(shipped, held_out.text.tolist()).probability
    claimed = shipped.manifest.metrics["test"].values
    assert len(held_out) > 2000
    right = (probability >= 0.5) == (held_out.label == 1)
    assert abs(right.mean() - claimed["accuracy"]) < 3 * (claimed["accuracy"] * (1 - claimed["accuracy"]) / 2000) ** 0.5
    assert abs(roc_auc_score(held_out.label, probability) - claimed["auc"]) < 0.02
