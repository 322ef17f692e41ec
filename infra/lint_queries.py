"""Check every alert query with Microsoft's own parser: `python -m infra.lint_queries`, part of `make check`.

workspace.json lists the columns of the workspace's tables, from Microsoft's reference
(learn.microsoft.com/azure/azure-monitor/reference/tables). alerts.json has the rules, queries/ their queries.
"""

import subprocess
import sys
from pathlib import Path

import msgspec

from tools.node import ToolMissing, node, package

_HERE = Path(__file__).resolve().parent
QUERIES = _HERE / "queries"

type Schema = dict[str, dict[str, str]]  # table -> column -> KQL type


class LintResult(msgspec.Struct, frozen=True):
    """The parser's result for one query: problems as "line:column: …", and the type of each column it returns."""

    problems: list[str]
    columns: dict[str, str]


def main() -> None:
    queries = {str(path): path.read_text() for path in sorted(QUERIES.glob("*.kql"))}
    problems = [f"{name}:{problem}" for name, result in lint(queries).items() for problem in result.problems]
    sys.exit("\n".join(problems) or None)


def read_schema() -> Schema:
    """Return the tables of the workspace and their columns."""
    tables: Schema = msgspec.json.decode((_HERE / "workspace.json").read_bytes(), type=Schema)
    return tables


def lint(queries: dict[str, str]) -> dict[str, LintResult]:
    """Check queries, given by name, against the schema. Raises SystemExit if Node.js or the parser is not installed."""
    try:
        program, parser = node(), package("@kusto/language-service-next")
    except ToolMissing as error:
        raise SystemExit(str(error)) from error
    request = msgspec.json.encode({"schema": read_schema(), "queries": queries})
    done = subprocess.run([program, _HERE / "kql_lint.cjs", parser], input=request, stdout=subprocess.PIPE, check=True)
    return msgspec.json.decode(done.stdout, type=dict[str, LintResult])


if __name__ == "__main__":
    main()
