"""The workflows: what they may do, and what deploy.yml does when a deployment goes wrong, with `az` and `gh` played."""

import copy
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT

FILES = sorted((ROOT / ".github/workflows").glob("*.yml"))
WORKFLOWS: dict[str, dict[str, Any]] = {path.stem: yaml.safe_load(path.read_text()) for path in FILES}
DEPLOY = WORKFLOWS["deploy"]["jobs"]["deploy"]

ALLOWED = {"test": {"contents"}, "lint": {"contents"}}  # the others deploy
DEPLOYER = {"actions": "read", "contents": "read", "id-token": "write"}


def faults(workflows: dict[str, dict[str, Any]]) -> Iterator[str]:
    """What no workflow here may do."""
    for file, workflow in workflows.items():
        if workflow["permissions"] != {}:
            yield f"{file}: a job must ask for the permissions it needs"
        if "secrets" in json.dumps(workflow):
            yield f"{file}: there are no secrets"
        for name, job in workflow["jobs"].items():
            wanted = dict.fromkeys(ALLOWED[name], "read") if name in ALLOWED else DEPLOYER
            if job.get("permissions") != wanted:
                yield f"{file}: {name}: its permissions must be {wanted}"
            if "uses" not in job and not job.get("timeout-minutes"):
                yield f"{file}: {name}: it may run for six hours"
            for used in [job.get("uses", "$/"), *(step["uses"] for step in job.get("steps", []) if "uses" in step)]:
                if not re.fullmatch(r"\$/.*|[\w-]+/[\w-]+@[0-9a-f]{40}", used):
                    yield f"{file}: {used} is not pinned by a full hash"
            for step in job.get("steps", []):
                if "${{" in step.get("run", ""):
                    yield f"{file}: {name}: a value of others is pasted into a script"
                if "checkout" in step.get("uses", "") and step["with"].get("persist-credentials") is not False:
                    yield f"{file}: {name}: the checkout keeps a token"
    if "concurrency" in workflows["ci"]:
        yield "ci: a run that waits for approval keeps the next from its tests"
    deploying = [name for name, job in workflows["ci"]["jobs"].items() if "uses" in job]
    if deploying != ["dev", "prod"] or workflows["ci"]["jobs"]["prod"]["needs"] != "dev":
        yield "ci: what was not in dev goes to prod"
    if workflows["ci"]["jobs"]["dev"]["needs"] != "test":
        yield "ci: what was not tested goes to dev"
    if "refs/heads/main" not in workflows["ci"]["jobs"]["dev"]["if"]:
        yield "ci: a branch is deployed"
    if workflows["deploy"]["jobs"]["deploy"]["environment"] != "${{ inputs.environment }}":
        yield "deploy: nobody is asked for approval"
    if any(workflows["deploy"]["jobs"]["deploy"]["concurrency"][key] for key in ["cancel-in-progress"]):
        yield "deploy: a deployment is broken off half-way"


def break_(path: str, wrong: Any) -> Callable[[dict[str, Any]], None]:
    """Sets what is at a path of keys with slashes between them."""

    def change(workflows: dict[str, Any]) -> None:
        *keys, last = [int(key) if key.isdigit() else key for key in path.split("/")]
        part: Any = workflows
        for key in keys:
            part = part[key]
        part[last] = wrong

    return change


def test_the_workflows_do_what_they_may() -> None:
    assert list(faults(WORKFLOWS)) == []


@pytest.mark.parametrize(
    ("mistake", "fault"),
    [
        (break_("ci/permissions", {"contents": "write"}), "must ask for the permissions"),
        (break_("ci/jobs/test/permissions", {"contents": "write"}), "its permissions must be"),
        (
            break_("api-versions/jobs/lint/permissions", {"contents": "read", "id-token": "write"}),
            "its permissions must be",
        ),
        (break_("ci/jobs/test/steps/0/uses", "actions/checkout@v6"), "not pinned"),
        (break_("ci/jobs/test/steps/0/with", {}), "keeps a token"),
        (break_("ci/jobs/test/timeout-minutes", None), "six hours"),
        (break_("ci/concurrency", {"group": "ci-${{ github.ref }}"}), "keeps the next from its tests"),
        (break_("ci/jobs/dev/uses", "someone/else/.github/workflows/deploy.yml@main"), "not pinned"),
        (break_("ci/jobs/dev/needs", []), "not tested goes to dev"),
        (break_("ci/jobs/dev/if", "vars.DEPLOY == 'true'"), "a branch is deployed"),
        (break_("ci/jobs/prod/needs", "test"), "not in dev goes to prod"),
        (break_("deploy/jobs/deploy/environment", "dev"), "approval"),
        (break_("deploy/jobs/deploy/env/KEY", "${{ secrets.KEY }}"), "no secrets"),
        (break_("deploy/jobs/deploy/steps/0/run", "echo ${{ inputs.run }}"), "pasted into a script"),
        (break_("deploy/jobs/deploy/concurrency/cancel-in-progress", True), "broken off"),
    ],
)
def test_a_mistake_is_found(mistake: Callable[[dict[str, Any]], None], fault: str) -> None:
    workflows = copy.deepcopy(WORKFLOWS)
    mistake(workflows)
    assert fault in "\n".join(faults(workflows))


def test_the_linters_of_workflows_and_scripts_are_in_make_check() -> None:
    done = subprocess.run(["make", "--dry-run", "check"], cwd=ROOT, capture_output=True, text=True, check=True)
    for linter in ("actionlint -shellcheck", "zizmor --offline", "shellcheck .ci/run", "-m infra.bicep"):
        assert linter in done.stdout


def test_what_is_deployed_is_what_was_tested() -> None:
    """One artifact, made after every test and before anything is deployed."""
    steps = WORKFLOWS["ci"]["jobs"]["test"]["steps"]
    order = [step.get("run", step.get("uses", "")).split("@")[0] for step in steps]
    assert order.index("make test") < order.index("make package build/azure") < order.index("actions/upload-artifact")
    assert order[-1] == "actions/upload-artifact"
    download = next(step for step in DEPLOY["steps"] if "download-artifact" in step.get("uses", ""))
    assert (steps[-1]["with"]["path"], download["with"]["path"]) == ("build/buzzguard.zip", "build")
    assert steps[-1]["with"]["name"] == download["with"]["name"] == "package"
    assert download["with"]["run-id"] == "${{ inputs.run }}"


# What `az` says; every call is written down. What it prints depends on what a test wants to have happened.
AZ = r"""#!/bin/bash
echo "az $*" >>"$CALLS"
case "$BROKEN: $*" in
    infrastructure:*" sub create "*) exit 1 ;;
    upload:*" --src build/buzzguard.zip "*) exit 1 ;;
esac
case "$*" in
    "group exists "*) echo "$EXISTS" ;;
    "functionapp list "*) echo func-x ;;
    *SMTP_HOST*) echo smtp.example ;;
    *"name=='MODEL'"*) echo lite ;;
    "deployment sub create "*) cat "$OUTPUTS" ;;
    "storage blob exists "*) echo true ;;
esac
"""
GH = r"""#!/bin/bash
echo "$RUN_SAYS"
"""
# infra/verify.sh hands over to infra/smoke.py: it fails for the new package if a test wants that.
PYTHON = r"""#!/bin/bash
echo "smoke $3 with $MODEL" >>"$CALLS"
[ "$BROKEN" != predictions ] || [ "$3" != build/buzzguard.zip ]
"""
TESTED = {"workflowName": "ci", "event": "push", "headBranch": "main", "headSha": "abc", "conclusion": "success"}


@pytest.fixture
def deploy(tmp_path: Path) -> Callable[..., tuple[list[str], list[str]]]:
    """Runs the scripts of deploy.yml in a folder, as GitHub does; gives the names of those that ran, and the calls."""
    if shutil.which("jq") is None:
        pytest.skip("jq, which GitHub's machines have, is not here")
    shutil.copytree(ROOT / "infra", tmp_path / "infra")
    (tmp_path / "bin").mkdir()
    for name, text in {"az": AZ, "gh": GH, "python3": PYTHON}.items():
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    outputs = re.findall(r"^output (\w+)", (ROOT / "infra/main.bicep").read_text(), re.MULTILINE)
    oddly = {name[:5].lower() + name[5:]: {"type": "String", "value": f"<{name}>"} for name in outputs}  # as Azure does
    (tmp_path / "outputs.txt").write_text(json.dumps(oddly))

    def run(broken: str = "", exists: bool = True, says: dict[str, str] = TESTED, this_run: str = "7") -> Any:
        world = {
            "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
            "CALLS": str(tmp_path / "calls"),
            "OUTPUTS": str(tmp_path / "outputs.txt"),
            "BROKEN": broken,
            "EXISTS": str(exists).lower(),
            "RUN_SAYS": json.dumps(says),
        }
        given = {
            "inputs": {"environment": "prod", "run": "7"},
            "vars": {name: f"<{name}>" for name in ("AZURE_LOCATION", "AZURE_SUBSCRIPTION_ID", "OPS_EMAIL")},
            "github": {"run_id": this_run, "token": "t", "repository": "o/r"},
            "steps": {},
        }
        ran = _run(DEPLOY, given, world, tmp_path)
        return ran, (tmp_path / "calls").read_text().splitlines() if (tmp_path / "calls").exists() else []

    return run


def _run(job: dict[str, Any], given: dict[str, Any], world: dict[str, str], folder: Path) -> list[str]:
    """The steps with a script, in order: a step runs unless one before it failed, or if its condition says so."""
    ran, failed = [], False
    environment = world | {name: _filled(text, given) for name, text in job["env"].items()}
    for step in job["steps"]:
        name, identity = step.get("name", ""), step.get("id", "")
        given["steps"][identity] = {"outcome": "skipped", "outputs": {}}
        if "run" not in step or not _due(step.get("if", ""), given, failed):
            continue
        ran.append(name)
        own = {key: _filled(text, given) for key, text in step.get("env", {}).items()}
        files = {key: folder / key.lower() for key in ("GITHUB_ENV", "GITHUB_OUTPUT")}
        for path in files.values():
            path.write_text("")
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        done = subprocess.run(
            command, cwd=folder, env=environment | own | {key: str(path) for key, path in files.items()}
        )
        failed = failed or done.returncode != 0
        given["steps"][identity] = {
            "outcome": "failure" if done.returncode else "success",
            "outputs": _pairs(files["GITHUB_OUTPUT"]),
        }
        environment |= _pairs(files["GITHUB_ENV"])
    return [*ran, "(failed)"] if failed else ran


def _due(condition: str, given: dict[str, Any], failed: bool) -> bool:
    """Whether a step runs: && and != of the expressions of GitHub, no more."""
    if "failure()" not in condition and failed:
        return False
    for part in filter(None, condition.split(" && ")):
        left, unequal, right = part.partition(" != ")
        held = failed if left == "failure()" else _looked_up(left, given)
        if not held or (unequal and held == right.strip("'")):
            return False
    return True


def _filled(text: str, given: dict[str, Any]) -> str:
    return re.sub(r"\$\{\{ (\S+) \}\}", lambda match: str(_looked_up(match[1], given)), text)


def _looked_up(path: str, given: dict[str, Any]) -> Any:
    found: Any = given
    for part in path.split("."):
        found = found.get(part, "")
    return found


def _pairs(path: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in path.read_text().splitlines())


type Deploy = Callable[..., tuple[list[str], list[str]]]


def position(calls: list[str], start: str) -> int:
    return next(number for number, call in enumerate(calls) if start in call)


def test_a_deployment(deploy: Deploy) -> None:
    ran, calls = deploy()
    assert "Return to the previous package and model" not in ran and "(failed)" not in ran
    order = [
        "deployment sub what-if",
        "deployment sub create",
        "storage blob download",
        "--src build/buzzguard.zip",
        "smoke build/buzzguard.zip",
        "deployment group create",
    ]
    assert [position(calls, start) for start in order] == sorted(position(calls, start) for start in order)
    what_if, create = (calls[position(calls, start)] for start in order[:2])
    assert what_if.partition(" --name")[2] == create.partition(" --name")[2].partition(" --query")[0]
    assert "@infra/prod.parameters.json" in create and "location=<AZURE_LOCATION>" in create
    assert "--parameters infra/incidents.bicepparam" in calls[position(calls, "deployment group create")]


@pytest.mark.parametrize("broken", ["predictions", "upload"])
def test_a_package_that_fails_is_replaced_by_the_one_before_with_its_model(deploy: Deploy, broken: str) -> None:
    ran, calls = deploy(broken)
    assert ran[-2:] == ["Return to the previous package and model", "(failed)"]
    back = [position(calls, "MODEL=lite"), position(calls, "--src previous.zip"), position(calls, "smoke previous.zip")]
    assert position(calls, "--src build/buzzguard.zip") < back[0] and back == sorted(back)
    assert not [call for call in calls if "deployment group create" in call]


def test_the_first_deployment_has_nothing_to_return_to(deploy: Deploy) -> None:
    ran, calls = deploy("predictions", exists=False)
    assert ran[-2:] == ["Ask it for predictions", "(failed)"]
    assert not [call for call in calls if "storage blob" in call or "previous.zip" in call]


def test_infrastructure_that_fails_touches_no_package(deploy: Deploy) -> None:
    ran, calls = deploy("infrastructure")
    assert ran[-2:] == ["Deploy the infrastructure", "(failed)"]
    assert not [call for call in calls if "config-zip" in call]


@pytest.mark.parametrize(
    "strange",
    [{"workflowName": "other"}, {"event": "pull_request"}, {"headBranch": "topic"}, {"conclusion": "failure"}],
)
def test_nothing_is_deployed_that_ci_did_not_pass_on_main(deploy: Deploy, strange: dict[str, str]) -> None:
    ran, calls = deploy(says=TESTED | strange, this_run="8")
    assert ran == ["Only what ci tested on main", "(failed)"]
    assert calls == []


def test_ci_deploys_what_it_has_just_tested(deploy: Deploy) -> None:
    """It has no conclusion yet: the jobs before this one passed."""
    ran, _ = deploy(says=TESTED | {"conclusion": ""}, this_run="7")
    assert "(failed)" not in ran
