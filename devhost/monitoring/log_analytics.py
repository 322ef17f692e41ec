"""A Log Analytics workspace in memory: the tables of infra/workspace.json, asked in KQL.

A row has two times: TimeGenerated, which queries see, and the one at which it arrived, which they do not. A rule that
runs at noon finds what had arrived by noon, so that a delay on the way can be played.
"""

import threading
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

type Row = Mapping[str, Any]  # by column; what is not there is null
type Schema = Mapping[str, Mapping[str, str]]  # table -> column -> type, in KQL's words

OLDEST = timedelta(days=2)  # Azure takes nothing older; here nothing older is kept either

_ARRIVED = "arrived"
_TYPES = {
    "bool": "BOOLEAN",
    "datetime": "TIMESTAMP",
    "dynamic": "JSON",
    "int": "INTEGER",
    "long": "BIGINT",
    "real": "DOUBLE",
    "string": "VARCHAR",
}


class Workspace:
    """Safe to use from several threads. DuckDB and the parser of KQL, which take a second to import, are there from the
    first query, or `store` that finds a row."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._waiting: deque[tuple[str, Row]] = deque()
        self._made: DuckDBPyConnection | None = None
        self._lock = threading.Lock()

    def add(self, table: str, row: Row, arrived: datetime) -> None:
        """Takes a row at once. It is in its table when it is asked for, or after `store`."""
        self._waiting.append((table, {**row, _ARRIVED: arrived}))

    def store(self) -> None:
        """Puts what was added into the tables, and forgets what is older than OLDEST."""
        with self._lock:
            self._store()

    def query(self, kql: str, start: datetime, end: datetime) -> list[dict[str, Any]]:
        """What a query finds at `end` in the rows of (start, end]. Raises duckdb_kql.KqlError or duckdb.Error."""
        with self._lock:
            self._store()
            import duckdb_kql

            tables = self._tables()
            for table, columns in self._schema.items():
                tables.execute(
                    f'CREATE OR REPLACE VIEW "{table}" AS SELECT {_names(columns)} FROM {_storage(table)} '  # noqa: S608
                    f'WHERE "TimeGenerated" > {_literal(start)} AND "TimeGenerated" <= {_literal(end)} '
                    f"AND {_ARRIVED} <= {_literal(end)}"
                )
            found = duckdb_kql.execute(tables, kql, query_now=end)
            names = [column[0] for column in found.description]
            return [dict(zip(names, values, strict=True)) for values in found.fetchall()]

    def close(self) -> None:
        """Gives everything back."""
        with self._lock:
            self._made = None

    def _tables(self) -> "DuckDBPyConnection":
        if self._made is None:
            self._made = _make_tables(self._schema)
        return self._made

    def _store(self) -> None:
        rows: dict[str, list[Row]] = defaultdict(list)
        for _ in range(len(self._waiting)):
            table, row = self._waiting.popleft()
            rows[table].append(row)
        for table, batch in rows.items():
            insert(self._tables(), _storage(table), _stored(self._schema[table]), batch)
            newest = max(row[_ARRIVED] for row in batch)
            self._tables().execute(f"DELETE FROM {_storage(table)} WHERE {_ARRIVED} < {_literal(newest - OLDEST)}")  # noqa: S608


def make_table(connection: "DuckDBPyConnection", table: str, columns: Mapping[str, str]) -> None:
    """An empty table. `table` is its name in SQL; the types of `columns` are KQL's."""
    typed = ", ".join(f'"{name}" {_TYPES[kind]}' for name, kind in columns.items())
    connection.execute(f"CREATE TABLE {table} ({typed})")


def insert(connection: "DuckDBPyConnection", table: str, columns: Mapping[str, str], rows: Sequence[Row]) -> None:
    """Puts rows into a table of `make_table`."""
    structure = msgspec.json.encode([{name: _TYPES[kind] for name, kind in columns.items()}]).decode()
    connection.execute(
        f"INSERT INTO {table} SELECT unnest(row) FROM (SELECT unnest(from_json(?::JSON, '{structure}')) AS row)",  # noqa: S608
        [msgspec.json.encode(rows).decode()],
    )


def _make_tables(schema: Schema) -> "DuckDBPyConnection":
    import duckdb_kql

    connection = duckdb_kql.connect()
    for table, columns in schema.items():
        make_table(connection, _storage(table), _stored(columns))
    return connection


def _storage(table: str) -> str:
    return f'"stored {table}"'  # no name that KQL could have, and not the view's


def _stored(columns: Mapping[str, str]) -> dict[str, str]:
    return {**columns, _ARRIVED: "datetime"}


def _names(columns: Mapping[str, str]) -> str:
    return ", ".join(f'"{name}"' for name in columns)


def _literal(time: datetime) -> str:
    return f"TIMESTAMP '{time.astimezone(UTC).replace(tzinfo=None).isoformat(sep=' ')}'"
