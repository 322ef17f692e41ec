"""Files of rows, parquet and CSV, read and written a chunk at a time: no file is too large.

What is written has the rows of what was read, in their order, with columns added on the right.
"""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import batched
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

ROWS = 2**17  # of a chunk

type Added = Mapping[str, Sequence[Any]]  # column -> a value for each row of a chunk
type Write[Chunk] = Callable[[Chunk, Added], None]


class File[Chunk](Protocol):
    """A file of one format. Whatever is wrong with it raises SystemExit with one line that names it."""

    columns: list[str]

    def chunks(self) -> Iterator[Chunk]:
        """The rows from the first on, ROWS at a time; as often as it is asked for."""

    def values(self, chunk: Chunk, column: str) -> list[Any]:
        """What the rows of a chunk hold in a column."""

    def writer(self, out: Path, added: pa.Schema) -> AbstractContextManager[Write[Chunk]]:
        """Opens `out`: what it gives writes a chunk and the columns that are added to it."""


class Parquet:
    """A chunk is a pyarrow.RecordBatch; types and metadata of every column are kept."""

    def __init__(self, path: Path) -> None:
        try:
            self._file = pq.ParquetFile(path)
        except (pa.ArrowException, OSError) as error:
            raise SystemExit(f"{path}: cannot be read as parquet: {str(error).splitlines()[0]}") from error
        self.columns: list[str] = self._file.schema_arrow.names

    def chunks(self) -> Iterator[pa.RecordBatch]:
        yield from self._file.iter_batches(ROWS)

    def values(self, chunk: pa.RecordBatch, column: str) -> list[Any]:
        return list(chunk.column(column).to_pylist())

    @contextmanager
    def writer(self, out: Path, added: pa.Schema) -> Iterator[Write[pa.RecordBatch]]:
        schema = self._file.schema_arrow
        for field in added:
            schema = schema.append(field)

        def write(chunk: pa.RecordBatch, columns: Added) -> None:
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
        return batched(lines, ROWS, strict=False)

    def values(self, chunk: Sequence[list[str]], column: str) -> list[str]:
        position = self.columns.index(column)
        return [row[position] for row in chunk]

    @contextmanager
    def writer(self, out: Path, added: pa.Schema) -> Iterator[Write[Sequence[list[str]]]]:
        with out.open("w", encoding="utf-8", newline="") as file:
            lines = csv.writer(file, lineterminator="\n")
            lines.writerow([*self.columns, *added.names])

            def write(chunk: Sequence[list[str]], columns: Added) -> None:
                new = zip(*(columns[name] for name in added.names), strict=True)
                lines.writerows([*row, *values] for row, values in zip(chunk, new, strict=True))

            yield write

    def _lines(self) -> Iterator[list[str]]:
        """The header, then every row, each as wide as the header."""
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
