"""`python -m infra.bicep`: every template and its parameters, read by Microsoft's compiler. `make check` runs this.

It compiles, lints and formats a copy; a warning is a fault, and so is a file that formatting would change. The compiler
is what BICEP names, or `bicep` on the PATH; where there is none, one line says that nothing was checked.

`python -m infra.bicep snapshots` predicts what would be deployed, without an account, into tests/infra/snapshots.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

_HERE = Path(__file__).resolve().parent
SNAPSHOTS = _HERE.parent / "tests/infra/snapshots"
DEPLOYMENTS = (*sorted(path.stem for path in _HERE.glob("*.bicepparam")), "options")

# What azd's environment has in the deployment `options`: all that docs/operations.md lists as an option of production.
OPTIONS = {
    "AUDIT_LOGS": "true",
    "AVAILABILITY_TEST": "true",
    "COST_CENTRE": "4711",
    "CUSTOM_DOMAIN": "buzzguard.example.org",
    "FEEDBACK_EXPORT": "true",
    "OWNER": "communications",
    "PRIVATE_NETWORK": "true",
    "SIGN_IN_CLIENT_ID": "11111111-2222-3333-4444-555555555555",
    "ZONE_REDUNDANT": "true",
}

# What the parameter files ask the environment for and have no default for.
_ENVIRONMENT = {
    "AZURE_ENV_NAME": "buzzguard",
    "AZURE_FUNCTION_NAME": "func-buzzguard",
    "AZURE_INCIDENTS_GROUP": "ag-incidents-buzzguard",
    "AZURE_KEY_VAULT": "kv-buzzguard",
    "AZURE_LOCATION": "westeurope",
    "OPS_EMAIL": "ops@example.org",
}
_NOBODY = "00000000-0000-0000-0000-000000000000"
_TEMPLATES, _FILES = "**/*.bicep", "**/*.bicep*"


def main() -> None:
    if sys.argv[1:] not in ([], ["snapshots"]):
        raise SystemExit(__doc__)
    snapshots = sys.argv[1:] == ["snapshots"]
    if compiler() is None:
        none = "infra: there is no bicep on the PATH and none named by BICEP"
        if snapshots:
            raise SystemExit(f"{none} to predict what would be deployed")
        print(f"{none}, so that the templates were not checked")
        return
    with copy() as folder:
        if not snapshots:
            sys.exit("\n".join(faults(folder)) or None)
        for deployment in DEPLOYMENTS:
            (SNAPSHOTS / f"{deployment}.json").write_text(predict(deployment, folder))


def compiler() -> str | None:
    """Where Microsoft's compiler is, if it is anywhere. Raises SystemExit where BICEP names what is no program."""
    named = os.environ.get("BICEP")
    found = shutil.which(named or "bicep")
    if named and found is None:
        raise SystemExit(f"BICEP names no program: {named}")
    return found and str(Path(found).resolve())


@contextmanager
def copy() -> Iterator[Path]:
    """A copy of this folder: the compiler writes beside what it reads."""
    with tempfile.TemporaryDirectory() as parent:
        yield Path(shutil.copytree(_HERE, Path(parent, "infra"), ignore=shutil.ignore_patterns("__pycache__")))


def faults(folder: Path) -> list[str]:
    """What is wrong with the templates and parameters in a copy, one fault a line. Formats them there."""
    written = {path: path.read_text() for path in folder.glob(_FILES)}
    commands = (("build", _TEMPLATES), ("lint", _FILES), ("format", _FILES))
    said = [_bicep(folder, command, "--pattern", pattern).stderr for command, pattern in commands]
    found = [line.removeprefix(f"{folder}/") for text in said for line in text.splitlines()]
    changed = [path for path, text in written.items() if path.read_text() != text]
    found += [f"{path.relative_to(folder)} : bicep format would change it" for path in changed]
    return sorted(set(found))


def predict(deployment: str, folder: Path, environment: Mapping[str, str] = {}) -> str:
    """The snapshot of a deployment, as JSON: each resource with what is known of it before it is deployed.

    The environment adds to what the parameter files need at least.

    Raises SystemExit with what the compiler says of templates that do not compile.
    """
    if deployment == "options":
        deployment, environment = "main", OPTIONS
    file = folder / f"{deployment}.bicepparam"
    where = ["--tenant-id", _NOBODY, "--subscription-id", _NOBODY, "--deployment-name", deployment]
    if deployment != "main":
        where += ["--resource-group", f"rg-buzzguard-{deployment}"]
    done = _bicep(folder, "snapshot", str(file), "--mode", "overwrite", *where, environment=environment)
    if done.returncode:
        raise SystemExit(done.stderr)
    snapshot = json.loads(file.with_suffix(".snapshot.json").read_text())
    snapshot["outputs"] = dict(sorted(snapshot["outputs"].items()))  # they come in any order
    return json.dumps(snapshot, indent=2, ensure_ascii=False) + "\n"


def compile_(template: str, folder: Path) -> str:
    """What Azure gets of a template, as JSON. Raises SystemExit with what the compiler says of a faulty one."""
    done = _bicep(folder, "build", template, "--stdout")
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout


def _bicep(
    folder: Path, command: str, *arguments: str, environment: Mapping[str, str] = {}
) -> subprocess.CompletedProcess[str]:
    """Raises SystemExit where the compiler ends badly and does not say why: it was killed, or is none."""
    program = compiler()
    assert program is not None
    known = {name: os.environ[name] for name in ("HOME", "PATH") if name in os.environ}
    done = subprocess.run(
        [program, command, *arguments],
        cwd=folder,
        env={**known, **_ENVIRONMENT, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode and not done.stderr.strip():
        raise SystemExit(f"bicep {command} ended with {done.returncode}")
    return done


if __name__ == "__main__":
    main()
