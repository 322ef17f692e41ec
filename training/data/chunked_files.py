"""Files of rows, parquet and CSV, read and written a chunk at a time: no file is too large.

The output has the rows of the input, in order, with columns added on the right.
"""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import batched
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from .errors import one_line

ROWS_PER_CHUNK = 2**17

type AddedColumns = Mapping[str, Sequence[Any]]  # column -> a value for each row of a chunk
type WriteChunk[Chunk] = Callable[[Chunk, AddedColumns], None]


class File[Chunk](Protocol):
    """A file of one format. Raises SystemExit with one line that names the file if it is invalid."""

    columns: list[str]

    def chunks(self) -> Iterator[Chunk]:
        """Yield the rows, ROWS_PER_CHUNK at a time. Can be called again."""

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
    """A chunk is a pyarrow.RecordBatch; types and metadata of every column are kept."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with parquet_errors(path):
            self._file = pq.ParquetFile(path)
        self.columns: list[str] = self._file.schema_arrow.names

    def chunks(self) -> Iterator[pa.RecordBatch]:
        batches = self._file.iter_batches(ROWS_PER_CHUNK)
        while True:
            with parquet_errors(self._path):  # the footer may be valid and the rows not
                chunk = next(batches, None)
            if chunk is None:
                return
            yield chunk

    def values(self, chunk: pa.RecordBatch, column: str) -> list[Any]:
        return list(chunk.column(column).to_pylist())

    @contextmanager
    def writer(self, out: Path, added: pa.Schema) -> Iterator[WriteChunk[pa.RecordBatch]]:
        schema = self._file.schema_arrow
        for field in added:
            schema = schema.append(field)

        def write(chunk: pa.RecordBatch, columns: AddedColumns) -> None:
            new = [pa.array(columns[field.name], field.type) for field in added]
            file.write_batch(pa.RecordBatch.from_arrays([*chunk.columns, *new], schema=schema))

        with pq.ParquetWriter(out, schema) as file:
            yield write


class Csv:
    """A chunk is a list of rows, a row a list of strings; UTF-8, commas, a header. Blank lines are no rows."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.columns = next(self._lines(), [])

    def chunks(self) -> Iterator[Sequence[list[str]]]:
        lines = self._lines()
        next(lines, None)
        return batched(lines, ROWS_PER_CHUNK, strict=False)

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
                for number, row in enumerate(filter(None, csv.reader(file, strict=True))):
                    width = width or len(row)
                    if len(row) != width:
                        raise SystemExit(f"{self._path}: row {number} has {len(row)} columns, the header {width}")
                    yield row
        except (csv.Error, UnicodeDecodeError) as error:
            raise SystemExit(f"{self._path}: after row {number}: {error}") from error


FORMATS: dict[str, type[Parquet] | type[Csv]] = {".parquet": Parquet, ".csv": Csv}
