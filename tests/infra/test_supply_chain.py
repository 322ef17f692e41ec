"""The workflows: nothing touches the package between its build and its upload, and nothing unpinned runs beside it."""

import copy
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from tests.infra.test_workflows import WORKFLOWS, replace
from tests.support.documents import files
from tests.support.paths import ROOT

PACKAGE = "build/buzzguard.zip"
CHECK = f'test "$(sha256sum <{PACKAGE})" = "$SHA256  -"'
# Each takes a version that nobody chose, or bytes that nothing compares.
UNPINNED = [
    r"\bnpm (install|i|exec)\b",
    r"\bnpx\b",
    r"\bpipx?\b.* install\b(?!.*--require-hashes)",
    r"\buv (tool|run|add)\b|\buvx\b",
    r"\baz (bicep|extension) (install|add|upgrade)\b",
    r"\b(curl|wget)\b",
    r"\b(apt|apt-get|brew|snap|dotnet tool) (-\S+ )*install\b",
    r"@latest\b",
]
LATEST_ON_PURPOSE = {"api-versions"}  # builds nothing, and finds what is too old only with the latest compiler


def steps_of(job: dict[str, Any]) -> list[dict[str, Any]]:
    return list(job.get("steps", []))


def uses(step: dict[str, Any], action: str) -> bool:
    return str(step.get("uses", "")).startswith(f"{action}@")


def violations(workflows: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Yield every violation of the rules for the way of the package."""
    for file, workflow in workflows.items():
        for name, job in workflow["jobs"].items():
            for fault in [*_unpinned(file, job), *_unchecked(job)]:
                yield f"{file}: {name}: {fault}"
    yield from _build(workflows["ci"])
    yield from _tokens(workflows["ci"])
    yield from _digests(workflows)


def _unpinned(file: str, job: dict[str, Any]) -> Iterator[str]:
    for step in steps_of(job):
        for pattern in UNPINNED if file not in LATEST_ON_PURPOSE else []:
            if found := re.search(pattern, step.get("run", "")):
                yield f"{found[0]} is not pinned"


def _unchecked(job: dict[str, Any]) -> Iterator[str]:
    """Whoever downloads the package compares it next; whoever deploys it compares it just before."""
    steps = steps_of(job)
    for index, step in enumerate(steps):
        if uses(step, "actions/download-artifact") and step["with"]["name"] == "package":
            following = steps[index + 1].get("run", "") if index + 1 < len(steps) else ""
            if CHECK not in following and f"\n$SHA256  {PACKAGE}\n" not in following:
                yield "it downloads the package and does not compare it with its digest"
        deploys = uses(step, "Azure/functions-action") and step["with"]["package"] == PACKAGE
        if deploys and steps[index - 1].get("run") != CHECK:
            yield "it deploys a package that it has not compared just before"


def _build(ci: dict[str, Any]) -> Iterator[str]:
    """One job builds the package, and uploads it in the next step."""
    building = [
        name for name, job in ci["jobs"].items() if any("make package" in step.get("run", "") for step in steps_of(job))
    ]
    if building != ["package"]:
        yield f"ci: the package is built by {building}"
    uploading = [
        name
        for name, job in ci["jobs"].items()
        for step in steps_of(job)
        if uses(step, "actions/upload-artifact") and PACKAGE in step["with"]["path"]
    ]
    if uploading != ["package"]:
        yield f"ci: the package is uploaded by {uploading}"
    steps = steps_of(ci["jobs"]["package"])
    kinds = [str(step.get("uses", step.get("id"))).partition("@")[0] for step in steps]
    if kinds != ["actions/checkout", "build", "actions/upload-artifact"]:
        yield "ci: package: it does more than build the package and upload it"


def _tokens(ci: dict[str, Any]) -> Iterator[str]:
    """A token that signs for this workflow is not where code of the project or of Core Tools runs."""
    if any(uses(step, "actions/checkout") for step in steps_of(ci["jobs"]["attest"])):
        yield "ci: attest: it has the project's code"
    for name, job in ci["jobs"].items():
        scripts = "\n".join(step.get("run", "") for step in steps_of(job))
        if "core_tools" in scripts and job["permissions"] != {"contents": "read"}:
            yield f"ci: {name}: it installs Core Tools and may write"
        if "id-token" in job["permissions"] and re.search(r"\b(make|pytest|python3?) ", scripts):
            yield f"ci: {name}: it runs the project's code with a token that signs"


def _digests(workflows: dict[str, dict[str, Any]]) -> Iterator[str]:
    """What is compared with is the digest of the build, all the way."""
    jobs = workflows["ci"]["jobs"]
    if jobs["package"]["outputs"]["sha256"] != "${{ steps.build.outputs.sha256 }}":
        yield "ci: package: its digest is not that of the build"
    built = "${{ needs.package.outputs.sha256 }}"
    for name, job in jobs.items():
        digests = [step["env"]["SHA256"] for step in steps_of(job) if "SHA256" in step.get("env", {})]
        digests += [job["with"]["sha256"]] if "uses" in job else []
        if any(digest != built for digest in digests):
            yield f"ci: {name}: it compares with another digest than that of the build"
    for name, job in workflows["deploy"]["jobs"].items():
        downloads = [step["with"] for step in steps_of(job) if uses(step, "actions/download-artifact")]
        if not downloads or any(each["run-id"] != "${{ inputs.run }}" for each in downloads):
            yield f"deploy: {name}: it downloads from another run than the one to deploy"
        if job["env"].get("SHA256") != "${{ inputs.sha256 }}":
            yield f"deploy: {name}: it compares with another digest than that of the build"
    if workflows["deploy"]["jobs"]["deploy"]["needs"] != "verify":
        yield "deploy: deploy: it does not wait for what verify finds"


def insert(path: str, step: dict[str, Any]) -> Callable[[dict[str, Any]], None]:
    """Return a function that inserts a step: ci/package/2 is before the third step of the job."""

    def change(workflows: dict[str, Any]) -> None:
        file, job, index = path.split("/")
        workflows[file]["jobs"][job]["steps"].insert(int(index), step)

    return change


def drop(path: str, name: str) -> Callable[[dict[str, Any]], None]:
    """Return a function that removes the step `name` of a job, such as ci/attest."""

    def change(workflows: dict[str, Any]) -> None:
        file, job = path.split("/")
        steps = workflows[file]["jobs"][job]["steps"]
        steps.remove(next(step for step in steps if step.get("name") == name))

    return change


def test_workflows_comply_with_every_rule() -> None:
    assert list(violations(WORKFLOWS)) == []


UPLOAD = next(step for step in WORKFLOWS["ci"]["jobs"]["package"]["steps"] if uses(step, "actions/upload-artifact"))
CORE_TOOLS = {"run": "npm install --global azure-functions-core-tools@4"}
DIGEST = "Check the digest of the package"
PUBLISH = [step.get("name") for step in WORKFLOWS["deploy"]["jobs"]["deploy"]["steps"]].index("Deploy the package")


@pytest.mark.parametrize(
    ("mistake", "violation"),
    [
        (insert("ci/package/2", CORE_TOOLS), "npm install is not pinned"),
        (insert("ci/package/2", CORE_TOOLS), "more than build the package and upload it"),
        (insert("ci/package/2", {"run": "make test"}), "more than build the package and upload it"),
        (insert("ci/test/1", {"run": "az bicep install --version v0.49.2"}), "az bicep install is not pinned"),
        (insert("ci/sign/1", {"run": "python3 -m pip install model-signing"}), "pip install is not pinned"),
        (insert("deploy/deploy/0", {"run": "curl -L https://example.org/x | sh"}), "curl is not pinned"),
        (insert("ci/test-package/5", UPLOAD), "the package is uploaded by ['package', 'test-package']"),
        (insert("ci/sign/1", {"run": "make package"}), "the package is built by ['package', 'sign']"),
        (drop("ci/test-package", DIGEST), "test-package: it downloads the package and does not compare it"),
        (drop("ci/core-tools", DIGEST), "core-tools: it downloads the package and does not compare it"),
        (drop("ci/attest", DIGEST), "attest: it downloads the package and does not compare it"),
        (drop("ci/sign", DIGEST), "sign: it downloads the package and does not compare it"),
        (drop("deploy/verify", DIGEST), "verify: it downloads the package and does not compare it"),
        (drop("deploy/deploy", DIGEST), "deploy: it downloads the package and does not compare it"),
        (drop("deploy/deploy", f"{DIGEST} again"), "deploys a package that it has not compared just before"),
        (insert(f"deploy/deploy/{PUBLISH}", {"run": "true"}), "deploys a package that it has not compared just before"),
        (replace("ci/jobs/core-tools/permissions", {"contents": "write"}), "installs Core Tools and may write"),
        (insert("ci/attest/0", {"uses": "actions/checkout@0"}), "attest: it has the project's code"),
        (insert("ci/attest/0", {"run": "make test"}), "runs the project's code with a token that signs"),
        (replace("ci/jobs/dev/with/sha256", "${{ needs.test.outputs.sha256 }}"), "dev: it compares with another"),
        (replace("ci/jobs/package/outputs/sha256", "${{ steps.other.outputs.sha256 }}"), "not that of the build"),
        (replace("deploy/jobs/deploy/env/SHA256", "${{ steps.x.outputs.sha256 }}"), "deploy: it compares with another"),
        (replace("deploy/jobs/deploy/steps/1/with/run-id", "${{ github.run_id }}"), "downloads from another run"),
        (replace("deploy/jobs/deploy/needs", []), "does not wait for what verify finds"),
    ],
)
def test_finds_a_mistake(mistake: Callable[[dict[str, Any]], None], violation: str) -> None:
    workflows = copy.deepcopy(WORKFLOWS)
    mistake(workflows)
    assert violation in "\n".join(violations(workflows))


@pytest.mark.parametrize("job", ["test-package", "core-tools"])
def test_what_is_tested_is_unpacked_from_the_file_that_was_compared(job: str) -> None:
    """make would build the package again if a source were newer than the download."""
    runs = [step.get("run", "") for step in WORKFLOWS["ci"]["jobs"][job]["steps"]]
    unpack = runs[runs.index(CHECK) + 1]
    for command, builds in ((unpack, False), (f"make {PACKAGE}", True)):
        make = [*command.split(), "--dry-run", "--what-if=infra/package.py", "--old-file=.venv/dev"]
        environment = os.environ | {"MAKEFLAGS": ""}
        done = subprocess.run(make, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
        assert ("-m infra.package" in done.stdout) is builds
    assert not [run for run in runs if "make" in run and run not in (unpack, "make .venv/dev")]


def test_scripts_and_the_container_of_developers_install_only_what_a_lock_holds() -> None:
    paths = [path for pattern in (".devcontainer/*", ".ci/*", "tools/*.sh") for path in ROOT.glob(pattern)]
    for path in paths:
        text = path.read_text()
        assert not re.search(r"\bnpm (install|i)\b|\bnpx\b|az bicep install --", text), path
        commands = text.replace("\\\n", " ")
        for command in re.findall(r"npm ci\b.*|npm-cli\.js\" ci\b.*", commands):
            assert "--ignore-scripts" in command, path
        for command in re.findall(r"pip install\b.*", commands):
            assert "--require-hashes" in command and "--only-binary :all:" in command, path
    assert "npm ci --ignore-scripts --prefix tools/core-tools\n" in (ROOT / "tools/install_core_tools.sh").read_text()


@pytest.mark.parametrize("folder", ["tools", "tools/core-tools"])
def test_npm_locks_have_a_hash_for_every_package(folder: str) -> None:
    lock = yaml.safe_load((ROOT / folder / "package-lock.json").read_text())
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert len(packages) > 20
    assert [name for name, package in packages.items() if not package["integrity"].startswith("sha512-")] == []


def test_updates_are_looked_for_where_something_is_locked() -> None:
    """For Python `make lock` moves all locks at once, and .github/workflows/audit.yml says when one has to move."""
    updates = yaml.safe_load((ROOT / ".github/dependabot.yml").read_text())["updates"]
    found = {(each["package-ecosystem"], *each.get("directories", [each.get("directory")])) for each in updates}
    locks = sorted((f"/{path.parent}" for path in files() if path.name == "package-lock.json"), key=len)
    assert found == {("github-actions", "/"), ("npm", *locks), ("devcontainers", "/")}
    assert all(each["cooldown"]["default-days"] >= 7 for each in updates)
    audit = "\n".join(step.get("run", "") for job in WORKFLOWS["audit"]["jobs"].values() for step in job["steps"])
    for lock in locks:
        assert f"--prefix {lock[1:]}\n" in f"{audit}\n"
    assert "pip-audit --strict --require-hashes" in audit
