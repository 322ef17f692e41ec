"""`python -m infra.bicep`: check every template and parameter file with Microsoft's compiler. `make check` runs this.

It compiles, lints and formats a copy. A warning is an error, and so is a file that `bicep format` would change. The
compiler is the program that BICEP names, or `bicep` on the PATH; without one, a single line says that nothing was
checked.

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

# azd's environment in the deployment `options`: every production option that docs/operations.md lists.
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

# Environment variables that the parameter files read without a default.
_ENVIRONMENT = {
    "AZURE_ENV_NAME": "buzzguard",
    "AZURE_FUNCTION_NAME": "func-buzzguard",
    "AZURE_INCIDENTS_GROUP": "ag-incidents-buzzguard",
    "AZURE_KEY_VAULT": "kv-buzzguard",
    "AZURE_LOCATION": "westeurope",
    "OPS_EMAIL": "ops@example.org",
}
_RUNTIME = {"DOTNET_TieredPGO": "0"}  # no profiling for a second compilation: a run takes seconds
_EMPTY_GUID = "00000000-0000-0000-0000-000000000000"
_TEMPLATES, _TEMPLATES_AND_PARAMETERS = "**/*.bicep", "**/*.bicep*"


def main() -> None:
    if sys.argv[1:] not in ([], ["snapshots"]):
        raise SystemExit(__doc__)
    write_snapshots = sys.argv[1:] == ["snapshots"]
    if find_compiler() is None:
        missing = "infra: no bicep on the PATH, and BICEP is not set"
        if write_snapshots:
            raise SystemExit(f"{missing}: cannot predict what would be deployed")
        print(f"{missing}: the templates were not checked")
        return
    with copy_of_templates() as folder:
        if not write_snapshots:
            sys.exit("\n".join(find_problems(folder)) or None)
        for deployment in DEPLOYMENTS:
            (SNAPSHOTS / f"{deployment}.json").write_text(predict_resources(deployment, folder))


def find_compiler() -> str | None:
    """Return the path of Microsoft's compiler, or None. Raises SystemExit if BICEP names something else."""
    named = os.environ.get("BICEP")
    found = shutil.which(named or "bicep")
    if named and found is None:
        raise SystemExit(f"BICEP is not a program: {named}")
    return found and str(Path(found).resolve())


@contextmanager
def copy_of_templates() -> Iterator[Path]:
    """Copy this folder: the compiler writes its output beside its input."""
    with tempfile.TemporaryDirectory() as parent:
        yield Path(shutil.copytree(_HERE, Path(parent, "infra"), ignore=shutil.ignore_patterns("__pycache__")))


def find_problems(folder: Path) -> list[str]:
    """Check the templates and parameter files in a copy. Return a line for each problem. Formats the files there."""
    before = {path: path.read_text() for path in folder.glob(_TEMPLATES_AND_PARAMETERS)}
    commands = (("build", _TEMPLATES), ("lint", _TEMPLATES_AND_PARAMETERS), ("format", _TEMPLATES_AND_PARAMETERS))
    output = [_bicep(folder, command, "--pattern", pattern).stderr for command, pattern in commands]
    problems = [line.removeprefix(f"{folder}/") for text in output for line in text.splitlines()]
    changed = [path for path, text in before.items() if path.read_text() != text]
    problems += [f"{path.relative_to(folder)} : bicep format would change it" for path in changed]
    return sorted(set(problems))


def predict_resources(deployment: str, folder: Path, environment: Mapping[str, str] = {}) -> str:
    """Return the snapshot of a deployment as JSON: each resource, as far as it is known before it is deployed.

    `environment` adds to the variables that the parameter files need. Raises SystemExit with the compiler's errors if
    the templates do not compile.
    """
    if deployment == "options":
        deployment, environment = "main", OPTIONS
    file = folder / f"{deployment}.bicepparam"
    scope = ["--tenant-id", _EMPTY_GUID, "--subscription-id", _EMPTY_GUID, "--deployment-name", deployment]
    if deployment != "main":
        scope += ["--resource-group", f"rg-buzzguard-{deployment}"]
    done = _bicep(folder, "snapshot", str(file), "--mode", "overwrite", *scope, environment=environment)
    if done.returncode:
        raise SystemExit(done.stderr)
    snapshot = json.loads(file.with_suffix(".snapshot.json").read_text())
    snapshot["outputs"] = dict(sorted(snapshot["outputs"].items()))  # the compiler's order varies
    return json.dumps(snapshot, indent=2, ensure_ascii=False) + "\n"


def compile_template(template: str, folder: Path) -> str:
    """Return the JSON that Azure gets for a template. Raises SystemExit with the compiler's errors."""
    done = _bicep(folder, "build", template, "--stdout")
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout


def _bicep(
    folder: Path, command: str, *arguments: str, environment: Mapping[str, str] = {}
) -> subprocess.CompletedProcess[str]:
    """Run the compiler. Raises SystemExit if it fails without a message: it was killed, or is another program."""
    program = find_compiler()
    assert program is not None
    inherited = {name: os.environ[name] for name in ("HOME", "PATH") if name in os.environ}
    done = subprocess.run(
        [program, command, *arguments],
        cwd=folder,
        env={**inherited, **_RUNTIME, **_ENVIRONMENT, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode and not done.stderr.strip():
        raise SystemExit(f"bicep {command} ended with {done.returncode}")
    return done


if __name__ == "__main__":
    main()
