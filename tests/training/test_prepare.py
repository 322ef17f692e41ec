import argparse
import random
import urllib.request
from pathlib import Path
from urllib.error import URLError

import mlflow
import msgspec
import pandas as pd
import pytest

from tests.support.dataframes import invented
from training.commands.prepare import add_arguments, run
from training.data import preparation, profile
from training.data.cleaning import content
from training.data.dataset import load
from training.data.preparation import Options, prepare

ROW = '"{target}","1","Mon Apr 06 22:19:45 PDT 2009","NO_QUERY","somebody","{text}"\n'


def write_csv(path: Path, rows: list[tuple[str, str]], broken: str = "") -> Path:
    path.write_text("".join(ROW.format(target=target, text=text) for target, text in rows) + broken, "latin-1")
    return path


def load_splits(folder: Path) -> dict[str, pd.DataFrame]:
    return {name: load(name, folder) for name in ("train", "validation", "test")}


def test_reads_sentiment140_format(tmp_path: Path) -> None:
    labelled = invented(300).itertuples()
    rows = [("4" if row.label else "0", f"{row.text} é {row.Index}x") for row in labelled]
    source = write_csv(tmp_path / "tweets.csv", rows)
    report = prepare(source, tmp_path / "out", Options(0.2))
    assert report.rows == 300 == sum(report.splits.values()) + sum(report.skipped.values())
    assert "é" in load_splits(tmp_path / "out")["train"].text[0]


def test_counts_every_skipped_row_by_reason(tmp_path: Path) -> None:
    rows = [
        ("0", "bad day"),
        ("4", "good day"),
        ("0", "bad day"),
        ("4", "  "),
        ("0", "mixed"),
        ("4", "mixed"),
    ]
    report = prepare(
        write_csv(tmp_path / "tweets.csv", rows, broken='"0","too short"\n'), tmp_path / "out", Options(0.0)
    )
    assert report.skipped == {
        "empty text": 1,
        "not six columns": 1,
        "exact duplicate": 1,
        "the same text with both labels": 2,
    }
    assert report.rows == 7 and report.splits == {"train": 2, "validation": 0, "test": 0}


def test_reads_parquet_and_csv_alike(tmp_path: Path) -> None:
    rows = pd.DataFrame({"text": ["a", None, "c", " ", "f"], "label": [0, 1, 1, 1, 1]})
    rows.to_parquet(tmp_path / "tweets.parquet")
    rows.to_csv(tmp_path / "tweets.csv", index=False)
    for name in ("tweets.parquet", "tweets.csv"):
        report = prepare(tmp_path / name, tmp_path / "out", Options(0.0))
        assert report.skipped == {"empty text": 2}
        assert report.splits["train"] == 3 and report.about == f"Data: {name}."


def test_near_duplicates_stay_in_one_split_and_are_held_out_once(tmp_path: Path) -> None:
    texts = [f"{chr(97 + i % 26)}{chr(97 + i // 26)} is late" for i in range(400)]
    variants = ["{}", "@you {}", "{} http://a.b/c", "{}!!!", "{} 12:30"]
    labels = [n % 2 for n in range(len(texts)) for _ in variants]
    rows = pd.DataFrame({"text": [v.format(t) for t in texts for v in variants], "label": labels})
    rows.to_parquet(tmp_path / "tweets.parquet")
    report = prepare(tmp_path / "tweets.parquet", tmp_path / "out", Options(0.2))
    contents = {name: part.text.map(content) for name, part in load_splits(tmp_path / "out").items()}
    assert set(contents["train"]).isdisjoint(contents["test"]) and set(contents["train"]).isdisjoint(
        contents["validation"]
    )
    assert set(contents["test"]).isdisjoint(contents["validation"])
    assert contents["test"].is_unique and contents["validation"].is_unique
    assert len(contents["train"]) == len(variants) * contents["train"].nunique()
    assert 50 < len(contents["test"]) < 110
    shared = contents["train"].nunique()
    assert report.profile.near_duplicates == profile.NearDuplicates(shared * len(variants), shared, 0)


def test_split_depends_on_content_alone(tmp_path: Path) -> None:
    rows = invented(2000).drop_duplicates("text")
    shuffled = rows.sample(frac=1, random_state=random.Random(1).randint(0, 99))
    for name, part in (("one", rows), ("two", shuffled.iloc[: len(rows) // 2])):
        part.to_parquet(tmp_path / f"{name}.parquet")
        prepare(tmp_path / f"{name}.parquet", tmp_path / name, Options(0.2))
    one, two = load_splits(tmp_path / "one"), load_splits(tmp_path / "two")
    for name in one:
        others = {content(text) for other in one if other != name for text in one[other].text}
        assert others.isdisjoint(two[name].text.map(content))


def test_unclosed_quote_costs_one_row(tmp_path: Path) -> None:
    source = write_csv(tmp_path / "tweets.csv", [("0", "one")], broken='"0","1","d","q","u","no end\n')
    source.write_bytes(
        source.read_bytes() + ROW.format(target="4", text="three").encode() + b'"\0"\n' + b'"' + b"x" * 200_000
    )
    report = prepare(source, tmp_path / "out", Options(0.0))
    assert (report.rows, report.splits["train"], report.skipped) == (5, 2, {"not six columns": 3})


def test_preparing_again_overwrites_every_split(tmp_path: Path) -> None:
    invented(500).to_parquet(tmp_path / "tweets.parquet")
    prepare(tmp_path / "tweets.parquet", tmp_path / "out", Options(0.2))
    assert len(load("test", tmp_path / "out"))
    prepare(tmp_path / "tweets.parquet", tmp_path / "out", Options(0.0))
    assert not len(load("test", tmp_path / "out"))


@pytest.mark.parametrize("holdout", [-0.1, 0.5, 1.0, float("nan")])
def test_rejects_holdout_that_leaves_nothing_to_train_on(tmp_path: Path, holdout: float) -> None:
    with pytest.raises(SystemExit, match="must be at least 0 and less than 0.5"):
        prepare(tmp_path / "tweets.csv", tmp_path / "out", Options(holdout))


def stratum_sizes(parts: dict[str, pd.DataFrame]) -> dict[tuple[str, int], int]:
    return {(name, label): int((part.label == label).sum()) for name, part in parts.items() for label in (0, 1)}


def test_sample_keeps_proportions_and_counts_the_rest_as_skipped(tmp_path: Path) -> None:
    invented(3000).to_parquet(tmp_path / "tweets.parquet")
    whole = prepare(tmp_path / "tweets.parquet", tmp_path / "whole", Options(0.2))
    part = prepare(tmp_path / "tweets.parquet", tmp_path / "part", Options(0.2, sample=100))
    assert sum(part.splits.values()) == 100
    assert part.rows == 3000 == 100 + sum(part.skipped.values())
    assert part.skipped["not in the sample"] == sum(whole.splits.values()) - 100
    all_of, some_of = load_splits(tmp_path / "whole"), load_splits(tmp_path / "part")
    share = 100 / sum(whole.splits.values())
    for stratum, number in stratum_sizes(all_of).items():
        assert abs(stratum_sizes(some_of)[stratum] - number * share) < 1
    for name in some_of:
        assert set(some_of[name].text) <= set(all_of[name].text)


def test_sample_depends_on_texts_and_seed_alone(tmp_path: Path) -> None:
    rows = invented(3000).drop_duplicates("text")
    for name, ordered in (("one", rows), ("two", rows[::-1])):
        ordered.to_parquet(tmp_path / f"{name}.parquet")
    for folder, source, seed in (("a", "one", 1), ("b", "two", 1), ("c", "one", 2)):
        prepare(tmp_path / f"{source}.parquet", tmp_path / folder, Options(0.2, 200, seed))
    texts = {folder: set(load_splits(tmp_path / folder)["train"].text) for folder in "abc"}
    assert texts["a"] == texts["b"] != texts["c"]


@pytest.mark.parametrize(
    ("sample", "line"),
    [
        (0, r"--sample 0: must be at least 1 and at most \d+, "),
        (-1, "--sample -1: must be at least 1"),
        (401, r"--sample 401: must be at least 1 and at most \d+, "),
        (3, "needs both: give a larger --sample or a larger --holdout"),
    ],
)
def test_rejects_sample_of_impossible_size(tmp_path: Path, sample: int, line: str) -> None:
    invented(4000).drop_duplicates("text")[:400].to_parquet(tmp_path / "tweets.parquet")
    with pytest.raises(SystemExit, match=line):
        prepare(tmp_path / "tweets.parquet", tmp_path / "out", Options(0.1, sample))
    assert not (tmp_path / "out").exists()


def test_rejects_file_with_one_class(tmp_path: Path) -> None:
    source = write_csv(tmp_path / "tweets.csv", [("4", "good day"), ("4", "fine day")])
    with pytest.raises(SystemExit, match="every text is positive; a model needs both classes"):
        prepare(source, tmp_path / "out", Options(0.1))


def test_rejects_split_without_both_classes(tmp_path: Path) -> None:
    source = write_csv(tmp_path / "tweets.csv", [("0", "bad day"), ("4", "good day"), ("4", "fine day")])
    with pytest.raises(SystemExit, match="negative and . positive texts, but needs both: give more rows"):
        prepare(source, tmp_path / "out", Options(0.1))
    mixed = write_csv(tmp_path / "mixed.csv", [("0", "a day"), ("4", "a day")])
    with pytest.raises(SystemExit, match="train would have 0 negative and 0 positive"):
        prepare(mixed, tmp_path / "out", Options(0.0))


def test_reports_failed_download_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr(urllib.request, "urlopen", unreachable)
    with pytest.raises(SystemExit, match="https://.*: .*no route to host"):
        run(arguments("--download", "--out", str(tmp_path)))


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(words)


def test_writes_nothing_if_the_profile_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(rows: pd.DataFrame) -> None:
        raise MemoryError

    invented(300).to_parquet(tmp_path / "tweets.parquet")
    monkeypatch.setattr(preparation, "profile_texts", fail)
    with pytest.raises(MemoryError):
        prepare(tmp_path / "tweets.parquet", tmp_path / "out", Options(holdout=0.1))
    assert not list(tmp_path.glob("out/*"))


def test_report_json_has_the_profile_under_survey(tmp_path: Path) -> None:
    invented(1000).to_parquet(tmp_path / "tweets.parquet")
    report = prepare(tmp_path / "tweets.parquet", tmp_path / "out", Options(0.2))
    written = msgspec.json.decode((tmp_path / "out" / "report.json").read_bytes())
    assert written == msgspec.to_builtins(report)
    assert written["left_out"] == report.skipped
    assert 2 < written["survey"]["tokens"]["negative"]["median"] < 15
    assert next(iter(written["survey"]["languages"])) == "en"
    assert all((tmp_path / "out" / f"{name}.png").stat().st_size for name in profile.PLOTS)


@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SADeprecationWarning")  # MLflow's own
def test_logs_report_plots_and_data_set_digests_to_mlflow(
    tmp_path: Path, runs: mlflow.MlflowClient, capsys: pytest.CaptureFixture[str]
) -> None:
    invented(1000).to_parquet(tmp_path / "tweets.parquet")
    run(arguments(str(tmp_path / "tweets.parquet"), "--out", str(tmp_path / "out"), "--holdout", "0.2"))
    kept = mlflow.last_active_run()
    assert kept is not None and (kept.info.run_name, kept.info.status) == ("prepare", "FINISHED")
    assert kept.data.params["holdout"] == "0.2" and kept.data.metrics["rows"] == 1000
    assert {source.dataset.name for source in kept.inputs.dataset_inputs} == {"train", "validation", "test"}
    assert {file.path for file in runs.list_artifacts(kept.info.run_id)} == {"report.json", "sources.json", "plots"}
    assert len(runs.list_artifacts(kept.info.run_id, "plots")) == len(profile.PLOTS)


def test_rejects_unusable_file_with_one_line(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no usable row"):
        prepare(write_csv(tmp_path / "tweets.csv", [], broken="hello\n"), tmp_path / "out", Options(0.1))
    with pytest.raises(SystemExit, match="there is no such file"):
        prepare(tmp_path / "nothing.csv", tmp_path / "out", Options(0.1))
    with pytest.raises(SystemExit, match="run `python -m training prepare"):
        load("train", tmp_path / "nothing")
