"""The alert queries are valid KQL, return the same rows as the oracle, and the cases detect every mutant of a query."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from itertools import count
from pathlib import Path

import duckdb_kql
import pytest
from duckdb import DuckDBPyConnection
from hypothesis import given, settings

from devhost.monitoring.log_analytics import insert, make_table
from infra import lint_queries
from infra.lint_queries import LintResult, lint, read_schema
from tests.infra.cases import (
    CASES,
    MUTANTS,
    RANDOM_JUDGEMENTS,
    RANDOM_PREDICTIONS,
    RANDOM_PURGES,
    RANDOM_REPORTS,
    RANDOM_REQUESTS,
    RANDOM_TEXTS,
)
from tests.infra.oracle import ORACLES, Record, Rows, bad_prediction

QUERIES = {path.stem: path.read_text() for path in sorted(lint_queries.QUERIES.glob("*.kql"))}

COLUMNS = {
    "bad_prediction_burst": {
        "Latest": "datetime",
        "Texts": "long",
        "Reports": "long",
        "Began": "datetime",
    },
    "error_rate": {"Name": "string", "Requests": "long", "Failed": "long"},
    "latency": {"Requests": "long", "Slow": "long", "P95": "real"},
    "probability_drift": {"Model": "string", "Version": "string", "Predictions": "long", "Distance": "real"},
    "unknown_words_drift": {
        "Model": "string",
        "Version": "string",
        "Predictions": "long",
        "Unknown": "real",
        "Expected": "real",
    },
    "feedback_disagreement": {"Model": "string", "Judged": "long", "Wrong": "long"},
    "purge_behind": {"TimeGenerated": "datetime", "Hours": "int"},
    "no_purge": {"First": "datetime", "Latest": "datetime", "Purged": "datetime"},
    "daily_cap": {"TimeGenerated": "datetime", "Detail": "string"},
    "no_heartbeat": {"Requests": "long"},
}

MISTAKES = {
    "column": ('AppTraces | where Mesage == "bad_prediction"', "'Mesage' does not refer to any known column"),
    "table": ("AppTracez | count", "'AppTracez' does not refer to any known table"),
    "function": ("AppTraces | extend Day = startofdai(TimeGenerated)", "'startofdai' does not refer to any known"),
    "type": ('AppTraces | where TimeGenerated > "5m"', "'>' is not defined for the operand types datetime and string"),
    "argument": ("AppTraces | summarize sum(Message)", "must be summable"),
    "syntax": ("AppTraces | summarise count()", "Query operator expected"),
    "take": ("AppTraces | take 3", "take is not allowed"),
    "limit": ("AppTraces | limit 3", "take is not allowed"),
    "take, inside": (
        "AppTraces | where ParentId in ((AppRequests | take 3 | project Id))",
        "1:47: take is not allowed",
    ),
    "union": ("AppTraces | union AppEvents", "union is not allowed"),
    "search": ('search "bad_prediction"', "must start with a table"),
    "let": ("let limit = 3; AppTraces | where SeverityLevel > limit", "must start with a table"),
    "plugin": ("AppTraces | evaluate bag_unpack(Properties)", "bag_unpack() is not allowed"),
    "time": ("AppTraces | where TimeGenerated > ago(5m)", "ago() is not allowed"),
    "ingestion": ("AppTraces | where ingestion_time() > datetime(2026-11-22)", "ingestion_time() is not allowed"),
    "reserved": ("AppTraces | summarize AggregatedValue = count()", "AggregatedValue"),
    "nothing": ("// a comment alone", "must start with a table"),
}


class Workspace:
    """A DuckDB database with a schema for each set of records, so that several queries can run on all of them."""

    def __init__(self) -> None:
        self.connection: DuckDBPyConnection = duckdb_kql.connect()
        self.connection.execute("SET threads = 1")  # the tables are small
        self.schema_names = (f"records{number}" for number in count())

    def load(self, query: str, records: list[Record]) -> str:
        """Insert records into the table of `query`, in a new schema. Return the name of the schema."""
        table = next(table for table in read_schema() if re.search(rf"^{table}$", QUERIES[query], re.MULTILINE))
        schema = next(self.schema_names)
        self.connection.execute(f"CREATE SCHEMA {schema}")
        make_table(self.connection, f"{schema}.{table}", read_schema()[table])
        if records:
            insert(self.connection, f"{schema}.{table}", read_schema()[table], records)
        return schema

    def run(self, kql: str, schema: str) -> Rows:
        self.connection.execute(f"SET schema = '{schema}'")
        found = self.connection.execute(to_sql(kql))
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


@cache
def to_sql(kql: str) -> str:
    return duckdb_kql.to_sql(kql, {table: list(columns) for table, columns in read_schema().items()})


@pytest.fixture(scope="module")
def workspace() -> Iterator[Workspace]:
    workspace = Workspace()
    with workspace.connection:
        yield workspace


@pytest.fixture(scope="module")
def loaded_cases(workspace: Workspace) -> dict[str, list[tuple[str, Rows]]]:
    """For each query the schema and the expected rows of every case."""
    return {
        query: [(workspace.load(query, records), ORACLES[query](records)) for _, _, records in group]
        for query, group in CASES.items()
    }


@pytest.fixture(scope="module")
def linted() -> dict[str, LintResult]:
    return lint(QUERIES | {name: text for name, (text, _) in MISTAKES.items()})


def same(found: Rows, expected: Rows) -> bool:
    """Compare without the order of rows, the last digits of floats, and the time zone, which DuckDB omits."""
    return _plain(found) == _plain(expected)


def _plain(rows: Rows) -> list[list[tuple[str, str]]]:
    return sorted(sorted((name, _digits(value)) for name, value in row.items()) for row in rows)


def _digits(value: object) -> str:
    match value:
        case float():
            return f"{value:.9f}"
        case datetime():
            return value.replace(tzinfo=UTC).isoformat()
    return str(value)


def test_every_query_has_oracle_columns_cases_and_mutants() -> None:
    assert QUERIES.keys() == ORACLES.keys() == COLUMNS.keys() == CASES.keys() == MUTANTS.keys()


@pytest.mark.parametrize("query", QUERIES)
def test_query_is_valid_and_returns_the_expected_columns(linted: dict[str, LintResult], query: str) -> None:
    assert linted[query] == LintResult([], COLUMNS[query])


@pytest.mark.parametrize("mistake", MISTAKES)
def test_lint_finds_mistake(linted: dict[str, LintResult], mistake: str) -> None:
    assert MISTAKES[mistake][1] in "\n".join(linted[mistake].problems)


def test_command_prints_file_line_and_column(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "good.kql").write_text("AppTraces | count")
    (tmp_path / "bad.kql").write_text("// counts\nAppTracez | count")
    monkeypatch.setattr(lint_queries, "QUERIES", tmp_path)
    with pytest.raises(
        SystemExit, match=r"^\S+/bad\.kql:2:1: The name 'AppTracez' .*\n\S+/bad\.kql:2:1: .* must start with a table$"
    ):
        lint_queries.main()


def test_says_how_to_install_the_parser(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tools.node._NODE_MODULES", tmp_path)
    with pytest.raises(SystemExit, match="run make install"):
        lint({})


@pytest.mark.parametrize("query", QUERIES)
def test_query_returns_the_rows_of_the_oracle(
    workspace: Workspace, loaded_cases: dict[str, list[tuple[str, Rows]]], query: str
) -> None:
    for (name, fires, _), (schema, expected) in zip(CASES[query], loaded_cases[query], strict=True):
        found = workspace.run(QUERIES[query], schema)
        assert bool(expected) == fires, name
        assert same(found, expected), (name, found, expected)
        assert {column for row in found for column in row} <= COLUMNS[query].keys()


@pytest.mark.parametrize(
    ("query", "old", "new"), [(query, *mutation) for query, mutations in MUTANTS.items() for mutation in mutations]
)
def test_cases_detect_mutant(
    workspace: Workspace, loaded_cases: dict[str, list[tuple[str, Rows]]], query: str, old: str, new: str
) -> None:
    assert old in QUERIES[query]
    mutant = QUERIES[query].replace(old, new)
    assert any(not same(workspace.run(mutant, schema), expected) for schema, expected in loaded_cases[query])


def test_burst_of_5000_predictions_is_one_row(workspace: Workspace) -> None:
    """Each is reported twice within a minute."""
    reports = [bad_prediction(n, n * 0.012 + again) for n in range(5000) for again in (0, 30)]
    (found,) = workspace.run(QUERIES["bad_prediction_burst"], workspace.load("bad_prediction_burst", reports))
    assert found["Reports"] == 5000


def assert_agrees(workspace: Workspace, query: str, records: list[Record]) -> None:
    schema = workspace.load(query, records)
    assert same(workspace.run(QUERIES[query], schema), ORACLES[query](records))
    workspace.connection.execute(f"SET schema = 'main'; DROP SCHEMA {schema} CASCADE")


@settings(max_examples=40)
@given(RANDOM_REPORTS)
def test_burst_agrees_with_oracle_on_random_reports(workspace: Workspace, records: list[Record]) -> None:
    assert_agrees(workspace, "bad_prediction_burst", records)


@settings(max_examples=40)
@given(RANDOM_REQUESTS)
def test_error_rate_and_latency_agree_with_oracle_on_random_requests(
    workspace: Workspace, records: list[Record]
) -> None:
    assert_agrees(workspace, "error_rate", records)
    assert_agrees(workspace, "latency", records)


@settings(max_examples=40)
@given(RANDOM_PREDICTIONS)
def test_probability_drift_agrees_with_oracle_on_random_predictions(
    workspace: Workspace, records: list[Record]
) -> None:
    assert_agrees(workspace, "probability_drift", records)


@settings(max_examples=40)
@given(RANDOM_TEXTS)
def test_unknown_words_drift_agrees_with_oracle_on_random_texts(workspace: Workspace, records: list[Record]) -> None:
    assert_agrees(workspace, "unknown_words_drift", records)


@settings(max_examples=40)
@given(RANDOM_PURGES)
def test_no_purge_agrees_with_oracle_on_random_requests(workspace: Workspace, records: list[Record]) -> None:
    assert_agrees(workspace, "no_purge", records)


@settings(max_examples=40)
@given(RANDOM_JUDGEMENTS)
def test_disagreement_agrees_with_oracle_on_random_judgements(workspace: Workspace, records: list[Record]) -> None:
    assert_agrees(workspace, "feedback_disagreement", records)
