"""What is deployed is what pyproject.toml asks for, in the versions that are tested."""

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
LOCKS = {"serve": "requirements.txt", "dev": "tools/requirements-dev.txt", "train": "tools/requirements-train.txt"}


def locked(group: str) -> dict[str, tuple[str, frozenset[str]]]:
    """name -> (version, hashes) of a lock."""
    text = (ROOT / LOCKS[group]).read_text()
    return {
        name: (version, frozenset(re.findall("sha256:[0-9a-f]{64}", hashes)))
        for name, version, hashes in re.findall(r"^(\S+)==(\S+)((?: \\\n    --hash=\S+)+)$", text, re.MULTILINE)
    }


def needs(name: str) -> list[str]:
    """What an installed distribution requires, or what pyproject.toml says it does."""
    overrides = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]["dependency-metadata"]
    said = {override["name"]: override["requires-dist"] for override in overrides}
    return said[name] if name in said else distribution(name).requires or []


def asked(group: str) -> list[Requirement]:
    """The direct requirements of a group, those of the groups it includes too."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    found = []
    for entry in groups[group]:
        found += asked(entry["include-group"]) if isinstance(entry, dict) else [Requirement(entry)]
    return found


def closure(requirements: list[Requirement]) -> set[str]:
    """Everything the requirements need, by the metadata of what is installed."""
    seen: set[tuple[str, str]] = set()
    todo = [(r, extra) for r in requirements for extra in ("", *r.extras)]
    while todo:
        requirement, extra = todo.pop()
        name = canonicalize_name(requirement.name)
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        for text in needs(name):
            needed = Requirement(text)
            if needed.marker is None or needed.marker.evaluate(PLATFORM | {"extra": extra}):
                todo += [(needed, e) for e in ("", *needed.extras)]
    return {name for name, _ in seen}


@pytest.mark.parametrize("group", LOCKS)
def test_a_lock_holds_what_its_group_asks_for_and_nothing_else(group: str) -> None:
    lock = locked(group)
    for requirement in asked(group):
        version, hashes = lock[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), requirement
        assert hashes
    assert set(lock) == closure(asked(group))


@pytest.mark.parametrize("group", ["serve", "dev"])
def test_what_is_tested_is_what_is_deployed(group: str) -> None:
    assert locked(group).items() <= locked("train").items()


@pytest.mark.parametrize("group", LOCKS)
def test_what_is_installed_is_what_is_locked(group: str) -> None:
    assert {name: distribution(name).version for name in locked(group)} == {n: v for n, (v, _) in locked(group).items()}


def test_the_way_of_a_tweet_imports_nothing_it_need_not() -> None:
    """What costs a cold start: the SDKs are loaded by the first feedback, training's libraries never."""
    code = """
import os, sys
os.environ |= {"RECEIPT_KEY": "k" * 32, "TABLES_CONNECTION_STRING": "AccountName=nobody"}
import function_app
heavy = {"azure.data.tables", "azure.storage", "azure.core", "azure.identity", "opentelemetry", "simplemma", "requests",
         "sklearn", "pandas", "scipy", "onnx", "mlflow", "starlette", "httpx", "keras", "tensorflow", "optuna",
         "training"}
print(sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
