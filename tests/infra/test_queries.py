"""The alerts' queries: Microsoft's own parser binds them, DuckDB runs them against a brute-force oracle, and a small
change to any of them is noticed."""

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
    ANY_JUDGEMENTS,
    ANY_PREDICTIONS,
    ANY_REPORTS,
    ANY_REQUESTS,
    ANY_TEXTS,
    CASES,
    MUTANTS,
)
from tests.infra.oracle import ORACLES, Found, Record, bad

QUERIES = {path.stem: path.read_text() for path in sorted(lint_queries.QUERIES.glob("*.kql"))}

COLUMNS = {
    "bad_prediction_burst": {"Latest": "datetime", "Reports": "long", "Began": "datetime"},
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
    """Tables with records in them, each lot in a schema of its own, so that many queries can be put to all of them."""

    def __init__(self) -> None:
        self.connection: DuckDBPyConnection = duckdb_kql.connect()
        self.connection.execute("SET threads = 1")  # lots are small
        self.schemas = (f"lot{number}" for number in count())

    def load(self, query: str, records: list[Record]) -> str:
        """Puts the records into the table that `query` is about; returns the name of their schema."""
        table = next(table for table in read_schema() if re.search(rf"^{table}$", QUERIES[query], re.MULTILINE))
        lot = next(self.schemas)
        self.connection.execute(f"CREATE SCHEMA {lot}")
        make_table(self.connection, f"{lot}.{table}", read_schema()[table])
        if records:
            insert(self.connection, f"{lot}.{table}", read_schema()[table], records)
        return lot

    def ask(self, kql: str, lot: str) -> Found:
        self.connection.execute(f"SET schema = '{lot}'")
        found = self.connection.execute(translated(kql))
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


@cache
def translated(kql: str) -> str:
    return duckdb_kql.to_sql(kql, {table: list(columns) for table, columns in read_schema().items()})


@pytest.fixture(scope="module")
def workspace() -> Iterator[Workspace]:
    workspace = Workspace()
    with workspace.connection:
        yield workspace


@pytest.fixture(scope="module")
def lots(workspace: Workspace) -> dict[str, list[tuple[str, Found]]]:
    """The fixed cases by query: the schema of each, and what is to be found there."""
    return {
        query: [(workspace.load(query, records), ORACLES[query](records)) for _, _, records in group]
        for query, group in CASES.items()
    }


@pytest.fixture(scope="module")
def linted() -> dict[str, LintResult]:
    return lint(QUERIES | {name: text for name, (text, _) in MISTAKES.items()})


def same(found: Found, expected: Found) -> bool:
    """But for the order of the rows, the last digits of a sum, and the UTC that DuckDB does not tell."""
    return _plain(found) == _plain(expected)


def _plain(rows: Found) -> list[list[tuple[str, str]]]:
    return sorted(sorted((name, _digits(value)) for name, value in row.items()) for row in rows)


def _digits(value: object) -> str:
    match value:
        case float():
            return f"{value:.9f}"
        case datetime():
            return value.replace(tzinfo=UTC).isoformat()
    return str(value)


def test_every_query_is_held_against_an_oracle() -> None:
    assert QUERIES.keys() == ORACLES.keys() == COLUMNS.keys() == CASES.keys() == MUTANTS.keys()


@pytest.mark.parametrize("query", QUERIES)
def test_microsofts_parser_binds_it(linted: dict[str, LintResult], query: str) -> None:
    assert linted[query] == LintResult([], COLUMNS[query])


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_planted_mistake_is_found(linted: dict[str, LintResult], mistake: str) -> None:
    assert MISTAKES[mistake][1] in "\n".join(linted[mistake].problems)


def test_the_command_says_where_a_mistake_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "good.kql").write_text("AppTraces | count")
    (tmp_path / "bad.kql").write_text("// counts\nAppTracez | count")
    monkeypatch.setattr(lint_queries, "QUERIES", tmp_path)
    with pytest.raises(
        SystemExit, match=r"^\S+/bad\.kql:2:1: The name 'AppTracez' .*\n\S+/bad\.kql:2:1: .* must start with a table$"
    ):
        lint_queries.main()


def test_a_parser_that_is_not_installed_is_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tools.node._NODE_MODULES", tmp_path)
    with pytest.raises(SystemExit, match="run make install"):
        lint({})


@pytest.mark.parametrize("query", QUERIES)
def test_it_finds_what_the_oracle_finds(
    workspace: Workspace, lots: dict[str, list[tuple[str, Found]]], query: str
) -> None:
    for (about, fires, _), (lot, expected) in zip(CASES[query], lots[query], strict=True):
        found = workspace.ask(QUERIES[query], lot)
        assert bool(expected) == fires, about
        assert same(found, expected), (about, found, expected)
        assert {column for row in found for column in row} <= COLUMNS[query].keys()


@pytest.mark.parametrize(
    ("query", "old", "new"), [(query, *mutation) for query, mutations in MUTANTS.items() for mutation in mutations]
)
def test_a_change_is_noticed(
    workspace: Workspace, lots: dict[str, list[tuple[str, Found]]], query: str, old: str, new: str
) -> None:
    assert old in QUERIES[query]
    mutant = QUERIES[query].replace(old, new)
    assert any(not same(workspace.ask(mutant, lot), expected) for lot, expected in lots[query])


def test_a_flood_is_one_row(workspace: Workspace) -> None:
    """5,000 predictions within a minute, each reported twice."""
    flood = [bad(n, n * 0.012 + again) for n in range(5000) for again in (0, 30)]
    (found,) = workspace.ask(QUERIES["bad_prediction_burst"], workspace.load("bad_prediction_burst", flood))
    assert found["Reports"] == 5000


def agrees(workspace: Workspace, query: str, records: list[Record]) -> None:
    lot = workspace.load(query, records)
    assert same(workspace.ask(QUERIES[query], lot), ORACLES[query](records))
    workspace.connection.execute(f"SET schema = 'main'; DROP SCHEMA {lot} CASCADE")


@settings(max_examples=40)
@given(ANY_REPORTS)
def test_any_reports(workspace: Workspace, records: list[Record]) -> None:
    agrees(workspace, "bad_prediction_burst", records)


@settings(max_examples=40)
@given(ANY_REQUESTS)
def test_any_requests(workspace: Workspace, records: list[Record]) -> None:
    agrees(workspace, "error_rate", records)
    agrees(workspace, "latency", records)


@settings(max_examples=40)
@given(ANY_PREDICTIONS)
def test_any_predictions(workspace: Workspace, records: list[Record]) -> None:
    agrees(workspace, "probability_drift", records)


@settings(max_examples=40)
@given(ANY_TEXTS)
def test_any_texts(workspace: Workspace, records: list[Record]) -> None:
    agrees(workspace, "unknown_words_drift", records)


@settings(max_examples=40)
@given(ANY_JUDGEMENTS)
def test_any_judgements(workspace: Workspace, records: list[Record]) -> None:
    agrees(workspace, "feedback_disagreement", records)
