"""The infrastructure: what is declared is sound, safe, and what the app and the alerts ask for."""

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from devhost.workspace import Workspace
from infra.cost import minutes
from infra.queries import lint, schema
from tests.conftest import ROOT
from tests.infra import policies
from tests.infra.bicep import Template, parse

INFRA = ROOT / "infra"
SOURCES = {path.relative_to(INFRA).as_posix(): path.read_text() for path in sorted(INFRA.rglob("*.bicep"))}
TEMPLATES = {path: parse(text) for path, text in SOURCES.items()}
MAIN = TEMPLATES["main.bicep"]
(SITE,) = (resource.value for resource in TEMPLATES["app/site.bicep"].resources if resource.symbol == "site")
ALERTS: list[dict[str, Any]] = json.loads((INFRA / "alerts.json").read_text())
ENVIRONMENTS = ("dev", "prod")

POLICIES = [
    policies.required_properties,
    policies.roles,
    policies.no_secret_leaves,
    policies.secrets_are_made_once,
    policies.alerts_reach_people,
]

# A mistake in a file, and what must be said of it.
MISTAKES = [
    ("app/storage.bicep", "allowSharedKeyAccess: false", "allowSharedKeyAccess: true", "allowSharedKeyAccess must be"),
    ("app/storage.bicep", "allowSharedKeyAccess: false", "", "allowSharedKeyAccess must be False, not None"),
    ("app/storage.bicep", "allowBlobPublicAccess: false", "allowBlobPublicAccess: true", "allowBlobPublicAccess must"),
    ("app/storage.bicep", "'TLS1_2'", "'TLS1_0'", "minimumTlsVersion must be TLS1_2, not TLS1_0"),
    ("app/storage.bicep", "supportsHttpsTrafficOnly: true", "supportsHttpsTrafficOnly: false", "supportsHttpsTrafficO"),
    ("app/storage.bicep", "publicAccess: 'None'", "publicAccess: 'Blob'", "publicAccess must be None, not Blob"),
    ("app/storage.bicep", "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3", "8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "8e3af657"),
    ("app/storage.bicep", "scope: tables[i]", "scope: account", "its scope must be one of microsoft.storage"),
    ("app/storage.bicep", "  scope: account\n", "", "hostRole: its scope must be .* not the resource group"),
    ("app/storage.bicep", "= account.name", "= account.listKeys().keys[0].value", "output accountName tells a secret"),
    ("app/site.bicep", "httpsOnly: true", "httpsOnly: false", "httpsOnly must be True"),
    (
        "app/site.bicep",
        " minTlsVersion: '1.2'",
        " minTlsVersion: '1.0'",
        "siteConfig.minTlsVersion must be 1.2, not 1.0",
    ),
    ("app/site.bicep", "allow: false", "allow: true", "allow must be False"),
    (
        "app/site.bicep",
        "value: receiptKey",
        "value: 'a key of forty characters, in the sources'",
        "RECEIPT_KEY is not a",
    ),
    ("app/site.bicep", "'' : smtpSecret", "'' : smtpUser", "SMTP_PASSWORD is not a reference"),
    ("app/site.bicep", "param smtpUser string", "param smtpUser string\nparam smtpPassword string", "is not secure"),
    ("app/secrets.bicep", "'${newGuid()}${newGuid()}'", "'hunter2hunter2'", "the secret firstKey has a default"),
    ("app/secrets.bicep", "= vault.name", "= firstKey", "output vaultName tells a secret"),
    ("app/secrets.bicep", "@onlyIfNotExists()\n", "", "receiptKey: the next deployment would replace it"),
    ("app/secrets.bicep", "enableRbacAuthorization: true", "enableRbacAuthorization: false", "enableRbacAuthorization"),
    ("app/secrets.bicep", "enablePurgeProtection: true", "", "enablePurgeProtection must be True, not None"),
    ("app/logs.bicep", "DisableLocalAuth: true", "DisableLocalAuth: false", "DisableLocalAuth must be True"),
    ("app/logs.bicep", "retentionInDays: 30", "retentionInDays: 730", "retentionInDays must be 30"),
    ("app/logs.bicep", "dailyQuotaGb: dailyLogGb", "dailyQuotaGb: -1", "dailyQuotaGb must be dailyLogGb"),
    ("app/alerts.bicep", "autoMitigate: true", "autoMitigate: false", "autoMitigate must be True"),
    ("app/alerts.bicep", "enabled: true\n      scopes", "enabled: false\n      scopes", "enabled must be True"),
    (
        "app/alerts.bicep",
        "autoMitigate: true",
        "autoMitigate: true\nmuteActionsDuration: 'PT1H'",
        "muteActionsDuration",
    ),
    ("app/alerts.bicep", "          ops.id\n", "", "must tell ops by mail"),
    ("app/alerts.bicep", "emailAddress: opsEmail", "emailAddress: 'me@example.org'", "ops are not mailed"),
    ("app/alerts.bicep", "name: alert.name", "name: 'alert-${alert.name}'", "knows a rule by its name"),
    (
        "app/incidents.bicep",
        "functionName: 'incident'",
        "functionName: site.listKeys().x",
        "functionName tells a secret",
    ),
]

# What the checker's types do not cover; `az bicep build` in ci.yml has them all.
NOT_COVERED = re.compile(
    r"unknown type 'Microsoft\.(Consumption/budgets|Insights/workbooks|KeyVault/vaults(/secrets)?)@.*no such resource"
    r"|the name 'deployer' does not exist"
)

# Read by the code and not set, since shared keys are off: TABLES_ENDPOINT is, by identity.
NOT_SET = {"TABLES_CONNECTION_STRING"}
# Set, and read by the platform.
NOT_OURS = re.compile(r"AzureWebJobsStorage__|APPLICATIONINSIGHTS_AUTHENTICATION_STRING|OTEL_|PYTHON_")

# Minutes that what a query looks for may last; where a rule has none, the window is what it looks at.
PATTERNS = {"bad-prediction-burst": 5}
LATENCY = 5  # minutes from an event to its row in the workspace, at most as a rule


def said(templates: dict[str, Template]) -> str:
    return "\n".join(fault for policy in POLICIES for fault in policy(templates))


def test_the_templates_keep_to_the_policies() -> None:
    assert said(TEMPLATES) == ""


@pytest.mark.parametrize(("path", "right", "wrong", "fault"), MISTAKES)
def test_a_mistake_is_found(path: str, right: str, wrong: str, fault: str) -> None:
    mistaken = SOURCES[path].replace(right, wrong, 1)
    assert mistaken != SOURCES[path]
    assert re.search(fault, said(TEMPLATES | {path: parse(mistaken)}))


def test_a_syntax_error_is_found() -> None:
    with pytest.raises(SyntaxError, match="line 2"):
        parse("param a string\nresource b = {\n")


def test_the_type_checker_finds_nothing() -> None:
    shared = Path(os.environ["BUZZGUARD_DATA"]).parent if "BUZZGUARD_DATA" in os.environ else ROOT.parent / "shared"
    checker = shared / "tools" / "bicep_typecheck.py"
    if not checker.is_file():
        pytest.skip("bicep_typecheck.py is not here")
    command = [sys.executable, str(checker), *(str(INFRA / path) for path in SOURCES)]
    found = subprocess.run(command, capture_output=True, text=True)
    assert found.stderr == ""
    assert [line for line in found.stdout.splitlines() if not NOT_COVERED.search(line)] == []


def read_by_the_code() -> set[str]:
    """The names that cloud/settings.py asks the environment for."""
    tree = ast.parse((ROOT / "cloud/settings.py").read_text())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args]
    names = [str(call.args[0].value) for call in calls if isinstance(call.args[0], ast.Constant)]
    return {name for name in names if re.fullmatch("[A-Z_]+", name)}


def test_every_setting_that_the_code_reads_is_set_and_the_reverse() -> None:
    names = set(policies.settings(TEMPLATES["app/site.bicep"]))
    ours = {name for name in names if not NOT_OURS.match(name)}
    assert ours == read_by_the_code() - NOT_SET - {"AZURE_FUNCTIONS_ENVIRONMENT"}
    assert {"RECEIPT_KEY", "MAIL_TO"} <= ours
    assert {"AzureWebJobsStorage__clientId", "OTEL_TRACES_SAMPLER"} <= names


def test_requests_an_instance_takes_are_requests_the_host_accepts() -> None:
    http = json.loads((ROOT / "host.json").read_text())["extensions"]["http"]
    assert MAIN.parameters["httpConcurrency"].value == http["maxConcurrentRequests"]
    triggers = SITE["properties"]["functionAppConfig"]["scaleAndConcurrency"]["triggers"]
    assert triggers == {"http": {"perInstanceConcurrency": "httpConcurrency"}}


def test_what_runs_is_the_python_that_is_tested() -> None:
    runtime = SITE["properties"]["functionAppConfig"]["runtime"]
    requires = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert runtime == {"name": "python", "version": requires.removeprefix(">=").partition(",")[0]}


def blinks(alert: dict[str, Any]) -> bool:
    """Whether an event can fall between two evaluations of a rule, or Azure has no such window."""
    window, frequency = minutes(alert["window"]), minutes(alert["frequency"])
    return window < PATTERNS.get(alert["name"], 0) + frequency + LATENCY or window > 2 * 1440


def test_no_event_falls_between_two_evaluations() -> None:
    assert [alert["name"] for alert in ALERTS if blinks(alert)] == []


@pytest.mark.parametrize("mistake", [{"window": "PT10M"}, {"frequency": "PT10M"}, {"window": "P3D"}])
def test_a_rule_that_blinks_is_found(mistake: dict[str, str]) -> None:
    (burst,) = (alert for alert in ALERTS if alert["name"] == "bad-prediction-burst")
    assert blinks(burst | mistake)


def test_every_alert_has_its_query_and_its_runbook() -> None:
    queries = TEMPLATES["app/alerts.bicep"].variables["queries"].value
    assert queries == {alert["query"]: f"loadTextContent('../{alert['query']}')" for alert in ALERTS}
    headings = re.findall(r"^#+ (.+)$", (ROOT / "docs/operations.md").read_text(), re.MULTILINE)
    anchors = {f"docs/operations.md#{heading}" for heading in headings}
    assert {alert["runbook"] for alert in ALERTS} <= anchors
    assert PATTERNS.keys() <= {alert["name"] for alert in ALERTS}


def test_the_alert_calls_a_function_that_is_there() -> None:
    source = (ROOT / "functions/incident.py").read_text()
    assert '"/api/incidents"' in source and "\nasync def incident(" in source
    called = next(r for r in TEMPLATES["app/incidents.bicep"].resources if r.symbol == "incident")
    receiver = TEMPLATES["app/incidents.bicep"].resources[-1].value["properties"]["azureFunctionReceivers"][0]
    assert called.value["name"] == receiver["functionName"] == "incident"
    assert "/api/incidents?code=${incident.listKeys().default}" in receiver["httpTriggerUrl"]


def test_the_budget_warns_in_time() -> None:
    budget = TEMPLATES["app/budget.bicep"].resources[0]
    assert "onlyIfNotExists" in budget.decorators  # its start date cannot be changed
    assert budget.value["properties"]["timeGrain"] == "Monthly"
    assert "[50, 80, 100]" in budget.value["properties"]["notifications"]


def test_every_chart_of_the_workbook_asks_what_the_workspace_can_answer() -> None:
    book = json.loads((INFRA / "workbook.json").read_text())
    charts = {item["name"]: item["content"] for item in book["items"] if item["type"] == 3}
    assert {name.partition(":")[0] for name in charts} >= {"Traffic", "Decisions", "Drift", "Feedback"}
    assert all(chart["timeContextFromParameter"] == "TimeRange" for chart in charts.values())
    linted = lint({name: chart["query"] for name, chart in charts.items()})
    assert {name: found.problems for name, found in linted.items() if found.problems} == {}


def test_failures_of_a_kind_are_one_row_of_the_workbook() -> None:
    """Though the message of each names its request."""
    book = json.loads((INFRA / "workbook.json").read_text())
    (query,) = (item["content"]["query"] for item in book["items"] if item["name"] == "Exceptions")
    workspace, noon = Workspace(schema()), datetime(2026, 11, 22, 12, tzinfo=UTC)
    for minute, kind in enumerate(("ServiceRequestError", "ServiceRequestError", "ValueError")):
        failure = {"ExceptionType": kind, "OuterMessage": f"request {minute} failed"}
        workspace.add("AppExceptions", failure | {"TimeGenerated": noon + timedelta(minutes=minute)}, noon)
    found = workspace.query(query, noon - timedelta(hours=1), noon + timedelta(hours=1))
    assert [(row["ExceptionType"], row["Times"], row["Message"]) for row in found] == [
        ("ValueError", 1, "request 2 failed"),
        ("ServiceRequestError", 2, "request 1 failed"),
    ]


def values(name: str) -> dict[str, Any]:
    """The parameters in a file of them."""
    content = json.loads((INFRA / f"{name}.parameters.json").read_text())
    return {parameter: entry["value"] for parameter, entry in content["parameters"].items()}


def fits(name: str, value: Any) -> bool:
    """Whether a parameter of main.bicep takes a value."""
    parameter = MAIN.parameters[name]
    wanted = {"string": str, "int": int}[parameter.type]
    allowed = parameter.decorators.get("allowed", [[value]])[0]
    (least,) = parameter.decorators.get("minValue", [0])
    return isinstance(value, wanted) and value in allowed and (wanted is str or value >= least)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_parameters_of_an_environment_are_those_of_the_template(environment: str) -> None:
    given = values(environment)
    assert [name for name, value in given.items() if not fits(name, value)] == []
    assert given["environmentName"] == f"buzzguard-{environment}"  # deploy.yml finds the group by it
    needed = {name for name, parameter in MAIN.parameters.items() if parameter.value is None}
    assert needed - given.keys() == {"location", "opsEmail"}  # deploy.yml has them from the environment of GitHub


def strangers(origins: str) -> list[str]:
    """Those of the CORS origins that are not one page of ours."""
    return [origin for origin in origins.split(",") if origin and not re.fullmatch(r"https://[\w.-]+", origin)]


def test_only_our_pages_can_call_prod() -> None:
    assert strangers(values("prod")["corsOrigins"]) == []
    assert strangers("https://www.example.org,*") == ["*"]
    assert strangers("https://*.example.org,http://example.org") == ["https://*.example.org", "http://example.org"]
    assert MAIN.parameters["corsOrigins"].value == ""
    assert values("prod").get("authLevel", MAIN.parameters["authLevel"].value) == "function"


def test_azd_has_the_defaults_of_the_template() -> None:
    for name, placeholder in values("main").items():
        default = MAIN.parameters[name].value
        assert re.fullmatch(r"\$\{[A-Z_]+" + ("" if default is None else f"={default}") + r"\}", placeholder), name


def test_azd_deploys_the_package() -> None:
    text = (ROOT / "azure.yaml").read_text()
    assert "'azd-service-name': 'api'" in SITE["tags"] and "\n  api:\n" in text
    assert "project: build/azure" in text and "remoteBuild: false" in text
    assert text.count("run: make build/azure") == 2  # azd deploys with and without packaging before


def test_the_scripts_have_what_they_ask_for_from_the_outputs() -> None:
    scripts = "".join(path.read_text() for path in INFRA.glob("*.sh"))
    assert set(re.findall(r"AZURE_\w+", scripts)) - {"AZURE_SUBSCRIPTION_ID"} <= MAIN.outputs.keys()
