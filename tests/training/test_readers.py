from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.dataframes import invented
from training.data import readers


def test_reads_same_rows_from_every_format(tmp_path: Path) -> None:
    rows = invented(50)
    words = rows.assign(label=rows.label.map({0: "negative", 1: "positive"}))
    rows.to_parquet(tmp_path / "numbers.parquet")
    words.to_parquet(tmp_path / "words.parquet")
    rows.assign(id=7).to_csv(tmp_path / "numbers.csv", index=False)
    words[["label", "text"]].to_csv(tmp_path / "words.csv", index=False)
    old = [f'"{4 * row.label}","1","a day","NO_QUERY","somebody","{row.text}"\n' for row in rows.itertuples()]
    (tmp_path / "old.csv").write_text("".join(old))
    for name in ("numbers.parquet", "words.parquet", "numbers.csv", "words.csv", "old.csv"):
        found, skipped = readers.read_labelled(tmp_path / name)
        assert found.text.tolist() == rows.text.tolist() and found.label.tolist() == rows.label.tolist()
        assert found.label.dtype == "int8" and not skipped


def test_counts_skipped_rows_by_reason(tmp_path: Path) -> None:
    rows = pd.DataFrame({"text": ["a", "b", " ", None], "label": ["negative", "neutral", "positive", None]})
    rows.to_parquet(tmp_path / "tweets.parquet")
    found, skipped = readers.read_labelled(tmp_path / "tweets.parquet")
    assert found.text.tolist() == ["a"]
    assert skipped == {"neutral: the model has two classes": 1, "empty text": 2}


@pytest.mark.parametrize("texts", [[None, None], [" ", None], pd.Categorical([None, " "])])
def test_rejects_file_whose_texts_are_all_invalid(tmp_path: Path, texts: object) -> None:
    pd.DataFrame({"text": texts, "label": [0, 1]}).to_parquet(tmp_path / "tweets.parquet")
    with pytest.raises(SystemExit, match="no usable row among 2 .*'empty text': 2"):
        readers.read_labelled(tmp_path / "tweets.parquet")


STRINGS, NUMBERS = pa.array(["good day", "bad day"]), pa.array([1, 0])
TIMES = NUMBERS.cast(pa.timestamp("us", "Nowhere/Else"))


@pytest.mark.parametrize(
    ("text", "label", "line"),
    [
        (NUMBERS, NUMBERS, "text has the type int64: store strings in it"),
        (TIMES, NUMBERS, r"text has the type timestamp\[us, tz=Nowhere/Else\]: store strings in it"),
        (STRINGS.cast(pa.binary()), NUMBERS, "text has the type binary: store strings in it"),
        (pa.array([b"ab", b"cd"], pa.binary(2)), NUMBERS, r"text has the type fixed_size_binary\[2\]: store strings"),
        (pa.array([["a"], ["b"]]), NUMBERS, "text has the type list<element: string>: store strings in it"),
        (pa.array([{"a": "b"}] * 2), NUMBERS, "text has the type struct<a: string>: store strings in it"),
        (STRINGS, TIMES, r"label has the type timestamp\[us, tz=Nowhere/Else\]: store numbers or strings in it"),
        (STRINGS, NUMBERS.cast(pa.duration("s")), r"label has the type duration\[s\]: store numbers or strings in it"),
        (STRINGS, pa.array([[1], [0]]), "label has the type list<element: int64>: store numbers or strings in it"),
        (STRINGS, pa.array([{"a\nb": 1}] * 2), "label has the type struct<a b: int64>: store numbers or strings in it"),
    ],
)
def test_refuses_a_column_by_its_type(text: pa.Array, label: pa.Array, line: str, tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": text, "label": label}), tmp_path / "tweets.parquet")
    with pytest.raises(SystemExit, match=rf"tweets\.parquet: the column {line}") as raised:
        readers.read_labelled(tmp_path / "tweets.parquet")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())]
)
def test_reads_strings_of_every_type(kind: pa.DataType, tmp_path: Path) -> None:
    labels = pa.array(["positive", "negative"])
    pq.write_table(pa.table({"text": STRINGS.cast(kind), "label": labels.cast(kind)}), tmp_path / "tweets.parquet")
    rows, skipped = readers.read_labelled(tmp_path / "tweets.parquet")
    assert rows.text.tolist() == STRINGS.to_pylist() and rows.label.tolist() == [1, 0] and not skipped


@pytest.mark.parametrize("labels", [[0.0, 1.0], [False, True]])
@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_reads_labels_that_are_floats_or_booleans(tmp_path: Path, labels: list[object], ending: str) -> None:
    rows = pd.DataFrame({"text": pd.Categorical(["bad day", "good day"]), "label": labels})
    path = tmp_path / f"tweets.{ending}"
    rows.to_parquet(path) if ending == "parquet" else rows.to_csv(path, index=False)
    assert readers.read_labelled(path)[0].label.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("no.csv", None, "there is no such file"),
        ("empty.csv", b"", "is empty"),
        ("empty.parquet", b"", "is empty"),
        ("broken.parquet", b"PAR1 no more", "cannot be read as parquet: "),
        (
            "words.csv",
            b"some words\n",
            r"no usable row among 1 \({'not six columns': 1}\); expected columns text and ",
        ),
        ("noise.csv", b"\x00\xff\x00", r"no usable row among 1 \({'not six columns': 1}\)"),
        ("neutral.csv", b"text,label\na,neutral\n", "every text is neutral; the model has two classes"),
        ("latin.csv", b"text,label\n\xe9t\xe9,1\n", "'utf-8' codec"),
        ("twice.csv", b"text,label,text\na,1,b\n", "must have one column text and one label; it has text, label, text"),
    ],
)
def test_rejects_wrong_file_with_one_line(tmp_path: Path, name: str, content: bytes | None, line: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(SystemExit, match=f"{name}: .*{line}") as raised:
        readers.read_labelled(tmp_path / name)
    assert "\n" not in str(raised.value)


def test_rejects_parquet_without_exactly_one_text_and_one_label_column(tmp_path: Path) -> None:
    invented(3)[["text"]].to_parquet(tmp_path / "unlabelled.parquet")
    with pytest.raises(SystemExit, match="must have one column text and one label; it has text"):
        readers.read_labelled(tmp_path / "unlabelled.parquet")
    pq.write_table(pa.table([["a"], ["b"], [1]], ["text", "text", "label"]), tmp_path / "twice.parquet")
    with pytest.raises(SystemExit, match="must have one column text and one label; it has text, text, label"):
        readers.read_labelled(tmp_path / "twice.parquet")
