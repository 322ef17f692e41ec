"""infra/bicep.py: the compiler finds mistakes, the snapshots are up to date, and wrong parameters are rejected."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra import bicep
from tests.infra import option_policies, policies
from tests.infra.policies import Snapshot, resources, settings
from tests.support.alert_rules import ALERTS
from tests.support.paths import ROOT

# File, right text, wrong text, and the problem that must be found.
COMPILED_MISTAKES = [
    ("app/account.bicep", "TrafficOnly: true", "TrafficOnly: 'yes'", r"app/account.bicep\S* : Warning BCP036"),
    (
        "app/secret.bicep",
        "'${newGuid()}${newGuid()}'",
        "'hunter2hunter2'",
        r"app/secret.bicep\S* : \w+ secure-parameter",
    ),
    (
        "app/package.bicep",
        "param tags types.tags",
        "param tags object",
        r"app/package.bicep\S* : Error use-user-defined",
    ),
    ("app/budget.bicep", "param token", "var unused = 1\nparam token", r"app/budget.bicep\S* : Error no-unused-vars"),
    (
        "app/alerts.bicep",
        "location: location",
        "location: 'westeurope'",
        r"app/alerts.bicep\S* : Error no-hardcoded-loc",
    ),
    ("app/secrets.bicep", "secretsUser = ", "secretsUser  = ", "app/secrets.bicep : bicep format would change it"),
    ("dev.bicepparam", "api = {", "api = {\n  colour: 'red'", r"dev.bicepparam\S* : Error BCP037"),
]

needs_compiler = pytest.mark.skipif(
    bicep.find_compiler() is None, reason="no bicep on the PATH, and none named by BICEP"
)


@pytest.fixture(scope="module")
def templates() -> Iterator[Path]:
    """A copy of infra/ for tests that only read it."""
    with bicep.copy_of_templates() as folder:
        yield folder


@pytest.mark.parametrize(
    ("arguments", "environment", "code", "line"),
    [
        ([], {}, 0, "templates were not checked"),
        ([], {"BICEP": "/nowhere"}, 1, "BICEP is not a program: /nowhere"),
        (["snapshots"], {}, 1, "no bicep on the PATH"),
    ],
)
def test_says_that_there_is_no_compiler(
    arguments: list[str], environment: dict[str, str], code: int, line: str
) -> None:
    command = [sys.executable, "-m", "infra.bicep", *arguments]
    done = subprocess.run(command, cwd=ROOT, env={"PATH": ""} | environment, capture_output=True, text=True)
    assert done.returncode == code and line in done.stdout + done.stderr
    assert (done.stdout + done.stderr).count("\n") == 1


def test_rejects_unknown_argument() -> None:
    done = subprocess.run([sys.executable, "-m", "infra.bicep", "snapshot"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1 and "`python -m infra.bicep snapshots`" in done.stderr


@pytest.mark.parametrize("killed", ["build", "lint", "format", "snapshot"])
def test_fails_if_the_compiler_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed: str) -> None:
    program = tmp_path / "bicep"
    program.write_text(f'#!/bin/sh\n[ "$1" != {killed} ] || kill -9 $$\n')
    program.chmod(0o755)
    monkeypatch.setenv("BICEP", str(program))
    with bicep.copy_of_templates() as folder, pytest.raises(SystemExit, match=f"^bicep {killed} ended with -9$"):
        bicep.predict_resources("dev", folder) if killed == "snapshot" else bicep.find_problems(folder)


@needs_compiler
@pytest.mark.parametrize("deployment", bicep.DEPLOYMENTS)
def test_snapshot_is_up_to_date(templates: Path, deployment: str) -> None:
    """If it fails, run `make snapshots` and read the difference."""
    assert bicep.predict_resources(deployment, templates) == (bicep.SNAPSHOTS / f"{deployment}.json").read_text()


@needs_compiler
def test_finds_every_kind_of_problem() -> None:
    """The rules of bicepconfig.json are in effect."""
    with bicep.copy_of_templates() as folder:
        for path, right, wrong, _ in COMPILED_MISTAKES:
            text = (folder / path).read_text()
            assert right in text, path
            (folder / path).write_text(text.replace(right, wrong, 1))
        found = "\n".join(bicep.find_problems(folder))
    assert [fault for *_, fault in COMPILED_MISTAKES if not re.search(fault, found)] == []


def overwritten_types(template: dict[str, Any]) -> Iterator[str]:
    """Yield the types of resources that a deployment would overwrite, although it must create them only once."""
    declared = template["resources"]  # by symbolic name, or a list in a template without them
    for resource in declared.values() if isinstance(declared, dict) else declared:
        must_be_created_once = resource["type"] in (f"{policies.VAULT}/secrets", "Microsoft.Consumption/budgets")
        must_be_created_once |= (
            resource["type"] == option_policies.HOST_NAME_BINDING and resource["properties"]["sslState"] == "Disabled"
        )
        must_be_created_once |= resource["type"] == policies.ACTION_GROUP and "ag-incidents" in resource["name"]
        if must_be_created_once and "onlyIfNotExists" not in resource.get("@options", {}):
            yield resource["type"]
        if resource["type"] == "Microsoft.Resources/deployments":
            yield from overwritten_types(resource["properties"]["template"])


@needs_compiler
def test_creates_keys_budget_binding_and_action_group_only_once(templates: Path) -> None:
    """Otherwise the next deployment would change the keys, remove TLS from the domain, and empty the action group that
    incidents.bicep has filled. Azure rejects a new start date for a budget.
    """
    compiled = bicep.compile_template("resources.bicep", templates)
    assert list(overwritten_types(json.loads(compiled))) == []
    without_option = json.loads(compiled.replace("onlyIfNotExists", "retryOn"))
    assert set(overwritten_types(without_option)) == {
        f"{policies.VAULT}/secrets",
        "Microsoft.Consumption/budgets",
        option_policies.HOST_NAME_BINDING,
        policies.ACTION_GROUP,
    }


@needs_compiler
def test_azd_environment_sets_the_parameters(templates: Path) -> None:
    environment = {
        "AUTH_LEVEL": "anonymous",
        "AVAILABILITY_TEST": "true",
        "CORS_ORIGINS": "https://www.example.org,https://example.org",
        "EXPECT_TRAFFIC": "true",
        "INSTANCE_MEMORY_MB": "2048",
        "MONTHLY_BUDGET": "0",
        "OPS_PHONE": "5550100",
        "SMTP_PORT": "465",
        "SMTP_SECURITY": "tls",
        "SMTP_USER": "sender",
    }
    snapshot: Snapshot = json.loads(bicep.predict_resources("main", templates, environment))
    (site,) = resources(snapshot, policies.SITE)
    assert site["properties"]["siteConfig"]["cors"]["allowedOrigins"] == environment["CORS_ORIGINS"].split(",")
    assert site["properties"]["functionAppConfig"]["scaleAndConcurrency"]["instanceMemoryMB"] == 2048
    assert settings(snapshot)["AUTH_LEVEL"] == "anonymous"
    assert (settings(snapshot)["SMTP_PORT"], settings(snapshot)["SMTP_SECURITY"]) == ("465", "tls")
    assert policies.KEY_VAULT_REFERENCE.match(settings(snapshot)["SMTP_PASSWORD"])
    assert resources(snapshot, "Microsoft.Consumption/budgets") == []
    assert len(resources(snapshot, policies.WEBTEST)) == 1
    assert [rule["name"] for rule in resources(snapshot, policies.LOG_RULE)] == [alert["name"] for alert in ALERTS]
    (ops, _) = resources(snapshot, policies.ACTION_GROUP)
    assert ops["properties"]["smsReceivers"] == [{"name": "ops", "countryCode": "1", "phoneNumber": "5550100"}]


@needs_compiler
def test_rejects_parameters_that_azure_would_reject(templates: Path) -> None:
    with pytest.raises(SystemExit) as error:
        bicep.predict_resources(
            "main", templates, {"INSTANCE_MEMORY_MB": "513", "AUTH_LEVEL": "nobody", "MONTHLY_BUDGET": "much"}
        )
    assert all(value in str(error.value) for value in ('"513"', '"nobody"', "'much'"))
    with pytest.raises(SystemExit) as error:
        bicep.predict_resources("main", templates, {"SIGN_IN_CLIENT_ID": "buzzguard", "PRIVATE_NETWORK": "perhaps"})
    assert all(value in str(error.value) for value in ("BCP333", '"options"'))


@needs_compiler
@pytest.mark.parametrize(
    ("environment", "fault"),
    [
        ({"OPS_EMAIL": "nobody"}, "OPS_EMAIL must be an e-mail address, not 'nobody'"),
        ({"SMTP_HOST": "smtp.example.org"}, "MAIL_FROM must be an e-mail address where SMTP_HOST is set, not ''"),
        ({"SMTP_PORT": "99999"}, "'mail.port' is not valid"),
        ({"SMTP_PORT": "465"}, "SMTP_SECURITY must be tls where SMTP_PORT is 465"),
        ({"SMTP_SECURITY": "none", "SMTP_USER": "sender"}, "SMTP_SECURITY must not be none where SMTP_USER is set"),
    ],
)
def test_rejects_parameters_that_the_app_would_not_start_with(
    templates: Path, environment: dict[str, str], fault: str
) -> None:
    with pytest.raises(SystemExit, match=re.escape(fault)):
        bicep.predict_resources("main", templates, environment)


@needs_compiler
def test_rejects_auth_level_together_with_sign_in(templates: Path) -> None:
    environment = {"AUTH_LEVEL": "function", "SIGN_IN_CLIENT_ID": bicep.OPTIONS["SIGN_IN_CLIENT_ID"]}
    with pytest.raises(SystemExit, match=r"SIGN_IN_CLIENT_ID says who may call: AUTH_LEVEL must not be set"):
        bicep.predict_resources("main", templates, environment)
