"""`score`: what is written beside the texts of a file, and which files are refused."""

import argparse
import csv
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sentiment.model import Model, Scores
from sentiment.verdict import verdict
from tests.support.dataframes import invented
from tests.support.paths import ROOT
from tests.support.tweets import hostile
from training.commands import score as command
from training.data import chunked_files
from training.scoring import score_file

LITE = ROOT / "models" / "lite"
MODEL = Model.load(LITE)


def run(*arguments: str | Path) -> None:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    command.run(parser.parse_args(["--model", str(LITE), *map(str, arguments)]))


def tweets(n: int) -> pd.DataFrame:
    """Return n invented rows with distinct texts and columns on both sides of the text."""
    rows = invented(n)
    rows.text = [f"{text} {n:x}" for n, text in enumerate(rows.text)]
    rows.insert(0, "id", range(n))
    return rows.assign(note=[None if i % 3 else f'{i}, "quoted"\nand broken' for i in range(n)])


def write_csv(path: Path, rows: Iterable[Sequence[object]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make chunks and batches so small that they end in the middle of a file, and of each other."""
    monkeypatch.setattr(chunked_files, "ROWS_PER_CHUNK", 300)
    monkeypatch.setattr(score_file, "BATCH_SIZE", 64)


def test_adds_three_columns_to_parquet_and_keeps_the_rest(tmp_path: Path, small_chunks: None) -> None:
    rows = tweets(700)
    rows.to_parquet(tmp_path / "in.parquet", row_group_size=250)
    run(tmp_path / "in.parquet", tmp_path / "new" / "out.parquet")
    found = pd.read_parquet(tmp_path / "new" / "out.parquet")
    pd.testing.assert_frame_equal(found[rows.columns], rows)
    assert found.columns.tolist() == [*rows.columns, "probability", "predicted", "decision"]
    expected = MODEL.score(rows.text.tolist())
    assert found.probability.to_numpy() == pytest.approx(expected.probability, abs=1e-6)
    assert set(found.decision) == {"publish", "review", "hold"}
    thresholds = MODEL.manifest.thresholds
    for p, unknown, row in zip(found.probability, expected.unknown_share, found.itertuples(), strict=True):
        assert (row.predicted, row.decision) == verdict(row.text, p, unknown, thresholds)[:2]


def test_keeps_types_and_metadata_of_other_columns(tmp_path: Path) -> None:
    schema = pa.schema(
        [
            pa.field("text", pa.dictionary(pa.int8(), pa.string())),
            pa.field("when", pa.timestamp("ns", "Europe/Paris"), metadata={"source": "the desk"}),
            pa.field("tags", pa.list_(pa.string())),
            pa.field("until", pa.timestamp("ns", "Nowhere/Else")),
        ],
        metadata={"owner": "communications"},
    )
    rows = [
        {"text": "lovely", "when": 1, "tags": ["a", None], "until": 1},
        {"text": "awful", "when": None, "tags": None, "until": None},
    ]
    pq.write_table(pa.Table.from_pylist(rows, schema), tmp_path / "in.parquet")
    run(tmp_path / "in.parquet", tmp_path / "out.parquet")
    before, after = pq.read_table(tmp_path / "in.parquet"), pq.read_table(tmp_path / "out.parquet")
    assert after.select(before.column_names).equals(before, check_metadata=True)


def test_csv_gets_the_same_scores_as_parquet(tmp_path: Path, small_chunks: None) -> None:
    rows = tweets(400).fillna({"note": ""})
    rows.to_parquet(tmp_path / "in.parquet")
    run(tmp_path / "in.parquet", tmp_path / "out.parquet")
    source = write_csv(tmp_path / "in.csv", [rows.columns, *rows.itertuples(index=False)])
    run(source, tmp_path / "out.csv")
    expected = pd.read_parquet(tmp_path / "out.parquet")
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        header, *found = csv.reader(file)
    assert header == expected.columns.tolist()
    assert found == [[str(value) for value in row] for row in expected.itertuples(index=False)]  # to the last digit


def test_csv_round_trip_preserves_any_text(tmp_path: Path) -> None:
    texts = [text for text in hostile(200) if text.strip()]
    source = write_csv(tmp_path / "in.csv", [["text"], *([text] for text in texts)])
    source.write_bytes(
        b"\xef\xbb\xbf" + source.read_bytes() + b"\r\n\r\n"
    )  # spreadsheets add a byte order mark and blank lines
    run(source, tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        assert [row[0] for row in csv.reader(file)] == ["text", *texts]


def test_uses_the_champion_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    invented(5).to_parquet(tmp_path / "in.parquet")
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    arguments = parser.parse_args([str(tmp_path / "in.parquet"), str(tmp_path / "out.parquet")])
    monkeypatch.chdir(ROOT)
    command.run(arguments)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=r"models/registry.json"):
        command.run(arguments)


def test_accepts_a_file_without_rows(tmp_path: Path) -> None:
    run(write_csv(tmp_path / "in.csv", [["text"]]), tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() == "text,probability,predicted,decision\n"
    invented(1)[:0].to_parquet(tmp_path / "in.parquet")
    run(tmp_path / "in.parquet", tmp_path / "out.parquet")
    assert len(pd.read_parquet(tmp_path / "out.parquet")) == 0


@pytest.mark.parametrize(
    ("columns", "line"),
    [
        ({"text": ["a", "b", None]}, "row 3: text is missing"),
        ({"text": ["a", " \n"]}, "row 2: text is empty"),
        ({"text": [b"a"]}, "the column text has the type binary: store strings in it"),
        ({"tweet": ["a"], "n": [1]}, "must have one column text; it has tweet, n"),
        ({"text": ["a"], "probability": [0.5], "decision": ["hold"]}, "already has a column probability, decision"),
    ],
)
def test_reports_invalid_parquet_in_one_line(tmp_path: Path, columns: dict[str, list[object]], line: str) -> None:
    pq.write_table(pa.table(columns), tmp_path / "in.parquet")
    with pytest.raises(SystemExit, match=f"in.parquet: {line}"):
        run(tmp_path / "in.parquet", tmp_path / "out.parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["in.parquet"]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"text,n\na,1\n\n,2\n", "row 2: text is empty"),
        (b"text,n\na,1\nb\n", "row 2 has 1 columns, the header 2"),
        (b"text,text\na,b\n", "must have one column text; it has text, text"),
        (b"", "must have one column text; it has none at all"),
        (b"text\n\xe9t\xe9\n", "after row 0: 'utf-8' codec"),
        (b'text\na\n"never closed\n', "after row 1: unexpected end of data"),
    ],
)
def test_reports_invalid_csv_in_one_line(tmp_path: Path, content: bytes, line: str) -> None:
    (tmp_path / "in.csv").write_bytes(content)
    with pytest.raises(SystemExit, match=f"in.csv: {line}"):
        run(tmp_path / "in.csv", tmp_path / "out.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


@pytest.mark.parametrize(
    ("source", "out", "line"),
    [
        ("no.csv", "out.csv", "no.csv: there is no such file"),
        ("tweets.json", "out.json", "must be one of .parquet, .csv"),
        ("tweets.csv", "out.parquet", "out.parquet: must be a file of the same type, .csv"),
        ("broken.parquet", "out.parquet", "broken.parquet: .*Parquet"),
    ],
)
def test_reports_wrong_paths_in_one_line(tmp_path: Path, source: str, out: str, line: str) -> None:
    (tmp_path / "tweets.csv").write_text("text\nlovely\n")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(SystemExit, match=line):
        run(tmp_path / source, tmp_path / out)
    with pytest.raises(SystemExit, match="nowhere/manifest.json"):
        run(tmp_path / source, tmp_path / out, "--model", "nowhere")


def test_leaves_output_unchanged_on_failure(tmp_path: Path, small_chunks: None) -> None:
    def failing_engine(batches: Iterable[Sequence[str]]) -> Iterator[Scores]:
        for texts in batches:
            assert "12c" not in texts[0], "engine failed"  # row 300: the second chunk
            yield MODEL.score(texts)

    tweets(700).to_parquet(tmp_path / "in.parquet")
    out = tmp_path / "out.parquet"
    for before in (None, b"what was there"):
        if before:
            out.write_bytes(before)
        with pytest.raises(AssertionError, match="engine failed"):
            score_file.score_file(tmp_path / "in.parquet", out, nullcontext(failing_engine), MODEL.manifest.thresholds)
        assert out.read_bytes() == before if before else not out.exists()
        assert not list(tmp_path.glob("*.part"))


def test_spark_writes_the_same_bytes_and_prints_no_log(
    tmp_path: Path, small_chunks: None, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SPARK_LAUNCHER_OPTS", "SPARK_SUBMIT_OPTS"):  # Java optimizes no code that runs for seconds only
        monkeypatch.setenv(name, "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
    tweets(700).to_parquet(tmp_path / "in.parquet")
    run(tmp_path / "in.parquet", tmp_path / "local.parquet")
    capfd.readouterr()
    run(tmp_path / "in.parquet", tmp_path / "spark.parquet", "--engine", "spark", "--master", "local[2]")
    printed = capfd.readouterr()
    assert (tmp_path / "spark.parquet").read_bytes() == (tmp_path / "local.parquet").read_bytes()
    assert "700 rows" in printed.err and not {"WARN", "Spark", "INFO"} & set(printed.err.split())
    assert not printed.out
