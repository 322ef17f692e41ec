import argparse
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sentiment.manifest import describe
from sentiment.model import Model
from tests.conftest import ROOT
from tests.tweets import invented
from training import calibrate, metrics
from training.score import predict

LITE = ROOT / "models" / "lite"


def run(*arguments: str | Path) -> None:
    parser = argparse.ArgumentParser()
    calibrate.add_arguments(parser)
    calibrate.run(parser.parse_args(list(map(str, arguments))))


def yours(n: int, seed: int = 0) -> pd.DataFrame:
    """Texts of somebody who complains: two in three of the kind that others mean well were not meant so."""
    rows = invented(n, seed)
    rows.label *= (np.random.default_rng(seed).uniform(size=n) < 1 / 3).astype("int8")
    return rows


def test_probabilities_hold_for_these_texts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    yours(600).to_parquet(tmp_path / "yours.parquet")
    run(LITE, tmp_path / "yours.parquet", "--out", tmp_path / "models" / "yours")
    told = capsys.readouterr().out
    was, new = Model.load(LITE), Model.load(tmp_path / "models" / "yours")

    further = yours(600, seed=1)
    scores = [predict(model, further.text.tolist()) for model in (was, new)]
    before, after = (metrics.quality(further.label.to_numpy(), score.probability) for score in scores)
    assert before["ece"] > 0.25 and after["ece"] < 0.1 and after["brier"] < before["brier"] - 0.1
    assert (np.diff(scores[1].logit[np.argsort(scores[0].logit)]) >= -1e-6).all()  # the same graph, in the same order

    about = new.manifest
    assert about.name == "yours" and about.version != was.manifest.version and about.files == was.manifest.files
    assert about.metrics.keys() == {"validation"}  # what was measured of the other holds no more
    assert about.baseline and about.baseline.probability[9] == 0  # nothing is certain among them
    assert (
        f"hold at {about.thresholds.hold:.4f} and below"
        in (tmp_path / "models" / "yours" / "MODEL_CARD.md").read_text()
    )
    assert "it never says publish: 600 texts are too few, or too hard" in told and "never says hold" not in told
    assert describe(LITE) == was.manifest and [path.name for path in (tmp_path / "models").iterdir()] == ["yours"]


def test_what_is_shown_was_not_fitted_on_itself() -> None:
    """Logits that know nothing: what is fitted on texts is a little better on these, and worse on others."""
    random = np.random.default_rng(0)
    labels = random.integers(2, size=60).astype(np.int8)
    logit = random.normal(size=(60, 30))
    fitted, shown = [], []
    for column in logit.T:
        probability = metrics.probability(column, metrics.calibrate(labels, column))
        fitted.append(metrics.quality(labels, probability)["brier"])
        shown.append(calibrate.cross_fitted(labels, column)["brier"])
    constant = float(labels.mean() * (1 - labels.mean()))
    assert max(fitted) <= constant + 1e-3 and np.mean(shown) > constant


def test_decisions_are_counted_where_they_were_not_chosen() -> None:
    random = np.random.default_rng(0)
    logit = random.normal(0, 3, 4000)
    labels = (random.uniform(size=4000) < metrics.expit(logit)).astype(np.int8)
    shown = calibrate.cross_fitted(labels, 2 * logit - 1)
    honest = metrics.probability(logit, metrics.Calibration())
    known = metrics.evaluate(labels, honest, metrics.choose_thresholds(labels, honest))
    assert shown == pytest.approx(known, abs=0.02) and 0.94 < shown["publish_precision"] < 0.98


@pytest.mark.parametrize(
    ("rows", "out", "line"),
    [
        (invented(600)[lambda rows: (rows.label == 0) | (rows.index < 60)], "yours", r"\d\d texts are positive; 50 of"),
        (invented(600).assign(label=lambda rows: 1 - rows.label), "yours", "are the labels the right way round?"),
        (yours(600), "Yours!", "--out 'Yours!': must be small letters, digits"),
        (yours(600), "there", "--out .*there: is there already"),
    ],
)
def test_a_mistake_is_one_clear_line(rows: pd.DataFrame, out: str, line: str, tmp_path: Path) -> None:
    rows.to_parquet(tmp_path / "yours.parquet")
    (tmp_path / "there").mkdir()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(SystemExit, match=line):
        run(LITE, tmp_path / "yours.parquet", "--out", tmp_path / out)
    assert sorted(tmp_path.rglob("*")) == before


def test_what_is_calibrated_is_left_as_it_is(tmp_path: Path) -> None:
    yours(600).to_parquet(tmp_path / "yours.parquet")
    run(LITE, tmp_path / "yours.parquet", "--out", tmp_path / "once")
    with pytest.raises(SystemExit, match="once is as well calibrated for these texts as it can be"):
        run(tmp_path / "once", tmp_path / "yours.parquet", "--out", tmp_path / "twice")
    assert not (tmp_path / "twice").exists()


def test_what_was_calibrated_can_be_calibrated_again(tmp_path: Path) -> None:
    yours(600).to_parquet(tmp_path / "yours.parquet")
    invented(600).to_parquet(tmp_path / "theirs.parquet")
    run(LITE, tmp_path / "yours.parquet", "--out", tmp_path / "first")
    run(tmp_path / "first", tmp_path / "theirs.parquet", "--out", tmp_path / "second")
    run(LITE, tmp_path / "theirs.parquet", "--out", tmp_path / "at-once")
    second, at_once = (Model.load(tmp_path / name).score(["the crew was great"]) for name in ("second", "at-once"))
    assert second.logit == pytest.approx(at_once.logit, rel=0.01)


def test_a_folder_that_is_no_model_is_one_clear_line(tmp_path: Path) -> None:
    yours(600).to_parquet(tmp_path / "yours.parquet")
    with pytest.raises(SystemExit, match=r"nowhere/manifest.json"):
        run(tmp_path / "nowhere", tmp_path / "yours.parquet", "--out", tmp_path / "yours")
    shutil.copytree(LITE, tmp_path / "bare")
    (tmp_path / "bare" / "MODEL_CARD.md").unlink()
    with pytest.raises(SystemExit, match="there is no card"):
        run(tmp_path / "bare", tmp_path / "yours.parquet", "--out", tmp_path / "yours")
    assert not (tmp_path / "yours").exists()
