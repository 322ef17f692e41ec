"""Files that hold more than they look like: what memory takes of them, and what is refused in one line."""

from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.dataframes import invented
from training.data import chunked_files, readers
from training.data.chunked_files import Csv, Parquet
from training.data.teacher import load_targets


def repeated(text: str, rows: int, kind: pa.DataType) -> pa.Array:
    """Return a column whose one text is stored once."""
    return pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array([text], kind))


def write_repeated(path: Path, text: str, rows: int, kind: pa.DataType) -> pa.Table:
    """Write a file that says it holds plain texts, as writers of other languages do."""
    table = pa.table({"n": pa.array(range(rows)), "text": repeated(text, rows, kind), "label": [0, 1] * (rows // 2)})
    plain = table.schema.set(1, pa.field("text", kind, metadata={"source": "the desk"}))
    pq.write_table(table.cast(plain), path, compression="zstd")
    return table.cast(plain)


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.binary(), pa.large_binary()])
def test_chunk_of_repeated_texts_has_bounded_size(
    kind: pa.DataType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunked_files, "MAX_CHUNK_BYTES", 25_000)
    table = write_repeated(tmp_path / "in.parquet", "x" * 10_000, 100, kind)
    chunks = list(Parquet(tmp_path / "in.parquet").chunks())
    assert {chunk.num_rows for chunk in chunks} == {2}
    assert pa.Table.from_batches(chunks).equals(table, check_metadata=True)


LONG = "x" * 10_000


@pytest.mark.parametrize(
    "column",
    [
        [LONG.encode()] * 100,
        [[LONG]] * 100,
        [[]] * 98 + [[LONG]] * 2,
        [{"a": LONG}] * 100,
        [[{"a": [LONG]}]] * 100,
        [[0] * 2000] * 100,
        [{f"{n}": 0 for n in range(2000)}] * 100,
    ],
    ids=["fixed size", "list", "late lists", "struct", "list of structs", "numbers", "wide"],
)
def test_chunk_of_repeated_values_has_bounded_size(
    column: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunked_files, "MAX_CHUNK_BYTES", 45_000)
    kind = pa.binary(len(LONG)) if isinstance(column[0], bytes) else None
    table = pa.table({"text": ["good day"] * 100, "extra": pa.array(column, kind)})
    pq.write_table(table, tmp_path / "in.parquet", compression="zstd")
    chunks = list(Parquet(tmp_path / "in.parquet").chunks())
    assert max(chunk.nbytes for chunk in chunks if chunk.num_rows > 1) <= 45_000
    assert pa.Table.from_batches(chunks).equals(table)
    texts = list(Parquet(tmp_path / "in.parquet").chunks(["text"]))
    assert [chunk.num_rows for chunk in texts] == [100]  # other columns do not slow this down


def test_chunk_of_repeated_string_views_has_bounded_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunked_files, "MAX_CHUNK_BYTES", 45_000)
    table = pa.table({"text": pa.array([LONG] * 100).cast(pa.string_view())})
    pq.write_table(table, tmp_path / "in.parquet", compression="zstd")
    chunks = list(Parquet(tmp_path / "in.parquet").chunks())
    assert max(chunk.num_rows for chunk in chunks) <= 4 and pa.Table.from_batches(chunks).equals(table)


def test_columns_of_one_name_have_bounded_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunked_files, "MAX_CHUNK_BYTES", 45_000)
    table = pa.table([pa.array([LONG] * 100), pa.array([LONG] * 100)], ["extra", "extra"])
    pq.write_table(table, tmp_path / "in.parquet", compression="zstd")
    chunks = list(Parquet(tmp_path / "in.parquet").chunks())
    assert {chunk.num_rows for chunk in chunks} == {2} and pa.Table.from_batches(chunks).equals(table)


def test_reads_a_file_that_decodes_to_more_than_memory(tmp_path: Path) -> None:
    rows, text = 200_000, "x" * 1_000_000
    table = pa.table({"text": repeated(text, rows, pa.string())})
    pq.write_table(table, tmp_path / "in.parquet", store_schema=False)
    file = Parquet(tmp_path / "in.parquet")
    chunk = next(file.chunks())
    assert (tmp_path / "in.parquet").stat().st_size < 100_000
    assert chunk.schema.field("text").type == pa.string() and 0 < chunk.nbytes <= chunked_files.MAX_CHUNK_BYTES * 1.01


def test_row_that_is_longer_than_a_chunk_is_read_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunked_files, "MAX_CHUNK_BYTES", 1000)
    texts = ["short", "x" * 5000, None, "y" * 5000, *["short"] * 300]
    pd.DataFrame({"text": texts}).to_parquet(tmp_path / "in.parquet")
    pd.DataFrame({"text": texts}).to_csv(tmp_path / "in.csv", index=False)
    parquet, csv = Parquet(tmp_path / "in.parquet"), Csv(tmp_path / "in.csv")
    found = [parquet.values(chunk, "text") for chunk in parquet.chunks()]
    assert [text for chunk in found for text in chunk] == texts and max(map(size, found)) == 5000
    found = [csv.values(chunk, "text") for chunk in csv.chunks()]
    assert max(map(size, found)) <= 1000 + 5000 and len(found) > 3
    assert [text for chunk in found for text in chunk] == [text or "" for text in texts]


def size(texts: Sequence[str | None]) -> int:
    return sum(len(text or "") for text in texts)


def test_refuses_texts_that_do_not_fit_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_repeated(tmp_path / "in.parquet", "x" * 10_000, 100, pa.string())
    monkeypatch.setattr(readers.psutil, "virtual_memory", lambda: SimpleNamespace(available=4_000_000))
    with pytest.raises(
        SystemExit, match=r"in\.parquet: its texts need more than 0\.0 GB, 25% of the memory that is free"
    ):
        readers.read_labelled(tmp_path / "in.parquet")
    monkeypatch.setattr(readers.psutil, "virtual_memory", lambda: SimpleNamespace(available=5_000_000))
    assert len(readers.read_labelled(tmp_path / "in.parquet")[0]) == 100


def test_memory_that_is_not_there_is_an_error_of_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    invented(4).to_parquet(tmp_path / "in.parquet")
    monkeypatch.setattr(chunked_files, "_cut", fail)
    with pytest.raises(SystemExit, match=r"in\.parquet: cannot be read as parquet: MemoryError"):
        readers.read_labelled(tmp_path / "in.parquet")


def test_line_without_end_is_refused_before_it_is_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunked_files, "MAX_LINE_CHARACTERS", 1000)
    path = tmp_path / "in.csv"
    path.write_text("text,label\ngood,1\n" + "x" * 3000 + ",1\n")
    with pytest.raises(SystemExit, match=r"in\.csv: line 3 has more than 1,000 characters"):
        readers.read_labelled(path)
    with path.open("wb") as file:  # of zeros, which take no space on the disk
        file.truncate(2**40)
    with pytest.raises(SystemExit, match=r"in\.csv: "):
        Csv(path)


def test_line_without_end_costs_one_row_of_sentiment140(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunked_files, "MAX_LINE_CHARACTERS", 1000)
    good = '"0","1","day","NO_QUERY","me","bad"\n"4","1","day","NO_QUERY","me","good"\n'
    for end in ("\n", ""):
        (tmp_path / "in.csv").write_text(
            good + '"0","1","day","NO_QUERY","me","' + "x" * 5000 + f'"{end}' + good * bool(end)
        )
        rows, skipped = readers.read_labelled(tmp_path / "in.csv")
        assert rows.text.tolist() == ["bad", "good"] * (2 if end else 1) and skipped == {"not six columns": 1}


@pytest.mark.parametrize(("name", "step"), [("in.parquet", 7), ("in.csv", 1)])
def test_no_damage_ends_in_a_traceback(name: str, step: int, tmp_path: Path) -> None:
    """Bytes of a file are changed, one at a time: it is read, or refused in one line that names the file."""
    path, rows = tmp_path / name, invented(4).assign(probability=0.5)
    rows.to_parquet(path) if name.endswith("parquet") else rows.to_csv(path, index=False)
    content, refusals = path.read_bytes(), []
    for i in range(0, len(content), step):
        path.write_bytes(content[:i] + bytes([content[i] ^ 0xFF]) + content[i + 1 :])
        refusals += refusal(readers.read_labelled, path) + refusal(lambda path: load_targets(rows, path), path)
    assert len(refusals) > len(content) / step / 4
    assert all(line.startswith(f"{path}: ") and "\n" not in line for line in refusals)


def refusal(read: Callable[[Path], object], path: Path) -> list[str]:
    try:
        read(path)
    except SystemExit as error:
        return [str(error.code)]
    return []
