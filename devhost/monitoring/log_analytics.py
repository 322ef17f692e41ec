"""A Log Analytics workspace in memory: the tables of infra/workspace.json, queried in KQL.

A row has two times: TimeGenerated, which queries see, and its ingestion time, which they do not. A query that runs at
noon finds only rows that were ingested by noon, so that tests can simulate delayed telemetry.
"""

import threading
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

type Row = Mapping[str, Any]  # by column; a missing column is null
type Schema = Mapping[str, Mapping[str, str]]  # table -> column -> KQL type

MAX_AGE = timedelta(days=2)  # Azure rejects older rows; here they are deleted as well

_INGESTED = "ingested"
_SQL_TYPES = {
    "bool": "BOOLEAN",
    "datetime": "TIMESTAMP",
    "dynamic": "JSON",
    "int": "INTEGER",
    "long": "BIGINT",
    "real": "DOUBLE",
    "string": "VARCHAR",
}


class Workspace:
    """A workspace that several threads can use.

    DuckDB and the KQL parser take a second to import, so they are imported at the first query or non-empty `flush`.
    """

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._pending: deque[tuple[str, Row]] = deque()
        self._connection: DuckDBPyConnection | None = None
        self._lock = threading.Lock()

    def add(self, table: str, row: Row, ingested: datetime) -> None:
        """Accept a row without waiting. The next query or `flush` writes it to its table."""
        self._pending.append((table, {**row, _INGESTED: ingested}))

    def flush(self) -> None:
        """Write pending rows to their tables and delete rows older than MAX_AGE."""
        with self._lock:
            self._flush()

    def query(self, kql: str, start: datetime, end: datetime) -> list[dict[str, Any]]:
        """Return the result of a query that runs at `end` over the rows of (start, end].

        Raises duckdb_kql.KqlError or duckdb.Error.
        """
        with self._lock:
            self._flush()
            import duckdb_kql

            connection = self._connect()
            for table, columns in self._schema.items():
                connection.execute(
                    f'CREATE OR REPLACE VIEW "{table}" AS SELECT {_quoted(columns)} FROM {_storage(table)} '  # noqa: S608
                    f'WHERE "TimeGenerated" > {_timestamp(start)} AND "TimeGenerated" <= {_timestamp(end)} '
                    f"AND {_INGESTED} <= {_timestamp(end)}"
                )
            result = duckdb_kql.execute(connection, kql, query_now=end)
            names = [column[0] for column in result.description]
            return [dict(zip(names, values, strict=True)) for values in result.fetchall()]

    def close(self) -> None:
        """Free the tables."""
        with self._lock:
            self._connection = None

    def _connect(self) -> "DuckDBPyConnection":
        if self._connection is None:
            self._connection = _create_tables(self._schema)
        return self._connection

    def _flush(self) -> None:
        rows: dict[str, list[Row]] = defaultdict(list)
        for _ in range(len(self._pending)):
            table, row = self._pending.popleft()
            rows[table].append(row)
        for table, batch in rows.items():
            connection = self._connect()
            insert(connection, _storage(table), _storage_columns(self._schema[table]), batch)
            oldest = max(row[_INGESTED] for row in batch) - MAX_AGE
            connection.execute(f"DELETE FROM {_storage(table)} WHERE {_INGESTED} < {_timestamp(oldest)}")  # noqa: S608


def make_table(connection: "DuckDBPyConnection", table: str, columns: Mapping[str, str]) -> None:
    """Create an empty table. `table` is its name in SQL; the types of `columns` are KQL types."""
    typed = ", ".join(f'"{name}" {_SQL_TYPES[kql_type]}' for name, kql_type in columns.items())
    connection.execute(f"CREATE TABLE {table} ({typed})")


def insert(connection: "DuckDBPyConnection", table: str, columns: Mapping[str, str], rows: Sequence[Row]) -> None:
    """Insert rows into a table that `make_table` created with these columns."""
    structure = msgspec.json.encode([{name: _SQL_TYPES[kql_type] for name, kql_type in columns.items()}]).decode()
    connection.execute(
        f"INSERT INTO {table} SELECT unnest(row) FROM (SELECT unnest(from_json(?::JSON, '{structure}')) AS row)",  # noqa: S608
        [msgspec.json.encode(rows).decode()],
    )


def _create_tables(schema: Schema) -> "DuckDBPyConnection":
    import duckdb_kql

    connection = duckdb_kql.connect()
    for table, columns in schema.items():
        make_table(connection, _storage(table), _storage_columns(columns))
    return connection


def _storage(table: str) -> str:
    return f'"stored {table}"'  # the space keeps it apart from any KQL name; the view has the table's name


def _storage_columns(columns: Mapping[str, str]) -> dict[str, str]:
    return {**columns, _INGESTED: "datetime"}


def _quoted(columns: Mapping[str, str]) -> str:
    return ", ".join(f'"{name}"' for name in columns)


def _timestamp(time: datetime) -> str:
    return f"TIMESTAMP '{time.astimezone(UTC).replace(tzinfo=None).isoformat(sep=' ')}'"
