"""The locks hold what pyproject.toml requires. The app is deployed in the versions that are tested."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import distribution

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.paths import ROOT

PLATFORM = {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64", "os_name": "posix"}
INSTALLED = {"serve": "requirements.txt", "dev": "tools/requirements-dev.txt", "train": "tools/requirements-train.txt"}
# Each of the others is installed alone, where nothing else is.
LOCKS = INSTALLED | {group: f"tools/requirements-{group}.txt" for group in ("uv", "node", "sign", "audit")}


def locked(group: str) -> dict[str, tuple[str, frozenset[str]]]:
    """Return the version and the hashes of every package in a lock."""
    text = (ROOT / LOCKS[group]).read_text()
    return {
        name: (version, frozenset(re.findall("sha256:[0-9a-f]{64}", hashes)))
        for name, version, hashes in re.findall(r"^(\S+)==(\S+)((?: \\\n    --hash=\S+)+)$", text, re.MULTILINE)
    }


def requirements_of(name: str) -> list[str]:
    """Return what an installed distribution requires, or what pyproject.toml overrides it with."""
    overrides = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]["dependency-metadata"]
    overridden = {override["name"]: override["requires-dist"] for override in overrides}
    return overridden[name] if name in overridden else distribution(name).requires or []


def direct_requirements(group: str) -> list[Requirement]:
    """Return the direct requirements of a group and of the groups that it includes."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    found = []
    for entry in groups[group]:
        found += direct_requirements(entry["include-group"]) if isinstance(entry, dict) else [Requirement(entry)]
    return found


def closure(requirements: list[Requirement]) -> set[str]:
    """Return the names of all direct and indirect requirements, from the metadata of what is installed."""
    seen: set[tuple[str, str]] = set()
    todo = [(r, extra) for r in requirements for extra in ("", *r.extras)]
    while todo:
        requirement, extra = todo.pop()
        name = canonicalize_name(requirement.name)
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        for text in requirements_of(name):
            needed = Requirement(text)
            if needed.marker is None or needed.marker.evaluate(PLATFORM | {"extra": extra}):
                todo += [(needed, e) for e in ("", *needed.extras)]
    return {name for name, _ in seen}


@pytest.mark.parametrize("group", LOCKS)
def test_lock_has_a_hash_for_every_package(group: str) -> None:
    named = re.findall(r"^(\S+)==", (ROOT / LOCKS[group]).read_text(), re.MULTILINE)
    assert named and sorted(locked(group)) == sorted(named)


@pytest.mark.parametrize("group", [*INSTALLED, "uv", "sign"])
def test_lock_holds_what_its_group_requires_and_nothing_else(group: str) -> None:
    lock = locked(group)
    for requirement in direct_requirements(group):
        version, hashes = lock[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), requirement
        assert hashes
    assert set(lock) == closure(direct_requirements(group))


@pytest.mark.parametrize("group", ["serve", "dev", "sign", "uv"])
def test_deployed_versions_are_those_that_are_tested(group: str) -> None:
    assert locked(group).items() <= locked("train").items()


@pytest.mark.parametrize("group", INSTALLED)
def test_installed_versions_are_those_of_the_lock(group: str) -> None:
    assert {name: distribution(name).version for name in locked(group)} == {n: v for n, (v, _) in locked(group).items()}


def test_loading_the_app_imports_nothing_heavy() -> None:
    """Imports lengthen a cold start. The first feedback imports the SDKs; nothing imports the libraries of training."""
    code = """
import os, sys
os.environ |= {"RECEIPT_KEY": "k" * 32, "TABLES_CONNECTION_STRING": "AccountName=nobody"}
import function_app
heavy = {"azure.data.tables", "azure.storage", "azure.core", "azure.identity", "opentelemetry", "simplemma", "requests",
         "phonenumbers", "stdnum",
         "sklearn", "pandas", "scipy", "onnx", "mlflow", "starlette", "httpx", "keras", "tensorflow", "optuna",
         "training"}
print(sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
