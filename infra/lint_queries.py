"""Check every alert's query with Microsoft's own parser: `python -m infra.lint_queries`, part of `make check`.

workspace.json has the columns of the workspace's tables, from Microsoft's reference
(learn.microsoft.com/azure/azure-monitor/reference/tables); alerts.json has the rules, queries/ what they ask.
"""

import subprocess
import sys
from pathlib import Path

import msgspec

from tools.node import ToolMissing, node, package

_HERE = Path(__file__).resolve().parent
QUERIES = _HERE / "queries"

type Schema = dict[str, dict[str, str]]  # table -> column -> type of KQL


class Linted(msgspec.Struct, frozen=True):
    """What the parser says of a query: its faults as "line:column: …", and the columns and types it returns."""

    problems: list[str]
    columns: dict[str, str]


def main() -> None:
    queries = {str(path): path.read_text() for path in sorted(QUERIES.glob("*.kql"))}
    problems = [f"{name}:{problem}" for name, linted in lint(queries).items() for problem in linted.problems]
    sys.exit("\n".join(problems) or None)


def schema() -> Schema:
    """The tables of the workspace."""
    tables: Schema = msgspec.json.decode((_HERE / "workspace.json").read_bytes(), type=Schema)
    return tables


def lint(queries: dict[str, str]) -> dict[str, Linted]:
    """Queries by name, each against `schema()`. Raises SystemExit where Node.js or the parser is not installed."""
    try:
        program, parser = node(), package("@kusto/language-service-next")
    except ToolMissing as error:
        raise SystemExit(str(error)) from error
    asked = msgspec.json.encode({"schema": schema(), "queries": queries})
    done = subprocess.run([program, _HERE / "kql_lint.cjs", parser], input=asked, stdout=subprocess.PIPE, check=True)
    return msgspec.json.decode(done.stdout, type=dict[str, Linted])


if __name__ == "__main__":
    main()
