"""Files of rows, parquet and CSV, read and written a chunk at a time: a file may have any number of rows.

Memory holds one chunk, of MAX_CHUNK_BYTES or of one row that has more. A row that memory cannot hold, or a line
of CSV that is longer than MAX_LINE_CHARACTERS, raises SystemExit. The output has the rows of the input, in order, with
columns added on the right.
"""

import csv
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol, TextIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from .errors import one_line

ROWS_PER_CHUNK = 2**17
MAX_CHUNK_BYTES = 2**26
STRINGS = (pa.string(), pa.large_string(), pa.string_view())
MAX_LINE_CHARACTERS = 2**24  # a file without line ends would otherwise be read as a whole

type AddedColumns = Mapping[str, Sequence[Any]]  # column -> a value for each row of a chunk
type WriteChunk[Chunk] = Callable[[Chunk, AddedColumns], None]


class File[Chunk](Protocol):
    """A file of one format. Raises SystemExit with one line that names the file if it is invalid."""

    columns: list[str]

    def chunks(self, columns: Sequence[str] | None = None) -> Iterator[Chunk]:
        """Yield the rows, ROWS_PER_CHUNK at a time or, if they are long, fewer. Can be called again.

        With `columns`, only their values can be asked for.
        """

    def values(self, chunk: Chunk, column: str) -> list[Any]:
        """Return the values of a column."""

    def writer(self, out: Path, added: pa.Schema) -> AbstractContextManager[WriteChunk[Chunk]]:
        """Open `out` and return a function that writes a chunk with its added columns."""


@contextmanager
def parquet_errors(path: Path) -> Iterator[None]:
    """Raise SystemExit with one line if `path` cannot be read as parquet."""
    try:
        yield
    except (pa.ArrowException, OSError, MemoryError, OverflowError, UnicodeDecodeError) as error:
        raise SystemExit(f"{path}: cannot be read as parquet: {one_line(error)}") from error


class Parquet:
    """A chunk is a pyarrow.RecordBatch; types and metadata of every column are kept.

    A file of a few bytes can hold gigabytes: a value that is repeated is stored once. So repeated texts stay together
    until a chunk is cut off, and only that chunk is decoded. Of columns whose values cannot stay together, so few rows
    are read at a time that the longest value the file has room for may be in each.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with parquet_errors(path):
            self._schema = pq.read_schema(path)
            paths = Counter(leaf.path for leaf in _leaves(pq.read_metadata(path)))
            self._texts = [field.name for field in self._schema if _is_text(field.type) and paths[field.name] == 1]
            self._file = pq.ParquetFile(path, read_dictionary=self._texts)
        self.columns: list[str] = self._schema.names

    def chunks(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        for name in columns or ():
            self._check_type(self._schema.field(name))
        chunks = _joined(self._decoded_chunks(columns))
        while True:
            with parquet_errors(self._path):  # the footer may be valid and the rows not
                chunk = next(chunks, None)
            if chunk is None:
                return
            yield chunk

    def _decoded_chunks(self, columns: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
        fields = [field for field in self._schema if columns is None or field.name in columns]
        schema = pa.schema(fields, self._schema.metadata)
        rows = _rows_per_batch(self._file.metadata, self._texts, columns)
        for batch in self._file.iter_batches(rows, columns=columns):
            for chunk in _cut(batch):
                decoded = [_decode(column, field.type) for column, field in zip(chunk, fields, strict=True)]
                yield pa.RecordBatch.from_arrays(decoded, schema=schema)

    def _check_type(self, field: pa.Field) -> None:
        """Raise SystemExit if the values of a column cannot be used as text or, but for `text`, as numbers."""
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
        if kind in (*STRINGS, pa.null()) or (is_number and field.name != "text"):
            return
        needed = "strings" if field.name == "text" else "numbers or strings"
        type_ = " ".join(str(field.type).split())[:200]
        raise SystemExit(f"{self._path}: the column {field.name} has the type {type_}: store {needed} in it")

    def values(self, chunk: pa.RecordBatch, column: str) -> list[Any]:
        with parquet_errors(self._path):  # a text may not be UTF-8
            return list(chunk.column(column).to_pylist())

    @contextmanager
    def writer(self, out: Path, added: pa.Schema) -> Iterator[WriteChunk[pa.RecordBatch]]:
        schema = self._schema
        for field in added:
            schema = schema.append(field)

        def write(chunk: pa.RecordBatch, columns: AddedColumns) -> None:
            new = [pa.array(columns[field.name], field.type) for field in added]
            file.write_batch(pa.RecordBatch.from_arrays([*chunk.columns, *new], schema=schema))

        with pq.ParquetWriter(out, schema) as file:
            yield write


def _is_text(kind: pa.DataType) -> bool:
    return kind in (*STRINGS, pa.binary(), pa.large_binary(), pa.binary_view())


def _leaves(file: pq.FileMetaData) -> list[pq.ColumnSchema]:
    """Return the columns as they are stored: a column with parts, such as a struct, has several."""
    return [file.schema.column(i) for i in range(file.num_columns)]


def _rows_per_batch(file: pq.FileMetaData, texts: Sequence[str], columns: Sequence[str] | None) -> int:
    """Return how many rows of any part of the file have MAX_CHUNK_BYTES at most, without the texts; or 1.

    With the texts, as they are stored, these have MAX_CHUNK_BYTES on average. `texts` are read as dictionaries.
    """
    leaves = [
        (i, leaf) for i, leaf in enumerate(_leaves(file)) if columns is None or leaf.path.partition(".")[0] in columns
    ]
    limits = [ROWS_PER_CHUNK]
    for part in (file.row_group(i) for i in range(file.num_row_groups)):
        row_bytes = part.total_byte_size // max(1, part.num_rows)
        limits.append(MAX_CHUNK_BYTES // max(1, row_bytes))
        row_bytes = 0
        for i, leaf in leaves:
            stored = part.column(i)
            value_bytes = _max_value_bytes(leaf, stored, texts)
            # One row of lists may have all values that there are.
            row_bytes += value_bytes * stored.num_values if leaf.max_repetition_level else value_bytes
        limits.append(MAX_CHUNK_BYTES // max(1, row_bytes))
    return max(1, min(limits))


def _max_value_bytes(leaf: pq.ColumnSchema, stored: pq.ColumnChunkMetaData, texts: Sequence[str]) -> int:
    """Return the size in memory that a value cannot exceed."""
    if leaf.path in texts or leaf.physical_type not in ("BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY"):
        return 16  # of an index, a number or a time
    return int(leaf.length or stored.total_uncompressed_size)


def _cut(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Yield slices of a batch with at most MAX_CHUNK_BYTES of text when decoded, and at least one row."""
    ends = np.cumsum(_text_bytes(batch))
    start = 0
    while start < len(batch):
        limit = MAX_CHUNK_BYTES + (ends[start - 1] if start else 0)
        end = max(start + 1, int(np.searchsorted(ends, limit, "right")))
        yield batch.slice(start, end - start)
        start = end


def _text_bytes(batch: pa.RecordBatch) -> NDArray[np.int64]:
    """Return the size of the repeated texts of every row when decoded, [rows]."""
    total = np.zeros(len(batch), np.int64)
    for column in batch:
        total += _decoded_bytes(column)
    return total


def _decoded_bytes(column: pa.Array) -> NDArray[np.int64] | int:
    """Return the size of every decoded value, [rows]; 0 for a column that has no repeated texts."""
    if not isinstance(column, pa.DictionaryArray) or not _is_text(column.type.value_type):
        return 0
    lengths = pc.binary_length(column.dictionary).cast(pa.int64())
    return np.asarray(lengths.take(column.indices).fill_null(0), np.int64)


def _decode(column: pa.Array, kind: pa.DataType) -> pa.Array:
    if isinstance(column, pa.DictionaryArray) and not pa.types.is_dictionary(kind):
        column = column.dictionary_decode()
    return column.cast(kind)


def _joined(chunks: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield chunks of MAX_CHUNK_BYTES and ROWS_PER_CHUNK at most, made of smaller ones."""
    held: list[pa.RecordBatch] = []
    size = rows = 0
    for chunk in chunks:
        chunk_bytes = chunk.nbytes + int(_text_bytes(chunk).sum())
        if held and (size + chunk_bytes > MAX_CHUNK_BYTES or rows + len(chunk) > ROWS_PER_CHUNK):
            yield pa.concat_batches(held)
            held, size, rows = [], 0, 0
        held.append(chunk)
        size, rows = size + chunk_bytes, rows + len(chunk)
    if held:
        yield pa.concat_batches(held)


class Csv:
    """A chunk is a list of rows, a row a list of strings; UTF-8, commas, a header. Blank lines are no rows."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.columns = next(self._lines(), [])

    def chunks(self, columns: Sequence[str] | None = None) -> Iterator[Sequence[list[str]]]:
        lines = self._lines()
        next(lines, None)
        chunk: list[list[str]] = []
        size = 0
        for row in lines:
            chunk.append(row)
            size += sum(map(len, row))
            if len(chunk) == ROWS_PER_CHUNK or size >= MAX_CHUNK_BYTES:
                yield chunk
                chunk, size = [], 0
        if chunk:
            yield chunk

    def values(self, chunk: Sequence[list[str]], column: str) -> list[str]:
        position = self.columns.index(column)
        return [row[position] for row in chunk]

    @contextmanager
    def writer(self, out: Path, added: pa.Schema) -> Iterator[WriteChunk[Sequence[list[str]]]]:
        with out.open("w", encoding="utf-8", newline="") as file:
            lines = csv.writer(file, lineterminator="\n")
            lines.writerow([*self.columns, *added.names])

            def write(chunk: Sequence[list[str]], columns: AddedColumns) -> None:
                new = zip(*(columns[name] for name in added.names), strict=True)
                lines.writerows([*row, *values] for row, values in zip(chunk, new, strict=True))

            yield write

    def _lines(self) -> Iterator[list[str]]:
        """Yield the header and every row. All have the same number of columns."""
        number, width = 0, None
        try:
            with self._path.open(encoding="utf-8-sig", newline="") as file:
                for number, row in enumerate(filter(None, csv.reader(self._short_lines(file), strict=True))):
                    width = width or len(row)
                    if len(row) != width:
                        raise SystemExit(f"{self._path}: row {number} has {len(row)} columns, the header {width}")
                    yield row
        except (csv.Error, UnicodeDecodeError, MemoryError) as error:
            raise SystemExit(f"{self._path}: after row {number}: {one_line(error)}") from error
        except OSError as error:
            raise SystemExit(f"{self._path}: {error.strerror}") from error

    def _short_lines(self, file: TextIO) -> Iterator[str]:
        for number, line in enumerate(read_lines(file), 1):
            if line is None:
                raise SystemExit(f"{self._path}: line {number} has more than {MAX_LINE_CHARACTERS:,} characters")
            yield line


def read_lines(file: TextIO) -> Iterator[str | None]:
    """Yield the lines of a file, and None for a line that has more than MAX_LINE_CHARACTERS."""
    while line := file.readline(MAX_LINE_CHARACTERS + 1):
        is_short = len(line) <= MAX_LINE_CHARACTERS
        yield line if is_short else None
        while not is_short and line and not line.endswith("\n"):
            line = file.readline(MAX_LINE_CHARACTERS)


FORMATS: dict[str, type[Parquet] | type[Csv]] = {".parquet": Parquet, ".csv": Csv}
