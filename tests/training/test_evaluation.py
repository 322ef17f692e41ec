import argparse
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pytest

from sentiment.manifest import Thresholds
from sentiment.model import Model
from tests.support.dataframes import invented
from tests.support.paths import ROOT
from training.evaluation import checklist, evaluation, slices
from training.evaluation.metrics import Floats

LITE = ROOT / "models" / "lite"
THRESHOLDS = Thresholds(publish=0.9, hold=0.1)


def run(*arguments: str | Path) -> None:
    parser = argparse.ArgumentParser()
    evaluation.add_arguments(parser)
    evaluation.run(parser.parse_args(list(map(str, arguments))))


def slices_of(text: str, unknown: float = 0.0) -> set[str]:
    reading = slices.read(text, unknown)
    return {name for name, fits in slices.SLICES.items() if fits(reading) and ":" not in name}


# --- the verb --------------------------------------------------------------------------------------------------------


def test_a_model_is_measured_and_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    invented(300).to_parquet(tmp_path / "tweets.parquet")
    run(LITE, tmp_path / "tweets.parquet", "--out", tmp_path / "new" / "found.json")
    shown = capsys.readouterr().out
    found = msgspec.json.decode((tmp_path / "new" / "found.json").read_bytes(), type=evaluation.Evaluation)
    assert found.model == "lite" and found.overall.n == 300 and found.overall.values["accuracy"] > 0.9
    for name, (low, high) in found.overall.intervals.items():
        assert low <= found.overall.values[name] <= high
    assert f"{found.overall.values['auc']:.4f}" in shown
    assert found.slices["url"] and 0 < found.slices["url"].n < 300 and found.slices["emoji"] is None
    assert next(line.split("│")[2:4] for line in shown.splitlines() if "emoji  " in line) == [" 0   ", " -        "]
    assert {test.kind for test in found.behaviour} == {"invariance", "direction", "minimum"}
    assert "nan" not in shown


def test_a_folder_is_no_file_to_write(tmp_path: Path) -> None:
    invented(3).to_parquet(tmp_path / "tweets.parquet")
    with pytest.raises(SystemExit, match="--out .*: is a folder"):
        run(LITE, tmp_path / "tweets.parquet", "--out", tmp_path)


def test_a_model_that_is_none_is_one_clear_line(tmp_path: Path) -> None:
    invented(3).to_parquet(tmp_path / "tweets.parquet")
    with pytest.raises(SystemExit, match=r"nowhere/manifest.json"):
        run("nowhere", tmp_path / "tweets.parquet")


# --- figures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("label", [0, 1])
@pytest.mark.parametrize("probability", [0.05, 0.95])
@pytest.mark.parametrize("n", [1, 40])
def test_what_texts_cannot_say_is_not_said(label: int, probability: float, n: int) -> None:
    measured = evaluation.measure(np.full(n, label, np.int8), np.full(n, probability), THRESHOLDS)
    called = probability >= 0.5
    assert measured.values["accuracy"] == (called == label)
    assert "auc" not in measured.values and "auc" not in measured.intervals
    assert ("precision" in measured.values) is called and ("hold_precision" in measured.values) is not called
    assert ("recall" in measured.values) == (label == 1) and ("hold_recall" in measured.values) == (label == 0)
    assert ("accuracy" in measured.intervals) == (n == 40)
    assert not np.isnan(list(measured.values.values())).any()


def test_one_text_and_one_class_are_evaluated(capsys: pytest.CaptureFixture[str]) -> None:
    model = Model.load(LITE)
    for n in (1, 40):
        found = evaluation.evaluate(model, pd.DataFrame({"text": ["lovely"] * n, "label": [1] * n}))
        assert (found.best_threshold is None) == (n == 1)
        evaluation.show(found)
    assert "nan" not in capsys.readouterr().out


def test_the_best_threshold_is_never_judged_by_the_texts_that_chose_it() -> None:
    random = np.random.default_rng(0)
    truth = random.uniform(size=4000)
    labels = (random.uniform(size=4000) < truth).astype(np.int8)
    found = evaluation.cross_fit(labels, np.sqrt(truth))  # 0.5 in the wrong place: it belongs at √0.5
    assert 0.6 < found.lowest <= found.highest < 0.8 and found.accuracy == pytest.approx(0.75, abs=0.015)
    chance = evaluation.cross_fit(labels, random.uniform(size=4000))
    assert chance.accuracy == pytest.approx(0.5, abs=0.02)


def test_the_best_threshold_is_the_best() -> None:
    for seed in range(50):
        random = np.random.default_rng(seed)
        labels, probability = random.integers(2, size=20), random.uniform(size=20).round(1)
        best = evaluation.best_threshold(labels, probability)
        candidates = [*probability, 2.0]
        right = [((probability >= threshold) == labels).sum() for threshold in candidates]
        assert ((probability >= best) == labels).sum() == max(right)


# --- slices ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The crew was kind", set()),
        ("The crew wasn’t kind", {"negation"}),
        ("I CANNOT believe it", {"negation"}),
        ("notable noon knots", set()),
        ("lovely ❤️", {"emoji"}),
        ("off we go 🇫🇷", {"emoji"}),
        ("sooo good", {"elongation"}),
        ("www.example.org", {"url"}),
        ("http://example.org/a?b=c#ddd", {"url"}),
        ("100000 of them!!!", set()),
        ("why??", {"question"}),
        ("#HappyPlace", {"hashtag"}),
        ("# 1", set()),
        ("@airparis thanks", {"mention"}),
        ("write to me@example.org", set()),
    ],
)
def test_a_text_belongs_where_it_should(text: str, expected: set[str]) -> None:
    assert slices_of(text) == expected


def test_lengths_part_all_texts_and_unknown_words_are_counted() -> None:
    for n, name in ((0, "short"), (10, "short"), (11, "medium"), (20, "medium"), (21, "long")):
        reading = slices.read("a " * n, 0.0)
        assert [key.split(":")[0] for key, fits in slices.SLICES.items() if fits(reading)] == [name]
    assert "mostly unknown words" in slices_of("zzyzx", 0.6) and "mostly unknown words" not in slices_of("zzyzx", 0.5)


# --- behaviour -------------------------------------------------------------------------------------------------------


def words(good: float, bad: float) -> checklist.Score:
    """A model that counts words: P(positive) moves from 0.5 by these steps; "not" turns it around."""

    def score(texts: Sequence[str]) -> Floats:
        cleaned = [text.lower().replace(",", " ").split() for text in texts]
        mood = [
            good * sum(word in {"love", "great", "good", "thank", "friendly"} for word in tokens)
            - bad * sum(word in {"terrible", "worst", "rude"} for word in tokens)
            for tokens in cleaned
        ]
        turned = [-m if "not" in tokens else m for m, tokens in zip(mood, cleaned, strict=True)]
        return np.clip(0.5 + np.array(turned), 0, 1)

    return score


def by_name(score: checklist.Score) -> dict[str, checklist.Behaviour]:
    return {test.name: test for test in checklist.run_checklist(score)}


def test_a_model_that_counts_words_passes_what_words_decide() -> None:
    found = by_name(words(0.3, 0.3))
    assert all(found[name].failures == 0 and found[name].change == 0 for name in found if name.startswith("other "))
    for name in ('"I love it" is added: higher', '"terrible" is added: lower'):
        assert found[name].failures == 0 and abs(found[name].change or 0) == pytest.approx(0.3)
    negated = found["praise is negated: lower"]
    assert negated.cases == 48 and 0 < negated.failures < 48 and "not comfortable" in (negated.example or "")


def test_a_model_that_does_not_care_fails_what_cares() -> None:
    for test in checklist.run_checklist(lambda texts: np.full(len(texts), 0.7)):
        if test.kind == "invariance":
            assert (test.failures, test.change, test.example) == (0, 0, None)
        elif test.kind == "direction":
            assert (test.failures, test.change) == (test.cases, 0)
        else:
            assert 0 < test.failures < test.cases and test.change is None


def test_a_model_that_judges_by_names_fails_invariance() -> None:
    found = by_name(lambda texts: np.array([0.1 if "Kenji" in text else 0.9 for text in texts]))
    assert found["other names"].failures == found["other names"].cases == 10
    assert found["other names"].change == pytest.approx(0.8 / 7) and "Kenji" in (found["other names"].example or "")
    assert found["other cities"].failures == 0


def test_sentences_are_many_and_each_is_one() -> None:
    asked: list[str] = []

    def score(texts: Sequence[str]) -> Floats:
        asked.extend(texts)
        return np.full(len(texts), 0.5)

    cases = sum(test.cases for test in checklist.run_checklist(score))
    assert cases == 200 and len(asked) == 558 and all("{" not in text for text in asked)
