"""infra/trust.sh: whom Azure trusts to deploy from GitHub, and how far."""

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.infra import policies
from tests.infra.fakes import FakeAz
from tests.support.paths import ROOT

GROUP = "/subscriptions/s/resourceGroups/rg-buzzguard-dev"
ASSIGNED = {role for _, role, _ in policies.ROLES}  # what the templates give away, with every option on
POWERFUL = {
    "Owner": "8e3af657-a8ff-443c-a75c-2fe8c4bcb635",
    "Contributor": "b24988ac-6180-42a0-ab88-20f7382dd24c",
    "User Access Administrator": "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9",
    "Role Based Access Control Administrator": "f58310d9-a9f6-439a-9e8d-f62e7b41a168",
}
GH = """#!/bin/sh
[ "$*" = "api repos/{{owner}}/{{repo}}/actions/oidc/customization/sub --jq .sub_claim_prefix" ] && echo '{}'
"""

type Trust = Callable[[str], subprocess.CompletedProcess[str]]


@pytest.fixture
def az(tmp_path: Path) -> FakeAz:
    az = FakeAz(tmp_path / "bin")
    az.answers("group create --name rg-buzzguard-dev --location westeurope", GROUP)
    az.answers("ad app create --display-name buzzguard-dev", "app")
    az.answers("ad sp create --id app", "principal")
    az.answers("account show --query join(", "AZURE_CLIENT_ID=app AZURE_TENANT_ID=t AZURE_SUBSCRIPTION_ID=s")
    return az


@pytest.fixture
def trust(az: FakeAz) -> Trust:
    """Runs it for dev; GitHub says that the subjects of its tokens begin with `prefix`."""

    def run(prefix: str) -> subprocess.CompletedProcess[str]:
        gh = az.folder / "gh"
        gh.write_text(GH.format(prefix))
        gh.chmod(0o755)
        environment = os.environ | {"PATH": f"{az.folder}:{os.environ['PATH']}"}
        command = ["sh", "infra/trust.sh", "dev", "westeurope"]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)

    return run


def argument(call: str, name: str) -> str:
    """The value of an option, up to the next one."""
    return re.sub(rf".* --{name} (.*?)( --\w.*)?$", r"\1", call)


@pytest.mark.parametrize("prefix", ["repo:o/r", "repo:o@12/r@345"])
def test_only_that_environment_of_this_repository_is_trusted(trust: Trust, az: FakeAz, prefix: str) -> None:
    """Whether GitHub names the repository by its name alone or, since July 2026, with ids."""
    assert trust(prefix).returncode == 0
    (call,) = az.calls("federated-credential")
    credential = json.loads(argument(call, "parameters"))
    assert credential["subject"] == f"{prefix}:environment:dev"
    assert credential["issuer"] == "https://token.actions.githubusercontent.com"
    assert credential["audiences"] == ["api://AzureADTokenExchange"]


def test_a_subject_that_github_does_not_tell_is_not_guessed(trust: Trust, az: FakeAz) -> None:
    done = trust("null")
    assert done.returncode and "does not say how its tokens name this repository" in done.stderr
    assert az.calls() == []


def test_its_roles_end_at_the_resource_group(trust: Trust, az: FakeAz) -> None:
    trust("repo:o/r")
    calls = az.calls("role assignment create")
    assert [argument(call, "role") for call in calls] == ["Contributor", "Role Based Access Control Administrator"]
    assert {(argument(call, "assignee-object-id"), argument(call, "scope")) for call in calls} == {("principal", GROUP)}


def test_it_gives_away_only_the_roles_that_the_templates_assign(trust: Trust, az: FakeAz) -> None:
    trust("repo:o/r")
    (call,) = az.calls("--condition-version 2.0")
    condition = argument(call, "condition")
    write, delete = condition.split(" AND ")
    assert "roleAssignments/write'" in write and "@Request[" in write
    assert "roleAssignments/delete'" in delete and "@Resource[" in delete
    for part in (write, delete):
        (named,) = re.findall(r"ForAnyOfAnyValues:GuidEquals \{([^}]*)\}", part)
        assert set(named.split(", ")) == ASSIGNED
        assert not ASSIGNED & set(POWERFUL.values())
    assert condition.count("(") == condition.count(")")


def test_what_such_roles_cannot_do_is_done_before(trust: Trust, az: FakeAz) -> None:
    """A resource provider is registered for a subscription."""
    trust("repo:o/r")
    registered = {argument(call, "namespace") for call in az.calls("provider register")}
    assert registered >= {"Microsoft.App", "Microsoft.Web", "Microsoft.Storage", "Microsoft.KeyVault"}


def test_it_says_what_to_enter_in_github(trust: Trust) -> None:
    assert trust("repo:o/r").stdout == "AZURE_CLIENT_ID=app AZURE_TENANT_ID=t AZURE_SUBSCRIPTION_ID=s\n"
