"""`python -m infra.queries`: every alert's query, parsed and bound by Microsoft's own parser. `make check` runs this.

workspace.json has the columns of the workspace's tables, from Microsoft's reference
(learn.microsoft.com/azure/azure-monitor/reference/tables); alerts.json has the rules, queries/ what they ask.
"""

import subprocess
import sys
from pathlib import Path

import msgspec

from devhost.errors import HostError
from devhost.node import node

_HERE = Path(__file__).resolve().parent
QUERIES = _HERE / "queries"
_PARSER = _HERE.parent / "devhost" / "node_modules" / "@kusto" / "language-service-next"

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
        program = node()
    except HostError as error:
        raise SystemExit(str(error)) from error
    if not _PARSER.is_dir():
        raise SystemExit("Microsoft's parser of KQL is not installed: run make install")
    asked = msgspec.json.encode({"schema": schema(), "queries": queries})
    done = subprocess.run([program, _HERE / "lint.cjs", _PARSER], input=asked, stdout=subprocess.PIPE, check=True)
    return msgspec.json.decode(done.stdout, type=dict[str, Linted])


if __name__ == "__main__":
    main()
