"""infra/trust_github.sh: which GitHub environment may deploy, and which roles it gets."""

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
ASSIGNED = {role for _, role, _ in policies.ROLES}  # the roles that the templates assign, with every option on
PRIVILEGED = {
    "Owner": "8e3af657-a8ff-443c-a75c-2fe8c4bcb635",
    "Contributor": "b24988ac-6180-42a0-ab88-20f7382dd24c",
    "User Access Administrator": "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9",
    "Role Based Access Control Administrator": "f58310d9-a9f6-439a-9e8d-f62e7b41a168",
}
GH = """#!/bin/sh
[ "$*" = "api repos/{{owner}}/{{repo}}/actions/oidc/customization/sub --jq .sub_claim_prefix" ] && echo '{}'
"""

type TrustGithub = Callable[[str], subprocess.CompletedProcess[str]]


@pytest.fixture
def az(tmp_path: Path) -> FakeAz:
    az = FakeAz(tmp_path / "bin")
    az.answers("group create --name rg-buzzguard-dev --location westeurope", GROUP)
    az.answers("ad app create --display-name buzzguard-dev", "app")
    az.answers("ad sp create --id app", "principal")
    az.answers("account show --query join(", "AZURE_CLIENT_ID=app AZURE_TENANT_ID=t AZURE_SUBSCRIPTION_ID=s")
    return az


@pytest.fixture
def trust_github(az: FakeAz) -> TrustGithub:
    """Return a function that runs the script for dev.

    GitHub answers that the subjects of its tokens start with `prefix`.
    """

    def run(prefix: str) -> subprocess.CompletedProcess[str]:
        gh = az.folder / "gh"
        gh.write_text(GH.format(prefix))
        gh.chmod(0o755)
        environment = os.environ | {"PATH": f"{az.folder}:{os.environ['PATH']}"}
        command = ["sh", "infra/trust_github.sh", "dev", "westeurope"]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)

    return run


def argument(call: str, name: str) -> str:
    """Return the value of an option of `call`."""
    return re.sub(rf".* --{name} (.*?)( --\w.*)?$", r"\1", call)


@pytest.mark.parametrize("prefix", ["repo:o/r", "repo:o@12/r@345"])
def test_trusts_only_the_environment_of_this_repository(trust_github: TrustGithub, az: FakeAz, prefix: str) -> None:
    """GitHub names a repository by its name or, since July 2026, by its name and ids."""
    assert trust_github(prefix).returncode == 0
    (call,) = az.calls("federated-credential")
    credential = json.loads(argument(call, "parameters"))
    assert credential["subject"] == f"{prefix}:environment:dev"
    assert credential["issuer"] == "https://token.actions.githubusercontent.com"
    assert credential["audiences"] == ["api://AzureADTokenExchange"]


def test_fails_if_github_does_not_return_the_subject(trust_github: TrustGithub, az: FakeAz) -> None:
    done = trust_github("null")
    assert done.returncode and "did not say how its tokens name this repository" in done.stderr
    assert az.calls() == []


def test_roles_are_limited_to_the_resource_group(trust_github: TrustGithub, az: FakeAz) -> None:
    trust_github("repo:o/r")
    calls = az.calls("role assignment create")
    assert [argument(call, "role") for call in calls] == ["Contributor", "Role Based Access Control Administrator"]
    assert {(argument(call, "assignee-object-id"), argument(call, "scope")) for call in calls} == {("principal", GROUP)}


def test_may_assign_only_the_roles_of_the_templates(trust_github: TrustGithub, az: FakeAz) -> None:
    trust_github("repo:o/r")
    (call,) = az.calls("--condition-version 2.0")
    condition = argument(call, "condition")
    write, delete = condition.split(" AND ")
    assert "roleAssignments/write'" in write and "@Request[" in write
    assert "roleAssignments/delete'" in delete and "@Resource[" in delete
    for part in (write, delete):
        (named,) = re.findall(r"ForAnyOfAnyValues:GuidEquals \{([^}]*)\}", part)
        assert set(named.split(", ")) == ASSIGNED
        assert not ASSIGNED & set(PRIVILEGED.values())
    assert condition.count("(") == condition.count(")")


def test_registers_the_resource_providers(trust_github: TrustGithub, az: FakeAz) -> None:
    """The roles do not allow it: a provider is registered for the whole subscription."""
    trust_github("repo:o/r")
    registered = {argument(call, "namespace") for call in az.calls("provider register")}
    assert registered >= {"Microsoft.App", "Microsoft.Web", "Microsoft.Storage", "Microsoft.KeyVault"}


def test_prints_the_variables_for_github(trust_github: TrustGithub) -> None:
    assert trust_github("repo:o/r").stdout == "AZURE_CLIENT_ID=app AZURE_TENANT_ID=t AZURE_SUBSCRIPTION_ID=s\n"
