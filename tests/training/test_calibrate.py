import argparse
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sentiment.manifest import Calibration, read_manifest
from sentiment.model import Model
from tests.support.dataframes import invented
from tests.support.paths import ROOT
from training.commands import calibrate
from training.evaluation import metrics
from training.reports.model_card import CARD
from training.scoring.predict import predict

LITE = ROOT / "models" / "lite"


def run(*arguments: str | Path) -> None:
    parser = argparse.ArgumentParser()
    calibrate.add_arguments(parser)
    calibrate.run(parser.parse_args(list(map(str, arguments))))


def different(n: int, seed: int = 0) -> pd.DataFrame:
    """Invented texts, no two with the same letters."""
    rows = invented(n, seed)
    digits = str.maketrans("0123456789", "qxjzvkwfyb")
    return rows.assign(text=[f"{text} {number}".translate(digits) for number, text in enumerate(rows.text)])


def yours(n: int, seed: int = 0) -> pd.DataFrame:
    """Of somebody who complains: two in three texts that others mean well are not meant so."""
    rows = different(n, seed)
    return rows.assign(label=rows.label * (np.random.default_rng(seed).uniform(size=n) < 1 / 3).astype("int8"))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A file of them."""
    yours(600).to_parquet(tmp_path / "yours.parquet")
    return tmp_path / "yours.parquet"


def test_probabilities_hold_for_these_texts(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "all of" / "my models" / "yours"
    run(LITE, data, "--out", out)
    told = capsys.readouterr().out
    was, new = Model.load(LITE), Model.load(out)

    further = yours(600, seed=1)
    scores = [predict(model, further.text.tolist()) for model in (was, new)]
    before, after = (metrics.quality(further.label.to_numpy(), score.probability) for score in scores)
    assert before["ece"] > 0.2 and after["ece"] < 0.1 and after["brier"] < before["brier"] - 0.1
    assert (np.diff(scores[1].logit[np.argsort(scores[0].logit)]) >= -1e-6).all()  # the same graph

    about = new.manifest
    assert about.name == "yours" and about.version != was.manifest.version and about.files == was.manifest.files
    assert about.baseline and about.baseline.probability[9] == 0  # nothing is certain among them
    assert f"serve it: MODEL='{out}' make serve" in told
    assert read_manifest(LITE) == was.manifest and list(out.parent.iterdir()) == [out]


def test_what_it_is_worth_is_told_and_written(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = yours(600)
    alike = rows[:50].assign(text="@somebody " + rows.text[:50])
    pd.concat([rows, rows[:100], alike]).to_parquet(data)
    run(LITE, data, "--out", tmp_path / "yours")
    told = capsys.readouterr().out

    labels, scores = rows.label.to_numpy(), predict(Model.load(LITE), rows.text.tolist())
    before = metrics.evaluate(labels, scores.probability, read_manifest(LITE).thresholds)
    fitted = calibrate.cross_fit(labels, scores.logit)
    after = metrics.quality(labels, fitted.probability) | metrics.decisions(labels, fitted.publish, fitted.hold)
    about = read_manifest(tmp_path / "yours")
    assert about.metrics.keys() == {"validation"} and about.metrics["validation"].n == 600
    assert about.metrics["validation"].values == after

    assert "left out: 100 rows, exact duplicate" in told and "left out: 50 rows, near-duplicate" in told
    assert f"600 texts, {labels.mean():.0%} positive" in told
    for name in ("accuracy", "precision", "hold recall"):
        shown = [f"{values[name.replace(' ', '_')]:.4f}" for values in (before, after)]
        assert [cell.strip() for cell in told.split(f"│ {name} ")[1].split("│")[1:3]] == shown
    decided = (
        f"publish never (too few texts, or too hard ones, to be sure), hold at {about.thresholds.hold:.4f} and below"
    )
    assert f"yours {about.version}: {decided}" in told

    card = (tmp_path / "yours" / CARD).read_text()
    assert (
        card.startswith(f"# yours {about.version}\n\nlite {read_manifest(LITE).version}, calibrated")
        and decided in card
    )
    assert f"600, of which {labels.mean():.0%} are positive" in card
    assert f"| as it was | {before['accuracy']:.4f} | {before['precision']:.4f} |" in card
    assert f"| calibrated | {after['accuracy']:.4f} | {after['precision']:.4f} |" in card
    assert card.endswith(f"---\n\n{(LITE / CARD).read_text()}")


def test_no_text_is_judged_by_what_was_fitted_on_it() -> None:
    """Logits that know nothing: what is fitted on texts is a little better on these, and worse on others."""
    random = np.random.default_rng(0)
    labels = random.integers(2, size=60).astype(np.int8)
    fitted, shown = [], []
    for logit in random.normal(size=(30, 60)):
        probability = metrics.probability(logit, metrics.calibrate(labels, logit))
        fitted.append(metrics.quality(labels, probability)["brier"])
        shown.append(metrics.quality(labels, calibrate.cross_fit(labels, logit).probability)["brier"])
    constant = float(labels.mean() * (1 - labels.mean()))
    assert max(fitted) <= constant + 1e-3 and np.mean(shown) > constant


def test_decisions_are_as_good_as_those_of_honest_probabilities() -> None:
    random = np.random.default_rng(0)
    logit = random.normal(0, 3, 4000)
    honest = metrics.probability(logit, Calibration())
    labels = (random.uniform(size=4000) < honest).astype(np.int8)
    fitted = calibrate.cross_fit(labels, 2 * logit - 1)
    shown = metrics.decisions(labels, fitted.publish, fitted.hold)
    known = metrics.evaluate(labels, honest, metrics.choose_thresholds(labels, honest))
    assert shown == pytest.approx({name: known[name] for name in shown}, abs=0.02)
    assert np.abs(fitted.probability - honest).max() < 0.05


def test_the_labels_of_a_fold_do_not_decide_it() -> None:
    random = np.random.default_rng(0)
    logit = random.normal(0, 3, 1000)
    labels = (random.uniform(size=1000) < metrics.probability(logit, Calibration())).astype(np.int8)

    def changed(where: object) -> tuple[calibrate.CrossFitted, calibrate.CrossFitted]:
        others = labels.copy()
        others[where] = 1 - others[where]
        return calibrate.cross_fit(labels, logit), calibrate.cross_fit(others, logit)

    one, another = changed(0)
    fold = one.probability == another.probability
    assert fold[0] and fold.sum() == 200
    one, another = changed(fold)
    for was, now in zip(one, another, strict=True):
        assert (was[fold] == now[fold]).all() and not (was == now).all()


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        (
            different(600)[lambda rows: (rows.label == 0) | (rows.index < 60)],
            r"\d+ negative and \d\d positive texts; need",
        ),
        (different(150), "needed are 50 of each and 200 in all"),
        (pd.concat([different(150)] * 4), "needed are 50 of each and 200 in all"),
        (different(600).assign(label=lambda rows: 1 - rows.label), "are the labels the right way round?"),
    ],
)
def test_texts_that_will_not_do_are_one_clear_line(rows: pd.DataFrame, line: str, data: Path, tmp_path: Path) -> None:
    rows.to_parquet(data)
    with pytest.raises(SystemExit, match=line):
        run(LITE, data, "--out", tmp_path / "yours")
    assert list(tmp_path.iterdir()) == [data]


@pytest.mark.parametrize(
    ("out", "line"),
    [
        ("Yours!", "--out 'Yours!': must be small letters, digits"),
        ("y" * 42, "must be small letters, digits"),
        (".", "is there already; nothing is overwritten"),
        ("link", "is there already; nothing is overwritten"),
        ("yours.parquet/model", "yours.parquet"),
    ],
)
def test_a_place_that_will_not_do_is_one_clear_line(out: str, line: str, data: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(SystemExit, match=line):
        run(LITE, data, "--out", tmp_path / out)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "yours.parquet"]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_what_is_calibrated_is_left_as_it_is(seed: int, data: Path, tmp_path: Path) -> None:
    run(LITE, data, "--out", tmp_path / "once")
    yours(600, seed).to_parquet(data)
    with pytest.raises(SystemExit, match="these 600 texts do not show that it would be better: its Brier score"):
        run(tmp_path / "once", data, "--out", tmp_path / "twice")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["once", "yours.parquet"]


def test_what_was_calibrated_can_be_calibrated_again(data: Path, tmp_path: Path) -> None:
    different(600).to_parquet(tmp_path / "theirs.parquet")
    run(LITE, data, "--out", tmp_path / "first")
    run(tmp_path / "first", tmp_path / "theirs.parquet", "--out", tmp_path / "first" / "second")
    run(LITE, tmp_path / "theirs.parquet", "--out", tmp_path / "at-once")
    second, at_once = (
        Model.load(tmp_path / name).score(["the crew was great"]) for name in ("first/second", "at-once")
    )
    assert second.logit == pytest.approx(at_once.logit, rel=0.01)


def test_a_folder_that_is_no_model_is_one_clear_line(data: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"nowhere/manifest.json"):
        run(tmp_path / "nowhere", data, "--out", tmp_path / "yours")
    shutil.copytree(LITE, tmp_path / "bare")
    (tmp_path / "bare" / CARD).unlink()
    with pytest.raises(SystemExit, match="there is no card"):
        run(tmp_path / "bare", data, "--out", tmp_path / "yours")
    assert not (tmp_path / "yours").exists()
