import argparse
import re
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
from training.commands import evaluate
from training.evaluation import checklist, evaluation, metrics, slices
from training.evaluation.estimates import estimate
from training.evaluation.metrics import Floats

LITE = ROOT / "models" / "lite"
THRESHOLDS = Thresholds(publish=0.9, hold=0.1)


def run(*arguments: str | Path) -> None:
    parser = argparse.ArgumentParser()
    evaluate.add_arguments(parser)
    evaluate.run(parser.parse_args(list(map(str, arguments))))


def slices_of(text: str, unknown_share: float = 0.0) -> set[str]:
    features = slices.extract(text, unknown_share)
    return {name for name, belongs in slices.SLICES.items() if belongs(features) and ":" not in name}


def cells(table: str, name: str) -> list[str]:
    """Return the cells of the row of a printed table that starts with `name`."""
    row = next(line for line in table.splitlines() if line.startswith(f"│ {name}"))
    return [cell.strip() for cell in row.strip("│").split("│")]


# --- the command -----------------------------------------------------------------------------------------------------


def test_writes_and_prints_an_evaluation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    invented(300).to_parquet(tmp_path / "tweets.parquet")
    run(LITE, tmp_path / "tweets.parquet", "--out", tmp_path / "new" / "found.json")
    shown = capsys.readouterr().out
    found = msgspec.json.decode((tmp_path / "new" / "found.json").read_bytes(), type=evaluation.Evaluation)
    assert found.model == "lite" and found.overall.n == 300 and found.overall.values["accuracy"] > 0.9
    for name, (low, high) in found.overall.intervals.items():
        assert low <= found.overall.values[name] <= high
    assert f"{found.overall.values['auc']:.4f}" in shown
    assert found.slices["url"] and 0 < found.slices["url"].n < 300 and found.slices["emoji"] is None
    by_kind, behaviour = shown.split("By kind of text")[1].split("Behaviour")
    assert cells(by_kind, "emoji")[:3] == ["emoji", "0", "-"] and cells(by_kind, "url")[1] == str(found.slices["url"].n)
    for name, sign in (('"I love it" is added', "+"), ('"terrible" is added', "-")):
        assert re.fullmatch(rf"\{sign}0\.\d{{3}}", cells(behaviour, name)[3])
    assert re.fullmatch(r"0\.\d{3}", cells(behaviour, "other names")[3])
    assert {test.kind for test in found.behaviour} == {"invariance", "direction", "minimum"}
    assert "nan" not in shown


def test_rejects_folder_as_output_file(tmp_path: Path) -> None:
    invented(3).to_parquet(tmp_path / "tweets.parquet")
    with pytest.raises(SystemExit, match="--out .*: is a folder"):
        run(LITE, tmp_path / "tweets.parquet", "--out", tmp_path)


def test_rejects_missing_model_in_one_line(tmp_path: Path) -> None:
    invented(3).to_parquet(tmp_path / "tweets.parquet")
    with pytest.raises(SystemExit, match=r"nowhere/manifest.json"):
        run("nowhere", tmp_path / "tweets.parquet")


# --- estimates -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("label", [0, 1])
@pytest.mark.parametrize("probability", [0.05, 0.95])
@pytest.mark.parametrize("n", [1, 40])
def test_leaves_out_what_the_texts_do_not_define(label: int, probability: float, n: int) -> None:
    measured = estimate(metrics.predictions(np.full(n, label, np.int8), np.full(n, probability), THRESHOLDS))
    called = probability >= 0.5
    assert measured.values["accuracy"] == (called == label)
    assert "auc" not in measured.values and "auc" not in measured.intervals
    assert ("precision" in measured.values) is called and ("hold_precision" in measured.values) is not called
    assert ("recall" in measured.values) == (label == 1) and ("hold_recall" in measured.values) == (label == 0)
    assert ("accuracy" in measured.intervals) == (n == 40)
    assert not np.isnan(list(measured.values.values())).any()


def test_evaluates_one_text_and_one_class(capsys: pytest.CaptureFixture[str]) -> None:
    model = Model.load(LITE)
    for n in (1, 40):
        found = evaluation.evaluate(model, pd.DataFrame({"text": ["lovely"] * n, "label": [1] * n}))
        assert (found.best_threshold is None) == (n == 1)
        evaluate.show(found)
    assert "nan" not in capsys.readouterr().out


def test_best_threshold_is_cross_fitted() -> None:
    random = np.random.default_rng(0)
    truth = random.uniform(size=4000)
    labels = (random.uniform(size=4000) < truth).astype(np.int8)
    found = evaluation.cross_fit_threshold(labels, np.sqrt(truth))  # 0.5 in the wrong place: it belongs at √0.5
    assert 0.6 < found.lowest <= found.highest < 0.8 and found.accuracy == pytest.approx(0.75, abs=0.015)
    chance = evaluation.cross_fit_threshold(labels, random.uniform(size=4000))
    assert chance.accuracy == pytest.approx(0.5, abs=0.02)


def test_best_threshold_has_the_highest_accuracy() -> None:
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
def test_text_belongs_to_its_slices(text: str, expected: set[str]) -> None:
    assert slices_of(text) == expected


def test_every_text_belongs_to_one_length_slice() -> None:
    for n, name in ((0, "short"), (10, "short"), (11, "medium"), (20, "medium"), (21, "long")):
        features = slices.extract("a " * n, 0.0)
        assert [key.split(":")[0] for key, belongs in slices.SLICES.items() if belongs(features)] == [name]


def test_text_is_mostly_unknown_above_the_limit_of_the_warning() -> None:
    assert "mostly unknown words" in slices_of("zzyzx", 0.6) and "mostly unknown words" not in slices_of("zzyzx", 0.5)


# --- behaviour -------------------------------------------------------------------------------------------------------


def word_counter(good: float, bad: float) -> checklist.Predict:
    """Return a model that counts words: each moves P(positive) from 0.5 by these steps; "not" reverses the sign."""

    def predict(texts: Sequence[str]) -> Floats:
        cleaned = [text.lower().replace(",", " ").split() for text in texts]
        mood = [
            good * sum(word in {"love", "great", "good", "thank", "friendly"} for word in tokens)
            - bad * sum(word in {"terrible", "worst", "rude"} for word in tokens)
            for tokens in cleaned
        ]
        signed = [-m if "not" in tokens else m for m, tokens in zip(mood, cleaned, strict=True)]
        return np.clip(0.5 + np.array(signed), 0, 1)

    return predict


def by_name(predict: checklist.Predict) -> dict[str, checklist.CheckResult]:
    return {test.name: test for test in checklist.run_checklist(predict)}


def test_word_counter_passes_what_words_decide() -> None:
    found = by_name(word_counter(0.3, 0.3))
    assert all(found[name].failures == 0 and found[name].change == 0 for name in found if name.startswith("other "))
    for name in ('"I love it" is added: higher', '"terrible" is added: lower'):
        assert found[name].failures == 0 and abs(found[name].change or 0) == pytest.approx(0.3)
    negated = found["praise is negated: lower"]
    assert negated.cases == 48 and 0 < negated.failures < 48 and "not comfortable" in (negated.example or "")


def test_constant_model_passes_invariance_and_fails_the_rest() -> None:
    for test in checklist.run_checklist(lambda texts: np.full(len(texts), 0.7)):
        if test.kind == "invariance":
            assert (test.failures, test.change, test.example) == (0, 0, None)
        elif test.kind == "direction":
            assert (test.failures, test.change) == (test.cases, 0)
        else:
            assert 0 < test.failures < test.cases and test.change is None


def test_model_that_depends_on_names_fails_invariance() -> None:
    found = by_name(lambda texts: np.array([0.1 if "Kenji" in text else 0.9 for text in texts]))
    assert found["other names"].failures == found["other names"].cases == 10
    assert found["other names"].change == pytest.approx(0.8 / 7) and "Kenji" in (found["other names"].example or "")
    assert found["other cities"].failures == 0


def test_checklist_has_200_cases_and_558_texts_without_gaps() -> None:
    scored: list[str] = []

    def predict(texts: Sequence[str]) -> Floats:
        scored.extend(texts)
        return np.full(len(texts), 0.5)

    cases = sum(test.cases for test in checklist.run_checklist(predict))
    assert cases == 200 and len(scored) == 558 and all("{" not in text for text in scored)
