import argparse
import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from sentiment.manifest import read_manifest
from sentiment.model import Model
from tests.support.dataframes import invented
from tests.support.paths import ROOT
from training.commands import calibrate
from training.evaluation import calibration, metrics
from training.registry import recalibration
from training.reports.model_card import CARD
from training.scoring.predict import predict

LITE = ROOT / "models" / "lite"


def run(*arguments: str | Path) -> None:
    parser = argparse.ArgumentParser()
    calibrate.add_arguments(parser)
    calibrate.run(parser.parse_args(list(map(str, arguments))))


def distinct(n: int, seed: int = 0) -> pd.DataFrame:
    """Return invented texts, no two of which have the same content."""
    rows = invented(n, seed)
    digits = str.maketrans("0123456789", "qxjzvkwfyb")
    return rows.assign(text=[f"{text} {number}".translate(digits) for number, text in enumerate(rows.text)])


def mostly_negative(n: int, seed: int = 0) -> pd.DataFrame:
    """Return distinct texts with two in three of the positive labels turned to negative."""
    rows = distinct(n, seed)
    return rows.assign(label=rows.label * (np.random.default_rng(seed).uniform(size=n) < 1 / 3).astype("int8"))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A file of 600 mostly negative texts."""
    mostly_negative(600).to_parquet(tmp_path / "yours.parquet")
    return tmp_path / "yours.parquet"


def test_calibrated_model_is_better_on_further_texts(data: Path, tmp_path: Path) -> None:
    run(LITE, data, "--out", tmp_path / "yours")
    further = mostly_negative(600, seed=1)
    texts, labels = further.text.tolist(), further.label.to_numpy()
    scores = [predict(Model.load(folder), texts) for folder in (LITE, tmp_path / "yours")]
    before, after = (metrics.compute_metrics(metrics.predictions(labels, each.probability)) for each in scores)
    assert before["ece"] > 0.2 and after["ece"] < 0.1 and after["brier"] < before["brier"] - 0.1
    assert (np.diff(scores[1].logit[np.argsort(scores[0].logit)]) >= -1e-6).all()  # the same graph


def test_calibrated_model_has_its_own_name_version_and_baseline(data: Path, tmp_path: Path) -> None:
    source = read_manifest(LITE)
    run(LITE, data, "--out", tmp_path / "yours")
    manifest = Model.load(tmp_path / "yours").manifest
    assert manifest.name == "yours" and manifest.version != source.version and manifest.files == source.files
    assert manifest.baseline and manifest.baseline.probability[9] == 0  # no text is certain to be positive
    assert read_manifest(LITE) == source


def test_makes_parent_folders_and_leaves_nothing_else_there(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "all of" / "my models" / "yours"
    run(LITE, data, "--out", out)
    assert f"serve it: MODEL='{out}' make serve" in capsys.readouterr().out
    assert list(out.parent.iterdir()) == [out]


class Calibrated(NamedTuple):
    """A calibrated model folder, what the command printed, and the metrics it should report."""

    folder: Path
    printed: str
    positive: str  # the share
    before: dict[str, float]
    after: dict[str, float]

    @property
    def thresholds(self) -> str:
        hold = read_manifest(self.folder).thresholds.hold
        return f"publish never (too few texts, or too hard ones, to be sure), hold at {hold:.4f} and below"


@pytest.fixture
def calibrated(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Calibrated:
    """Calibrated on 600 texts, in a file with 100 duplicates and 50 near-duplicates."""
    rows = mostly_negative(600)
    near_duplicates = rows[:50].assign(text="@somebody " + rows.text[:50])
    pd.concat([rows, rows[:100], near_duplicates]).to_parquet(data)
    run(LITE, data, "--out", tmp_path / "yours")
    labels, scores = rows.label.to_numpy(), predict(Model.load(LITE), rows.text.tolist())
    before = metrics.predictions(labels, scores.probability, read_manifest(LITE).thresholds)
    return Calibrated(
        folder=tmp_path / "yours",
        printed=capsys.readouterr().out,
        positive=f"{labels.mean():.0%}",
        before=metrics.compute_metrics(before),
        after=metrics.compute_metrics(calibration.cross_fit(labels, scores.logit)),
    )


def test_manifest_has_the_cross_fitted_metrics(calibrated: Calibrated) -> None:
    manifest = read_manifest(calibrated.folder)
    assert manifest.metrics.keys() == {"validation"} and manifest.metrics["validation"].n == 600
    assert manifest.metrics["validation"].values == calibrated.after


def test_prints_skipped_duplicates(calibrated: Calibrated) -> None:
    assert "left out: 100 rows, exact duplicate" in calibrated.printed
    assert "left out: 50 rows, near-duplicate" in calibrated.printed


def test_prints_metrics_before_and_after(calibrated: Calibrated) -> None:
    assert f"600 texts, {calibrated.positive} positive" in calibrated.printed
    for name in ("accuracy", "precision", "hold recall"):
        expected = [f"{values[name.replace(' ', '_')]:.4f}" for values in (calibrated.before, calibrated.after)]
        cells = calibrated.printed.split(f"│ {name} ")[1].split("│")[1:3]
        assert [cell.strip() for cell in cells] == expected


def test_prints_thresholds(calibrated: Calibrated) -> None:
    assert f"yours {read_manifest(calibrated.folder).version}: {calibrated.thresholds}" in calibrated.printed


def test_card_has_both_metrics_and_the_card_of_the_source(calibrated: Calibrated) -> None:
    card = (calibrated.folder / CARD).read_text()
    version, source_version = read_manifest(calibrated.folder).version, read_manifest(LITE).version
    before, after = calibrated.before, calibrated.after
    assert card.startswith(f"# yours {version}\n\nlite {source_version}, calibrated")
    assert calibrated.thresholds in card and f"600, of which {calibrated.positive} are positive" in card
    assert f"| as it was | {before['accuracy']:.4f} | {before['precision']:.4f} |" in card
    assert f"| calibrated | {after['accuracy']:.4f} | {after['precision']:.4f} |" in card
    assert card.endswith(f"---\n\n{(LITE / CARD).read_text()}")


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        (
            distinct(600)[lambda rows: (rows.label == 0) | (rows.index < 60)],
            r"\d+ negative and \d\d positive texts; 50 of each",
        ),
        (distinct(150), "50 of each and 200 in all are needed; nothing is written"),
        (pd.concat([distinct(150)] * 4), "50 of each and 200 in all are needed; nothing is written"),
        (
            distinct(600).assign(label=lambda rows: 1 - rows.label),
            r"are the labels the right way round\? .*; nothing is",
        ),
    ],
)
def test_rejects_unsuitable_texts_in_one_line(rows: pd.DataFrame, line: str, data: Path, tmp_path: Path) -> None:
    rows.to_parquet(data)
    with pytest.raises(SystemExit, match=f"^{data}: .*{line}"):
        run(LITE, data, "--out", tmp_path / "new" / "yours")
    assert list(tmp_path.iterdir()) == [data]


def test_scores_nothing_if_the_texts_are_too_few(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    distinct(150).to_parquet(data)
    monkeypatch.setattr(recalibration, "predict", lambda model, texts: pytest.fail("scored the texts"))
    with pytest.raises(SystemExit, match="are needed"):
        run(LITE, data, "--out", tmp_path / "yours")


@pytest.mark.parametrize("kind", ["folder", "not parquet", "corrupt rows"])
def test_rejects_unreadable_texts_in_one_line(kind: str, data: Path, tmp_path: Path) -> None:
    content = data.read_bytes()
    if kind == "folder":
        data.unlink()
        data.mkdir()
    else:  # the footer of the second one is intact
        data.write_bytes(b"PAR1 no more" if kind == "not parquet" else content[:8] + b"?" * 4000 + content[4008:])
    with pytest.raises(SystemExit) as end:
        run(LITE, data, "--out", tmp_path / "yours")
    assert str(end.value).startswith(f"{data}: ") and len(str(end.value).splitlines()) == 1
    assert list(tmp_path.iterdir()) == [data]


def test_reports_an_unsuitable_model_before_unsuitable_texts(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"nowhere/manifest.json"):
        run(tmp_path / "nowhere", tmp_path / "nothing.csv", "--out", tmp_path / "yours")


@pytest.mark.parametrize(
    ("out", "line"),
    [
        ("Yours!", "--out 'Yours!': must be small letters, digits"),
        ("y" * 42, "must be small letters, digits"),
        (".", "already exists; nothing is overwritten"),
        ("link", "already exists; nothing is overwritten"),
        ("yours.parquet/model", "yours.parquet"),
    ],
)
def test_rejects_unsuitable_output_folder_in_one_line(out: str, line: str, data: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(SystemExit, match=line):
        run(LITE, data, "--out", tmp_path / out)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "yours.parquet"]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_rejects_texts_that_the_model_is_calibrated_for(seed: int, data: Path, tmp_path: Path) -> None:
    run(LITE, data, "--out", tmp_path / "once")
    mostly_negative(600, seed).to_parquet(data)
    with pytest.raises(SystemExit, match="these 600 texts do not show that the model would be better: its Brier score"):
        run(tmp_path / "once", data, "--out", tmp_path / "twice")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["once", "yours.parquet"]


def test_calibrating_twice_equals_calibrating_once(data: Path, tmp_path: Path) -> None:
    distinct(600).to_parquet(tmp_path / "theirs.parquet")
    run(LITE, data, "--out", tmp_path / "first")
    run(tmp_path / "first", tmp_path / "theirs.parquet", "--out", tmp_path / "first" / "second")
    run(LITE, tmp_path / "theirs.parquet", "--out", tmp_path / "at-once")
    folders = [tmp_path / "first" / "second", tmp_path / "at-once"]
    twice, once = (Model.load(folder).score(["the crew was great"]) for folder in folders)
    assert twice.logit == pytest.approx(once.logit, rel=0.01)


def test_rejects_folder_without_manifest_or_card_in_one_line(data: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"nowhere/manifest.json"):
        run(tmp_path / "nowhere", data, "--out", tmp_path / "yours")
    shutil.copytree(LITE, tmp_path / "bare")
    (tmp_path / "bare" / CARD).unlink()
    with pytest.raises(SystemExit, match="there is no card"):
        run(tmp_path / "bare", data, "--out", tmp_path / "yours")
    assert not (tmp_path / "yours").exists()
