"""The workflows: what they may do, and what deploy.yml does when a deployment goes wrong, with `az` and `gh` played."""

import copy
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from infra import bicep, smoke
from tests.infra.fakes import LABELS, FakeApp, package
from tests.support import package_tests
from tests.support.paths import ROOT

FILES = sorted((ROOT / ".github/workflows").glob("*.yml"))
WORKFLOWS: dict[str, dict[str, Any]] = {path.stem: yaml.safe_load(path.read_text()) for path in FILES}
DEPLOY = WORKFLOWS["deploy"]["jobs"]["deploy"]
TEMPLATES = "".join(path.read_text() for path in (ROOT / "infra").glob("*.bicep"))
OUTPUTS = {name: f"<{name}>" for name in re.findall(r"^output (AZURE_\w+)", TEMPLATES, re.MULTILINE)}

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


def test_ci_runs_the_tests_of_the_checkout_against_the_package() -> None:
    """All that tests/e2e/test_package.py runs, and the rest of telemetry and contract."""
    runs = "\n".join(step.get("run", "") for step in WORKFLOWS["ci"]["jobs"]["test"]["steps"])
    (names,) = re.findall(r"tests/e2e/test_\{(.+)\}\.py tests/contract$", runs, re.MULTILINE)
    assert set(names.split(",")) == {*package_tests.MODULES, "telemetry"}


def test_core_tools_start_in_ci_with_the_settings_of_a_newcomer() -> None:
    (run,) = (step["run"] for step in WORKFLOWS["ci"]["jobs"]["test"]["steps"] if "func start" in step.get("run", ""))
    assert "\ncp local.settings.sample.json build/azure/local.settings.json\n" in run


# What `az` says; every call is written down. runs.zip is the package in Azure, the file `model` the setting MODEL.
AZ = r"""#!/bin/bash
echo "az $*" >>calls
case "$*" in
    "functionapp list "*) [ ! -f runs.zip ] || echo func-x ;;
    *SMTP_HOST*) echo smtp.example ;;
    *"name=='MODEL'"*) cat model ;;
    "functionapp config appsettings list "*)
        echo "[{\"name\": \"AUTH_LEVEL\", \"value\": \"function\"}, {\"name\": \"MODEL\", \"value\": \"$(<model)\"}]" ;;
    "functionapp config appsettings set "*) [[ "$*" =~ MODEL=([^ ]*) ]]; echo "${BASH_REMATCH[1]}" >model ;;
    "functionapp keys list "*) echo '"k"' ;;
    "rest --method get "*) echo '{"value": []}' ;;
    "deployment group create --name buzzguard-"*) [ "$BROKEN" != infrastructure ] && cat outputs.txt && echo >model ;;
    "storage account show "*) echo '"Enabled"' ;;
    "storage blob exists "*) echo "{\"exists\": $([ -f runs.zip ] && echo true || echo false)}" ;;
    "storage blob download "*) [[ "$*" =~ --file\ ([^ ]+) ]]; cp runs.zip "${BASH_REMATCH[1]}" ;;
esac
"""
GH = r"""#!/bin/bash
echo "$RUN_SAYS"
"""
# Python, for which time passes only when it sleeps.
PYTHON = f"""#!/bin/sh
echo "python3 $*" >>calls
exec {sys.executable} -S clock.py "$@"
"""
CLOCK = """
import runpy, sys, time
passed = [0.0]
time.monotonic = lambda: passed[0]
time.sleep = lambda seconds: passed.append(passed.pop() + seconds)
del sys.argv[:2]  # clock.py -m
sys.path.insert(0, "")
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""
TESTED = {"workflowName": "ci", "event": "push", "headBranch": "main", "headSha": "abc", "conclusion": "success"}
NEW, BEFORE = "build/buzzguard.zip", "previous.zip"


class Azure(FakeApp):
    """The app, in which Azure/functions-action puts packages. `broken` names what goes wrong with a new one."""

    def __init__(self, folder: Path, broken: str) -> None:
        super().__init__(key="k")
        self.folder, self.broken = folder, broken

    def publish(self, given: dict[str, str]) -> bool:
        """Whether the action ends well. Only this way of calling it keeps the platform from building anew."""
        assert (given["sku"], given["remote-build"]) == ("flexconsumption", "False")
        new = given["package"] == NEW
        if new and self.broken == "upload":
            return False
        self.ready = smoke.shipped(str(self.folder / given["package"]), (self.folder / "model").read_text().strip())
        if new and self.broken == "build":
            self.ready["build"] = "another"
        self.labels = ("negative", "negative") if new and self.broken == "predictions" else LABELS
        return True


class Played(NamedTuple):
    ran: list[str]  # names of the steps
    calls: list[str]
    log: str
    runs: dict[str, Any] | None  # what the app says of itself in the end

    def position(self, call: str) -> int:
        return next(number for number, made in enumerate(self.calls) if call in made)


type Deploy = Callable[..., Played]


@pytest.fixture
def deploy(tmp_path: Path) -> Deploy:
    """Runs deploy.yml in a folder, as GitHub does; `runs` is the build in Azure before, "" for one without an id."""
    if shutil.which("jq") is None:
        pytest.skip("jq, which GitHub's machines have, is not here")
    shutil.copytree(ROOT / "infra", tmp_path / "infra")
    (tmp_path / "bin").mkdir()
    for name, text in {"az": AZ, "gh": GH, "python3": PYTHON}.items():
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    (tmp_path / "clock.py").write_text(CLOCK)
    (tmp_path / "model").write_text("lite")
    (tmp_path / "build").mkdir()
    package(tmp_path / NEW, "new")

    def run(broken: str = "", runs: str | None = "old", says: dict[str, str] = TESTED, this_run: str = "7") -> Played:
        if runs is not None:
            package(tmp_path / "runs.zip", runs)
        given = {
            "inputs": {"environment": "prod", "run": "7"},
            "vars": {name: f"<{name}>" for name in ("AZURE_LOCATION", "AZURE_SUBSCRIPTION_ID", "OPS_EMAIL")},
            "github": {"run_id": this_run, "token": "t", "repository": "o/r"},
            "steps": {},
        }
        world = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "BROKEN": broken, "RUN_SAYS": json.dumps(says)}
        with Azure(tmp_path, broken) as azure:
            outputs = OUTPUTS | {"AZURE_FUNCTION_URL": azure.url}
            oddly = {name[:5].lower() + name[5:]: {"type": "String", "value": outputs[name]} for name in outputs}
            (tmp_path / "outputs.txt").write_text(json.dumps(oddly))  # the case of their names is not kept
            ran = _run(DEPLOY, given, world, tmp_path, azure)
        calls = tmp_path / "calls"
        made = calls.read_text().splitlines() if calls.exists() else []
        return Played(ran, made, (tmp_path / "log").read_text(), azure.ready)

    return run


def _run(job: dict[str, Any], given: dict[str, Any], world: dict[str, str], folder: Path, azure: Azure) -> list[str]:
    """The steps that run or deploy something, in order: one runs unless one before it failed, or if its condition says
    so."""
    ran, failed = [], False
    environment = world | {name: _filled(text, given) for name, text in job["env"].items()}
    for step in job["steps"]:
        identity = step.get("id", "")
        given["env"] = environment
        given["steps"][identity] = {"outputs": {}}
        deploys = step.get("uses", "").startswith("Azure/functions-action@")
        if not ("run" in step or deploys) or not _due(step.get("if", ""), given, failed):
            continue
        ran.append(_filled(step["name"], given))
        if deploys:
            inputs = {name: _filled(str(value), given) for name, value in step["with"].items()}
            with (folder / "calls").open("a") as calls:
                print("publish", inputs["package"], "to", inputs["app-name"], file=calls)
            failed |= not azure.publish(inputs)
            continue
        own = {key: _filled(text, given) for key, text in step.get("env", {}).items()}
        files = {key: folder / key.lower() for key in ("GITHUB_ENV", "GITHUB_OUTPUT")}
        for path in files.values():
            path.write_text("")
        with (folder / "log").open("a") as log:
            done = subprocess.run(
                ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
                cwd=folder,
                env=environment | own | {key: str(path) for key, path in files.items()},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        failed |= done.returncode != 0
        given["steps"][identity] = {"outputs": _pairs(files["GITHUB_OUTPUT"])}
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


RETURN = ["Return to the model before", "Return to the package before", "Verify that build old runs and predicts again"]


def test_a_deployment(deploy: Deploy) -> None:
    played = deploy()
    assert not {*RETURN, "(failed)"} & {*played.ran}
    order = [
        "deployment group what-if",
        "deployment group create --name buzzguard-prod",
        "storage blob download --account-name <AZURE_PACKAGE_ACCOUNT>",
        f"publish {NEW} to <AZURE_FUNCTION_NAME>",
        f"infra.verify {NEW}",
        "deployment group create --name incidents",
    ]
    assert [played.position(call) for call in order] == sorted(played.position(call) for call in order)
    what_if, create = (played.calls[played.position(call)] for call in order[:2])
    assert what_if.partition(" --name")[2] == create.partition(" --name")[2].partition(" --query")[0]
    assert "--resource-group rg-buzzguard-prod --parameters infra/prod.bicepparam" in create
    assert "--parameters infra/incidents.bicepparam" in played.calls[played.position(order[-1])]
    assert played.runs == {"build": "new", "model": {"name": "champion", "version": "1"}}


@pytest.mark.parametrize("broken", ["predictions", "upload", "build"])
def test_a_package_that_fails_is_replaced_by_the_one_before_with_its_model(deploy: Deploy, broken: str) -> None:
    played = deploy(broken)
    assert played.ran[-4:] == [*RETURN, "(failed)"]
    back = [played.position(call) for call in ("MODEL=lite", f"publish {BEFORE}", f"infra.verify {BEFORE}")]
    assert played.position(f"publish {NEW}") < back[0] and back == sorted(back)
    assert not [call for call in played.calls if "--name incidents" in call]
    assert played.runs == {"build": "old", "model": {"name": "lite", "version": "1"}}
    assert "predicts with {'build': 'old'" in played.log


def test_an_app_that_answers_with_another_build_fails_the_deployment(deploy: Deploy) -> None:
    log = deploy("build").log
    assert "is not ready with {'build': 'new'" in log and "'build': 'another'" in log


@pytest.mark.parametrize(
    ("runs", "why"), [(None, "to the package before it: there is none"), ("", "it has no build id")]
)
def test_without_a_package_that_it_can_name_it_returns_to_none_and_says_so(
    deploy: Deploy, runs: str | None, why: str
) -> None:
    """The first deployment has none."""
    played = deploy("predictions", runs=runs)
    assert played.ran[-2:] == ["Verify that it runs and predicts", "(failed)"]
    assert why in played.log
    assert not [call for call in played.calls if f"publish {BEFORE}" in call or "appsettings set" in call]


def test_infrastructure_that_fails_touches_no_package(deploy: Deploy) -> None:
    played = deploy("infrastructure")
    assert played.ran[-2:] == ["Deploy the infrastructure", "(failed)"]
    assert not [call for call in played.calls if "publish" in call]


def test_nothing_builds_the_package_again() -> None:
    """The Azure CLI would, for Python on Flex Consumption; azd does without remoteBuild, or before it knew that."""
    assert "config-zip" not in "".join(step.get("run", "") for step in DEPLOY["steps"])
    azd = yaml.safe_load((ROOT / "azure.yaml").read_text())
    ((name, service),) = azd["services"].items()
    resources = json.loads((bicep.SNAPSHOTS / "main.json").read_text())["predictedResources"]
    tags = [resource["tags"] for resource in resources if resource["type"] == "Microsoft.Web/sites"]
    assert [tag["azd-service-name"] for tag in tags] == [name]
    assert (service["project"], service["remoteBuild"]) == ("build/azure", False)
    assert azd["requiredVersions"] == {"azd": ">= 1.23.5"}
    for hook in ("prepackage", "predeploy"):  # azd deploys with and without packaging before
        assert azd["hooks"][hook]["run"] == "make build/azure"
    assert azd["hooks"]["postdeploy"]["run"].startswith("python3 -m infra.verify build/buzzguard.zip && ")


@pytest.mark.parametrize(
    "strange",
    [{"workflowName": "other"}, {"event": "pull_request"}, {"headBranch": "topic"}, {"conclusion": "failure"}],
)
def test_nothing_is_deployed_that_ci_did_not_pass_on_main(deploy: Deploy, strange: dict[str, str]) -> None:
    played = deploy(says=TESTED | strange, this_run="8")
    assert played.ran == ["Only what ci tested on main", "(failed)"]
    assert played.calls == []


def test_ci_deploys_what_it_has_just_tested(deploy: Deploy) -> None:
    """It has no conclusion yet: the jobs before this one passed."""
    assert "(failed)" not in deploy(says=TESTED | {"conclusion": ""}, this_run="7").ran
