import random
from pathlib import Path

import pandas as pd
import pytest

from tests.tweets import invented
from training.prepare import content, load, prepare

ROW = '"{target}","1","Mon Apr 06 22:19:45 PDT 2009","NO_QUERY","somebody","{text}"\n'


def write_csv(path: Path, rows: list[tuple[str, str]], broken: str = "") -> Path:
    path.write_text("".join(ROW.format(target=target, text=text) for target, text in rows) + broken, "latin-1")
    return path


def splits(folder: Path) -> dict[str, pd.DataFrame]:
    return {name: load(name, folder) for name in ("train", "validation", "test")}


def test_the_format_users_download_is_read(tmp_path: Path) -> None:
    labelled = invented(300).itertuples()
    rows = [("4" if row.label else "0", f"{row.text} é {row.Index}x") for row in labelled]
    source = write_csv(tmp_path / "tweets.csv", rows)
    report = prepare(source, tmp_path / "out", 0.2)
    assert report.rows == 300 == sum(report.splits.values()) + sum(report.left_out.values())
    assert "é" in splits(tmp_path / "out")["train"].text[0]


def test_every_row_that_is_left_out_is_counted(tmp_path: Path) -> None:
    rows = [
        ("0", "bad day"),
        ("4", "good day"),
        ("2", "a day"),
        ("0", "bad day"),
        ("4", "  "),
        ("0", "mixed"),
        ("4", "mixed"),
    ]
    report = prepare(write_csv(tmp_path / "tweets.csv", rows, broken='"0","too short"\n'), tmp_path / "out", 0.0)
    assert report.left_out == {
        "target neither 0 nor 4": 1,
        "empty text": 1,
        "not six columns": 1,
        "exact duplicate": 1,
        "the same text with both labels": 2,
    }
    assert report.rows == 8 and report.splits == {"train": 2, "validation": 0, "test": 0}


def test_parquet_is_read_and_its_bad_rows_counted(tmp_path: Path) -> None:
    rows = pd.DataFrame({"text": ["a", None, "c", " "], "label": [0, 1, 7, 1]})
    rows.to_parquet(tmp_path / "tweets.parquet")
    report = prepare(tmp_path / "tweets.parquet", tmp_path / "out", 0.0)
    assert report.left_out == {"label neither 0 nor 1": 1, "empty text": 2} and report.splits["train"] == 1
    rows[["text"]].to_parquet(tmp_path / "tweets.parquet")
    with pytest.raises(SystemExit, match="has no column label"):
        prepare(tmp_path / "tweets.parquet", tmp_path / "out", 0.0)


def test_near_duplicates_stay_on_one_side_and_are_tested_once(tmp_path: Path) -> None:
    texts = [f"{chr(97 + i % 26)}{chr(97 + i // 26)} is late" for i in range(400)]
    variants = ["{}", "@you {}", "{} http://a.b/c", "{}!!!", "{} 12:30"]
    rows = pd.DataFrame({"text": [v.format(t) for t in texts for v in variants], "label": 0})
    rows.to_parquet(tmp_path / "tweets.parquet")
    prepare(tmp_path / "tweets.parquet", tmp_path / "out", 0.2)
    contents = {name: part.text.map(content) for name, part in splits(tmp_path / "out").items()}
    assert set(contents["train"]).isdisjoint(contents["test"]) and set(contents["train"]).isdisjoint(
        contents["validation"]
    )
    assert set(contents["test"]).isdisjoint(contents["validation"])
    assert contents["test"].is_unique and contents["validation"].is_unique
    assert len(contents["train"]) == len(variants) * contents["train"].nunique()
    assert 50 < len(contents["test"]) < 110


def test_the_split_depends_on_the_content_alone(tmp_path: Path) -> None:
    rows = invented(2000).drop_duplicates("text")
    shuffled = rows.sample(frac=1, random_state=random.Random(1).randint(0, 99))
    for name, part in (("one", rows), ("two", shuffled.iloc[: len(rows) // 2])):
        part.to_parquet(tmp_path / f"{name}.parquet")
        prepare(tmp_path / f"{name}.parquet", tmp_path / name, 0.2)
    one, two = splits(tmp_path / "one"), splits(tmp_path / "two")
    for name in one:
        others = {content(text) for other in one if other != name for text in one[other].text}
        assert others.isdisjoint(two[name].text.map(content))


def test_a_quote_that_is_never_closed_costs_one_row(tmp_path: Path) -> None:
    source = write_csv(tmp_path / "tweets.csv", [("0", "one")], broken='"0","1","d","q","u","no end\n')
    source.write_bytes(
        source.read_bytes() + ROW.format(target="4", text="three").encode() + b'"\0"\n' + b'"' + b"x" * 200_000
    )
    report = prepare(source, tmp_path / "out", 0.0)
    assert (report.rows, report.splits["train"], report.left_out) == (5, 2, {"not six columns": 3})


def test_preparing_again_leaves_nothing_of_the_first_time(tmp_path: Path) -> None:
    invented(500).to_parquet(tmp_path / "tweets.parquet")
    prepare(tmp_path / "tweets.parquet", tmp_path / "out", 0.2)
    assert len(load("test", tmp_path / "out"))
    prepare(tmp_path / "tweets.parquet", tmp_path / "out", 0.0)
    assert not len(load("test", tmp_path / "out"))


@pytest.mark.parametrize("holdout", [-0.1, 0.5, 1.0, float("nan")])
def test_a_holdout_that_leaves_nothing_is_refused(tmp_path: Path, holdout: float) -> None:
    with pytest.raises(SystemExit, match="must be at least 0 and less than 0.5"):
        prepare(tmp_path / "tweets.csv", tmp_path / "out", holdout)


def test_nothing_usable_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no usable row"):
        prepare(write_csv(tmp_path / "tweets.csv", [], broken="hello\n"), tmp_path / "out", 0.1)
    with pytest.raises(SystemExit, match="there is no such file"):
        prepare(tmp_path / "nothing.csv", tmp_path / "out", 0.1)
    with pytest.raises(SystemExit, match="run `python -m training prepare"):
        load("train", tmp_path / "nothing")
