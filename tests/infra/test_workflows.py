"""The workflows: their permissions, and what deploy.yml does if a step fails. `az`, `gh` and Azure are faked."""

import copy
import hashlib
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

from infra import bicep
from infra.release import read_release
from tests.infra.deployments import PROD
from tests.infra.fakes import LABELS, FakeApp, write_package
from tests.support import package_tests
from tests.support.paths import ROOT

FILES = sorted((ROOT / ".github/workflows").glob("*.yml"))
WORKFLOWS: dict[str, dict[str, Any]] = {path.stem: yaml.safe_load(path.read_text()) for path in FILES}
VERIFY, DEPLOY = (WORKFLOWS["deploy"]["jobs"][name] for name in ("verify", "deploy"))
OUTPUTS = {name: f"<{name}>" for name in PROD["outputs"]}

READ = {"contents": "read"}
VERIFY_PERMISSIONS = {"actions": "read", "attestations": "read", "contents": "read"}
SIGN_PERMISSIONS = {"contents": "read", "id-token": "write"}
CALL_PERMISSIONS = VERIFY_PERMISSIONS | {"id-token": "write"}  # what the two jobs of deploy.yml have together
PERMISSIONS = {  # of the jobs that need more than READ
    "attest": {"attestations": "write", "contents": "read", "id-token": "write"},
    "sign": SIGN_PERMISSIONS,
    "verify": VERIFY_PERMISSIONS,
    "deploy": {"actions": "read", "contents": "read", "id-token": "write"},
    "dev": CALL_PERMISSIONS,
    "prod": CALL_PERMISSIONS,
}


def violations(workflows: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Yield every violation of the rules for workflows."""
    for file, workflow in workflows.items():
        if workflow["permissions"] != {}:
            yield f"{file}: permissions must be set per job"
        if "secrets" in json.dumps(workflow):
            yield f"{file}: it uses a secret"
        for name, job in workflow["jobs"].items():
            expected = PERMISSIONS.get(name, READ)
            if job.get("permissions") != expected:
                yield f"{file}: {name}: its permissions must be {expected}"
            if "uses" not in job and not job.get("timeout-minutes"):
                yield f"{file}: {name}: it has no timeout, so it may run for six hours"
            for used in [job.get("uses", "$/"), *(step["uses"] for step in job.get("steps", []) if "uses" in step)]:
                if not re.fullmatch(r"\$/.*|[\w-]+/[\w-]+@[0-9a-f]{40}", used):
                    yield f"{file}: {used} is not pinned to a full commit hash"
            for step in job.get("steps", []):
                if "${{" in step.get("run", ""):
                    yield f"{file}: {name}: a script contains an expression"
                if "checkout" in step.get("uses", "") and step["with"].get("persist-credentials") is not False:
                    yield f"{file}: {name}: the checkout keeps its token"
    if "concurrency" in workflows["ci"]:
        yield "ci: a run that waits for approval blocks the tests of the next run"
    deploying = [name for name, job in workflows["ci"]["jobs"].items() if "uses" in job]
    if deploying != ["dev", "prod"] or "dev" not in workflows["ci"]["jobs"]["prod"]["needs"]:
        yield "ci: prod does not wait for dev"
    if not {"package", "test", "test-package", "core-tools", "attest", "sign"} <= _awaited(workflows["ci"], "dev"):
        yield "ci: dev does not wait for the tests"
    if "refs/heads/main" not in workflows["ci"]["jobs"]["dev"]["if"]:
        yield "ci: it deploys other branches than main"
    if workflows["deploy"]["jobs"]["deploy"]["environment"] != "${{ inputs.environment }}":
        yield "deploy: it skips the approval"
    if workflows["deploy"]["jobs"]["deploy"]["concurrency"]["cancel-in-progress"]:
        yield "deploy: a deployment can be cancelled half-way"


def _awaited(workflow: dict[str, Any], name: str) -> set[str]:
    """Return the names of the jobs that must succeed before the job `name` starts."""
    needs = workflow["jobs"][name].get("needs", [])
    direct = {needs} if isinstance(needs, str) else set(needs)
    return direct.union(*(_awaited(workflow, each) for each in direct))


def replace(path: str, wrong: Any) -> Callable[[dict[str, Any]], None]:
    """Return a function that sets the value at a path, such as ci/jobs/test/steps/0/uses."""

    def change(workflows: dict[str, Any]) -> None:
        *keys, last = [int(key) if key.isdigit() else key for key in path.split("/")]
        part: Any = workflows
        for key in keys:
            part = part[key]
        part[last] = wrong

    return change


def test_workflows_comply_with_every_rule() -> None:
    assert list(violations(WORKFLOWS)) == []


@pytest.mark.parametrize(
    ("mistake", "violation"),
    [
        (replace("ci/permissions", {"contents": "write"}), "must be set per job"),
        (replace("ci/jobs/test/permissions", {"contents": "write"}), "its permissions must be"),
        (
            replace("api-versions/jobs/lint/permissions", {"contents": "read", "id-token": "write"}),
            "its permissions must be",
        ),
        (replace("ci/jobs/test/steps/0/uses", "actions/checkout@v6"), "not pinned"),
        (replace("ci/jobs/test/steps/0/with", {}), "keeps its token"),
        (replace("ci/jobs/test/timeout-minutes", None), "six hours"),
        (replace("ci/concurrency", {"group": "ci-${{ github.ref }}"}), "blocks the tests of the next run"),
        (replace("ci/jobs/dev/uses", "someone/else/.github/workflows/deploy.yml@main"), "not pinned"),
        (replace("ci/jobs/dev/needs", ["package"]), "does not wait for the tests"),
        (replace("ci/jobs/dev/if", "vars.DEPLOY == 'true'"), "other branches than main"),
        (replace("ci/jobs/prod/needs", "test"), "prod does not wait for dev"),
        (replace("deploy/jobs/deploy/environment", "dev"), "approval"),
        (replace("deploy/jobs/deploy/env/KEY", "${{ secrets.KEY }}"), "uses a secret"),
        (replace("deploy/jobs/verify/steps/0/run", "echo ${{ inputs.run }}"), "contains an expression"),
        (replace("deploy/jobs/deploy/concurrency/cancel-in-progress", True), "cancelled half-way"),
    ],
)
def test_finds_a_mistake(mistake: Callable[[dict[str, Any]], None], violation: str) -> None:
    workflows = copy.deepcopy(WORKFLOWS)
    mistake(workflows)
    assert violation in "\n".join(violations(workflows))


def test_make_check_lints_workflows_scripts_and_templates() -> None:
    done = subprocess.run(["make", "--dry-run", "check"], cwd=ROOT, capture_output=True, text=True, check=True)
    for linter in ("actionlint -shellcheck", "zizmor --offline", "shellcheck .ci/run", "-m infra.bicep"):
        assert linter in done.stdout


def test_ci_tests_the_package() -> None:
    """With the modules of tests/e2e that test_package.py runs there, those of telemetry, and all of tests/contract."""
    scripts = "\n".join(step.get("run", "") for step in WORKFLOWS["ci"]["jobs"]["test-package"]["steps"])
    (names,) = re.findall(r"tests/e2e/test_\{(.+)\}\.py tests/contract$", scripts, re.MULTILINE)
    assert set(names.split(",")) == {*package_tests.MODULES, "telemetry"}


def test_ci_starts_core_tools_with_the_sample_settings() -> None:
    steps = WORKFLOWS["ci"]["jobs"]["core-tools"]["steps"]
    (run,) = (step["run"] for step in steps if " start --port" in step.get("run", ""))
    assert run.startswith("cp local.settings.sample.json build/azure/local.settings.json\n")


# A fake `az` that logs every call. deployed.zip is the package in Azure, and the file `model` is the setting MODEL.
AZ = r"""#!/bin/bash
echo "az $*" >>calls
case "$*" in
    "functionapp list "*) [ ! -f deployed.zip ] || echo func-x ;;
    *SMTP_HOST*) echo smtp.example ;;
    *"name=='MODEL'"*) cat model ;;
    "functionapp config appsettings list "*)
        echo "[{\"name\": \"AUTH_LEVEL\", \"value\": \"function\"}, {\"name\": \"MODEL\", \"value\": \"$(<model)\"}]" ;;
    "functionapp config appsettings set "*) [[ "$*" =~ MODEL=([^ ]*) ]]; echo "${BASH_REMATCH[1]}" >model ;;
    "functionapp keys list "*) echo '"k"' ;;
    "rest --method get "*) echo '{"value": []}' ;;
    "deployment group create --name buzzguard-"*)
        [ "$BROKEN" != "package after its check" ] || echo another >>build/buzzguard.zip
        [ "$BROKEN" != infrastructure ] && cat outputs.txt && echo >model ;;
    "storage account show "*) echo '"Enabled"' ;;
    "storage blob exists "*) echo "{\"exists\": $([ -f deployed.zip ] && echo true || echo false)}" ;;
    "storage blob download "*) [[ "$*" =~ --file\ ([^ ]+) ]]; cp deployed.zip "${BASH_REMATCH[1]}" ;;
esac
"""
GH = r"""#!/bin/bash
case "$*" in
    "run view "*) echo "$GH_RUN_VIEW" ;;
    *) echo "gh $*" >>calls; [[ "$*" != *"$BROKEN"* || "$BROKEN" != http* ]] ;;
esac
"""
# As tools/install.sh would install it.
MODEL_SIGNING = r"""#!/bin/bash
echo "model_signing $*" >>calls
[ "$BROKEN" != signature ] && [ "$(cat "${@: -1}")" = "{}" ]
"""
BICEP = "mkdir -p $1\n"
# Python with a clock that advances only when it sleeps.
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
CI_RUN = {"workflowName": "ci", "event": "push", "headBranch": "main", "headSha": "abc", "conclusion": "success"}
NEW_PACKAGE, PREVIOUS_PACKAGE = "build/buzzguard.zip", "previous.zip"


class FakeAzure(FakeApp):
    """An app to which Azure/functions-action deploys packages. `broken` says what fails with the new one."""

    def __init__(self, folder: Path, broken: str) -> None:
        super().__init__(key="k")
        self.folder, self.broken = folder, broken

    def publish(self, inputs: dict[str, str]) -> bool:
        """Return whether the action succeeds. With other inputs the platform would build the package again."""
        assert (inputs["sku"], inputs["remote-build"]) == ("flexconsumption", "False")
        new = inputs["package"] == NEW_PACKAGE
        if new and self.broken == "upload":
            return False
        self.ready = read_release(str(self.folder / inputs["package"]), (self.folder / "model").read_text().strip())
        if new and self.broken == "build":
            self.ready["build"] = "another"
        self.labels = ("negative", "negative") if new and self.broken == "predictions" else LABELS
        return True


class Result(NamedTuple):
    steps: list[str]  # names of the steps that ran, and "(failed)" at the end if one failed
    calls: list[str]
    log: str
    release: dict[str, Any] | None  # build and model that the app runs at the end

    def position(self, call: str) -> int:
        return next(index for index, line in enumerate(self.calls) if call in line)


type Deploy = Callable[..., Result]


@pytest.fixture
def deploy(tmp_path: Path) -> Deploy:
    """Return a function that runs the steps of deploy.yml in a folder.

    `deployed` is the build in Azure before, "" if it has no id.
    """
    for program in ("jq", "unzip"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    shutil.copytree(ROOT / "infra", tmp_path / "infra")
    (tmp_path / "bin").mkdir()
    for name, text in {"az": AZ, "gh": GH, "python3": PYTHON}.items():
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    (tmp_path / "clock.py").write_text(CLOCK)
    (tmp_path / "model").write_text("lite")
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/model_signing").write_text(MODEL_SIGNING)
    (tmp_path / ".venv/bin/model_signing").chmod(0o755)
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools/install.sh").write_text("")
    (tmp_path / "tools/install_bicep.sh").write_text(BICEP)
    (tmp_path / "build").mkdir()
    write_package(tmp_path / NEW_PACKAGE, "new")
    sha256 = hashlib.sha256((tmp_path / NEW_PACKAGE).read_bytes()).hexdigest()

    def run(
        broken: str = "", deployed: str | None = "old", ci_run: dict[str, str] = CI_RUN, this_run: str = "7"
    ) -> Result:
        if deployed is not None:
            write_package(tmp_path / "deployed.zip", deployed)
        context = {
            "inputs": {"environment": "prod", "run": "7", "sha256": sha256},
            "vars": {name: f"<{name}>" for name in ("AZURE_LOCATION", "AZURE_SUBSCRIPTION_ID", "OPS_EMAIL")},
            "github": {"run_id": this_run, "token": "t", "repository": "o/r", "server_url": "https://github.com"},
        }
        environment = {
            "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
            "BROKEN": broken,
            "GH_RUN_VIEW": json.dumps(ci_run),
            "RUNNER_TEMP": str(tmp_path / "temp"),
        }
        if broken == "package":
            (tmp_path / NEW_PACKAGE).write_bytes((tmp_path / NEW_PACKAGE).read_bytes() + b"another")
        with FakeAzure(tmp_path, broken) as azure:
            deployed_outputs = OUTPUTS | {"AZURE_FUNCTION_URL": azure.url}
            # Azure changes the case of the names of outputs.
            changed = {
                name[:5].lower() + name[5:]: {"type": "String", "value": value}
                for name, value in deployed_outputs.items()
            }
            (tmp_path / "outputs.txt").write_text(json.dumps(changed))
            steps = _run(VERIFY, context, environment, tmp_path, azure)
            outputs = {name: _expand(text, context) for name, text in VERIFY["outputs"].items()}
            context["needs"] = {"verify": {"outputs": outputs}}
            if steps[-1] != "(failed)":
                steps += _run(DEPLOY, context, environment, tmp_path, azure)
        calls = tmp_path / "calls"
        logged_calls = calls.read_text().splitlines() if calls.exists() else []
        return Result(steps, logged_calls, (tmp_path / "log").read_text(), azure.ready)

    return run


def _run(
    job: dict[str, Any], context: dict[str, Any], variables: dict[str, str], folder: Path, azure: FakeAzure
) -> list[str]:
    """Run the steps of a job that have a script or deploy the package. Return their names.

    A step is skipped after a failure, unless its condition says otherwise.
    """
    ran, failed = [], False
    context["steps"] = {}
    environment = variables | {name: _expand(text, context) for name, text in job["env"].items()}
    for step in job["steps"]:
        identity = step.get("id", "")
        context["env"] = environment
        context["steps"][identity] = {"outputs": {}}
        deploys = step.get("uses", "").startswith("Azure/functions-action@")
        if not ("run" in step or deploys) or not _runs(step.get("if", ""), context, failed):
            continue
        ran.append(_expand(step["name"], context))
        if deploys:
            inputs = {name: _expand(str(value), context) for name, value in step["with"].items()}
            with (folder / "calls").open("a") as calls:
                print("publish", inputs["package"], "to", inputs["app-name"], file=calls)
            failed |= not azure.publish(inputs)
            continue
        own = {key: _expand(text, context) for key, text in step.get("env", {}).items()}
        files = {key: folder / key.lower() for key in ("GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_PATH")}
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
        context["steps"][identity] = {"outputs": _read_pairs(files["GITHUB_OUTPUT"])}
        environment |= _read_pairs(files["GITHUB_ENV"])
    return [*ran, "(failed)"] if failed else ran


def _runs(condition: str, context: dict[str, Any], failed: bool) -> bool:
    """Return whether a step runs. Understands only && and != of GitHub's expressions."""
    if "failure()" not in condition and failed:
        return False
    for part in filter(None, condition.split(" && ")):
        left, unequal, right = part.partition(" != ")
        held = failed if left == "failure()" else _look_up(left, context)
        if not held or (unequal and held == right.strip("'")):
            return False
    return True


def _expand(text: str, context: dict[str, Any]) -> str:
    return re.sub(r"\$\{\{ (\S+) \}\}", lambda match: str(_look_up(match[1], context)), text)


def _look_up(path: str, context: dict[str, Any]) -> Any:
    found: Any = context
    for part in path.split("."):
        found = found.get(part, "")
    return found


def _read_pairs(path: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in path.read_text().splitlines())


ROLLBACK = ["Roll back the model", "Roll back the package", "Verify build old after the rollback"]


def test_verifies_where_the_package_comes_from_before_it_deploys(deploy: Deploy) -> None:
    result = deploy()
    for predicate in ("https://slsa.dev/provenance/v1", "https://cyclonedx.org/bom"):
        (call,) = (call for call in result.calls if f"--predicate-type {predicate} " in call)
        assert call.startswith(f"gh attestation verify {NEW_PACKAGE} --repo o/r ")
        assert "--signer-workflow o/r/.github/workflows/ci.yml " in call
        assert "--source-ref refs/heads/main --source-digest abc " in call
        assert result.calls.index(call) < result.position("az ")
    (call,) = (call for call in result.calls if call.startswith("model_signing "))
    assert "--identity https://github.com/o/r/.github/workflows/ci.yml@refs/heads/main " in call
    assert result.calls.index(call) < result.position("az ")


@pytest.mark.parametrize(
    ("broken", "refusing"),
    [
        ("package", "Check the digest of the package"),
        ("https://slsa.dev/provenance/v1", "Verify the provenance and the SBOM"),
        ("https://cyclonedx.org/bom", "Verify the provenance and the SBOM"),
        ("signature", "Verify the signature of the models' digests"),
    ],
)
def test_deploys_nothing_that_ci_did_not_build_and_sign(deploy: Deploy, broken: str, refusing: str) -> None:
    result = deploy(broken)
    assert result.steps[-2:] == [refusing, "(failed)"]
    assert not [call for call in result.calls if call.startswith(("az ", "publish "))]


def test_deploys_no_package_that_changed_during_the_deployment(deploy: Deploy) -> None:
    result = deploy("package after its check")
    assert [step for step in result.steps if step not in ROLLBACK][-2:] == [
        "Check the digest of the package again",
        "(failed)",
    ]
    assert not [call for call in result.calls if f"publish {NEW_PACKAGE}" in call]


def test_deploys_infrastructure_then_package_then_alerts(deploy: Deploy) -> None:
    result = deploy()
    assert not {*ROLLBACK, "(failed)"} & {*result.steps}
    order = [
        "deployment group what-if",
        "deployment group create --name buzzguard-prod",
        "storage blob download --account-name <AZURE_PACKAGE_ACCOUNT>",
        f"publish {NEW_PACKAGE} to <AZURE_FUNCTION_NAME>",
        f"infra.verify_deployment {NEW_PACKAGE}",
        "deployment group create --name incidents",
    ]
    assert [result.position(call) for call in order] == sorted(result.position(call) for call in order)
    what_if, create = (result.calls[result.position(call)] for call in order[:2])
    assert what_if.partition(" --name")[2] == create.partition(" --name")[2].partition(" --query")[0]
    assert "--resource-group rg-buzzguard-prod --parameters infra/prod.bicepparam" in create
    assert "--parameters infra/incidents.bicepparam" in result.calls[result.position(order[-1])]
    assert result.release == {"build": "new", "model": {"name": "champion", "version": "1"}, "trusted": True}


@pytest.mark.parametrize("broken", ["predictions", "upload", "build"])
def test_rolls_back_package_and_model_if_verification_fails(deploy: Deploy, broken: str) -> None:
    result = deploy(broken)
    assert result.steps[-4:] == [*ROLLBACK, "(failed)"]
    rollback = [
        result.position(call)
        for call in ("MODEL=lite", f"publish {PREVIOUS_PACKAGE}", f"infra.verify_deployment {PREVIOUS_PACKAGE}")
    ]
    assert result.position(f"publish {NEW_PACKAGE}") < rollback[0] and rollback == sorted(rollback)
    assert not [call for call in result.calls if "--name incidents" in call]
    assert result.release == {"build": "old", "model": {"name": "lite", "version": "1"}, "trusted": True}
    assert "predicts with {'build': 'old'" in result.log


def test_fails_if_the_app_reports_another_build(deploy: Deploy) -> None:
    log = deploy("build").log
    assert "is not ready with {'build': 'new'" in log and "'build': 'another'" in log


@pytest.mark.parametrize(
    ("deployed", "why"), [(None, "to the previous package: no package is deployed yet"), ("", "it has no build id")]
)
def test_warns_and_does_not_roll_back_without_a_previous_build(deploy: Deploy, deployed: str | None, why: str) -> None:
    """On the first deployment there is no package."""
    result = deploy("predictions", deployed=deployed)
    assert result.steps[-2:] == ["Verify the deployment", "(failed)"]
    assert why in result.log
    assert not [call for call in result.calls if f"publish {PREVIOUS_PACKAGE}" in call or "appsettings set" in call]


def test_deploys_no_package_if_the_infrastructure_fails(deploy: Deploy) -> None:
    result = deploy("infrastructure")
    assert result.steps[-2:] == ["Deploy the infrastructure", "(failed)"]
    assert not [call for call in result.calls if "publish" in call]


def test_no_deployment_builds_the_package_again() -> None:
    """The Azure CLI always does for Python on Flex Consumption, and azd does unless remoteBuild is false."""
    assert "config-zip" not in "".join(step.get("run", "") for step in DEPLOY["steps"])
    azd = yaml.safe_load((ROOT / "azure.yaml").read_text())
    ((name, service),) = azd["services"].items()
    resources = json.loads((bicep.SNAPSHOTS / "main.json").read_text())["predictedResources"]
    tags = [resource["tags"] for resource in resources if resource["type"] == "Microsoft.Web/sites"]
    assert [tag["azd-service-name"] for tag in tags] == [name]
    assert (service["project"], service["remoteBuild"]) == ("build/azure", False)
    assert azd["requiredVersions"] == {"azd": ">= 1.23.5"}
    for hook in ("prepackage", "predeploy"):  # azd can deploy without packaging first
        assert azd["hooks"][hook]["run"] == "make build/azure"
    assert azd["hooks"]["postdeploy"]["run"].startswith("python3 -m infra.verify_deployment build/buzzguard.zip && ")


@pytest.mark.parametrize(
    "difference",
    [{"workflowName": "other"}, {"event": "pull_request"}, {"headBranch": "topic"}, {"conclusion": "failure"}],
)
def test_deploys_only_a_run_that_ci_passed_on_main(deploy: Deploy, difference: dict[str, str]) -> None:
    result = deploy(ci_run=CI_RUN | difference, this_run="8")
    assert result.steps == ["Check that ci tested this run on main", "(failed)"]
    assert result.calls == []


def test_ci_can_deploy_its_own_run(deploy: Deploy) -> None:
    """The run has no conclusion yet, but the jobs before this one have passed."""
    assert "(failed)" not in deploy(ci_run=CI_RUN | {"conclusion": ""}, this_run="7").steps
