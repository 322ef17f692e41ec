"""The infrastructure: what is declared is sound, safe, and what the app asks for.

Most of it is read in the snapshots, which the compiler made; where the compiler is, they are shown to be its latest.
"""

import copy
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra import bicep, verify
from tests.infra import option_policies, policies
from tests.infra.policies import Snapshot, resources, settings
from tests.support.alert_rules import ALERTS
from tests.support.paths import ROOT
from tests.support.settings import names_read

INFRA = ROOT / "infra"
SNAPSHOTS: dict[str, Snapshot] = {
    deployment: json.loads((bicep.SNAPSHOTS / f"{deployment}.json").read_text()) for deployment in bicep.DEPLOYMENTS
}
INCIDENTS = SNAPSHOTS.pop("incidents")  # deployed after the package, into the group of the others
DEV, PROD, OPTIONS = SNAPSHOTS["dev"], SNAPSHOTS["prod"], SNAPSHOTS["options"]
(SITE,) = resources(DEV, policies.SITE)

POLICIES = [
    policies.required_properties,
    policies.logs_have_a_cap,
    policies.names,
    policies.tags_on_everything,
    policies.roles,
    policies.only_the_platform_writes_the_package,
    policies.nobody_deploys_with_a_password,
    policies.no_secret_leaves,
    policies.alerts_reach_people,
    policies.a_later_burst_is_told,
    policies.what_is_tested_from_outside_sets_off_an_alarm,
    policies.budget_warns_in_time,
    *option_policies.POLICIES,
]

GONE = object()
WIDER = "/providers/Microsoft.Authorization/roleDefinitions/8e3af657-a8ff-443c-a75c-2fe8c4bcb635"  # Owner
STORAGE = policies.STORAGE

# What is changed in a resource of a type, and what must be said of it. A number in a path is a place in a list.
MISTAKES = [
    (STORAGE, "properties.allowSharedKeyAccess", True, "stpkg: allowSharedKeyAccess must be False, not True"),
    (STORAGE, "properties.allowSharedKeyAccess", GONE, "allowSharedKeyAccess must be False, not None"),
    (STORAGE, "properties.allowBlobPublicAccess", True, "allowBlobPublicAccess must be False"),
    (STORAGE, "properties.minimumTlsVersion", "TLS1_0", "minimumTlsVersion must be TLS1_2, not TLS1_0"),
    (STORAGE, "properties.supportsHttpsTrafficOnly", False, "supportsHttpsTrafficOnly must be True"),
    (f"{STORAGE}/blobServices/containers", "properties.publicAccess", "Blob", "publicAccess must be None, not Blob"),
    (policies.SITE, "properties.httpsOnly", False, "func: httpsOnly must be True"),
    (policies.SITE, "properties.siteConfig.minTlsVersion", "1.0", "siteConfig.minTlsVersion must be 1.2, not 1.0"),
    (policies.PUBLISHING, "properties.allow", True, "func/ftp: allow must be False"),
    (policies.PUBLISHING, "name", "func-0123456789abc/other", "ftp is open to passwords"),
    (policies.VAULT, "properties.enableRbacAuthorization", False, "kv: enableRbacAuthorization must be True"),
    (policies.VAULT, "properties.enablePurgeProtection", GONE, "enablePurgeProtection must be True, not None"),
    ("Microsoft.Insights/components", "properties.DisableLocalAuth", False, "appi: DisableLocalAuth must be True"),
    ("Microsoft.OperationalInsights/workspaces", "properties.retentionInDays", 730, "retentionInDays must be 30"),
    (
        "Microsoft.OperationalInsights/workspaces",
        "properties.workspaceCapping.dailyQuotaGb",
        -1,
        "log: a loop that logs costs what it likes",
    ),
    (policies.VAULT, "properties.enabledForTemplateDeployment", False, "enabledForTemplateDeployment must be True"),
    (policies.VAULT, "name", "uqxuapfphkwns", "must begin with one of ['kv']"),
    (policies.ACTION_GROUP, "tags", GONE, "ag-ops: it has no tag azd-env-name"),
    (policies.ROLE, "properties.roleDefinitionId", WIDER, "id-package may not have the role 8e3af657"),
    (policies.ROLE, "properties.roleDefinitionId", WIDER, "id-package needs the role ba92f5b4"),
    (
        policies.ROLE,
        "properties.principalId",
        "[reference('/x/userAssignedIdentities/id-0123456789abc')]",
        "id may not",
    ),
    (
        policies.ROLE,
        "id",
        "/subscriptions/0/resourceGroups/rg-x/providers/Microsoft.Authorization/roleAssignments/0",
        "on the resource group",
    ),
    (
        policies.ROLE,
        "id",
        "/subscriptions/0/resourceGroups/rg-x/providers/Microsoft.Storage/storageAccounts/st0123456789abc"
        "/providers/Microsoft.Authorization/roleAssignments/0",
        "id-package may not have the role ba92f5b4-2d11-453d-a403-e96b0029c9fe on st",
    ),
    (
        policies.SITE,
        "properties.functionAppConfig.deployment.storage.authentication.userAssignedIdentityResourceId",
        "/x/userAssignedIdentities/id-0123456789abc",
        "the package is written by an identity that the app uses",
    ),
    (
        policies.SITE,
        "properties.functionAppConfig.deployment.storage.value",
        "https://x/storageAccounts/st0123456789abc",
        "the package lies where the app writes",
    ),
    (
        policies.SITE,
        "properties.keyVaultReferenceIdentity",
        "/x/userAssignedIdentities/id-package-0123456789abc",
        "the app uses the identity that writes the package",
    ),
    (
        policies.SITE,
        "properties.siteConfig.appSettings",
        [
            {"name": "RECEIPT_KEY", "value": "a key of forty characters, in the sources"},
            {"name": "AUTH_LEVEL", "value": "function"},
            {"name": "FEEDBACK_RETENTION_DAYS", "value": "90"},
            {"name": "EXPORT_CONTAINER_URL", "value": ""},
            {"name": "MANAGED_IDENTITY_CLIENT_ID", "value": "/x/userAssignedIdentities/id-0123456789abc"},
        ],
        "RECEIPT_KEY is not a reference to the key vault",
    ),
    (
        policies.SITE,
        "properties.siteConfig.appSettings",
        [
            {"name": "AUTH_LEVEL", "value": "anonymous"},
            {"name": "FEEDBACK_RETENTION_DAYS", "value": "90"},
            {"name": "EXPORT_CONTAINER_URL", "value": "https://x/storageAccounts/st0123456789abc/feedback-export"},
            {"name": "MANAGED_IDENTITY_CLIENT_ID", "value": "/x/userAssignedIdentities/id-0123456789abc"},
        ],
        "anyone may call, without a key and without signing in\nthe export does not go to its account",
    ),
    (option_policies.AUTHENTICATION, "properties.platform.enabled", True, "who has signed in is asked for a key, too"),
    ("Microsoft.Insights/workbooks", "properties.serializedData", "[listKeys('x').key1]", "tells a secret"),
    (policies.LOG_RULE, "properties.autoMitigate", True, "a burst while an alert is open is told nobody"),
    (policies.LOG_RULE, "properties.enabled", False, "enabled must be True"),
    (policies.LOG_RULE, "properties.muteActionsDuration", "PT1H", "muteActionsDuration must be None"),
    (policies.LOG_RULE, "properties.actions.actionGroups", [], "bad-prediction-burst: nobody is mailed"),
    (policies.LOG_RULE, "properties.displayName", "Burst", "knows a rule by its name"),
    (policies.METRIC_RULE, "properties.actions", [], "availability: nobody is mailed"),
    (policies.METRIC_RULE, "properties.enabled", False, "availability: enabled must be True"),
    (policies.METRIC_RULE, "properties.criteria", {}, "availability: nobody hears of it when it fails"),
    (policies.WEBTEST, "properties.ValidationRules.ExpectedHttpStatusCode", 401, "ExpectedHttpStatusCode must be 200"),
    (policies.ACTION_GROUP, "properties.emailReceivers", [], "bad-prediction-burst: nobody is mailed"),
    ("Microsoft.Consumption/budgets", "properties.timeGrain", "Annually", "not that of a month"),
    ("Microsoft.Consumption/budgets", "properties.notifications.at50.threshold", 60, "says nothing before half"),
    ("Microsoft.Consumption/budgets", "properties.notifications.at100.contactEmails", [], "told nobody"),
]

# The same, in what is deployed with every option on.
OPTION_MISTAKES = [
    (
        option_policies.AUTHENTICATION,
        "properties.platform.enabled",
        False,
        "anyone may call, without a key and without signing in",
    ),
    (
        option_policies.AUTHENTICATION,
        "properties.globalValidation.requireAuthentication",
        False,
        "who does not sign in may call",
    ),
    (
        option_policies.AUTHENTICATION,
        "properties.globalValidation.excludedPaths",
        ["/api/*"],
        "must reach ['/api/health/live', '/api/health/ready', '/api/incidents'], not ['/api/*']",
    ),
    (
        option_policies.AUTHENTICATION,
        "properties.identityProviders.azureActiveDirectory.registration.clientSecretSettingName",
        "MANAGED_IDENTITY_CLIENT_ID",
        "the sign-in takes a secret, or an identity that can do more",
    ),
    (STORAGE, "properties.publicNetworkAccess", "Enabled", "stpkg: it is open to all networks"),
    (policies.VAULT, "properties.publicNetworkAccess", "Enabled", "kv: it is open to all networks"),
    (policies.VAULT, "properties.networkAcls.bypass", "None", "kv: a deployment cannot take a secret out"),
    (
        option_policies.ENDPOINT,
        "properties.privateLinkServiceConnections",
        [{"properties": {"privateLinkServiceId": "/x/st0123456789abc", "groupIds": ["queue"]}}],
        "st: nobody reaches its blob",
    ),
    (policies.SITE, "properties.virtualNetworkSubnetId", None, "the app is not in the network"),
    (option_policies.AUDIT, "properties.logs", [], "kv: nobody notes ['AuditEvent'] of its vault"),
    (option_policies.AUDIT, "id", "/x/vaults/other/providers/", "kv: nobody notes ['AuditEvent'] of its vault"),
    (STORAGE, "sku.name", "Standard_LRS", "stpkg: it must be Standard_ZRS, as the plan is"),
    (option_policies.PLAN, "properties.zoneRedundant", False, "st: it must be Standard_LRS, as the plan is"),
    (
        option_policies.LIFECYCLE,
        "properties.policy.rules.0.definition.actions.baseBlob.delete.daysAfterModificationGreaterThan",
        91,
        "the export is kept for 91 days, and its table for 90",
    ),
    (option_policies.LIFECYCLE, "properties.policy.rules.0.enabled", False, "the export is kept for 90 days"),
    (option_policies.LIFECYCLE, "name", "st0123456789abc/default", "the export is kept for ever"),
    (option_policies.BINDING, "properties.sslState", "Disabled", "buzzguard.example.org: it has no TLS"),
    ("Microsoft.Insights/metricAlerts", "tags.owner", GONE, "availability: it has no tag owner"),
    ("Microsoft.Resources/resourceGroups", "tags.cost-centre", "", "rg-buzzguard: it has no tag cost-centre"),
]

# A mistake in a file, and what the compiler must say of it.
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

# Read by the code and not set, since shared keys are off: TABLES_ENDPOINT is, by identity.
NOT_SET = {"TABLES_CONNECTION_STRING"}
# Set, and read by the platform.
NOT_OURS = re.compile(r"AzureWebJobsStorage__|APPLICATIONINSIGHTS_AUTHENTICATION_STRING|OTEL_|PYTHON_")

needs_compiler = pytest.mark.skipif(bicep.compiler() is None, reason="no bicep on the PATH, and none named by BICEP")


def said(snapshot: Snapshot) -> str:
    return "\n".join(fault for policy in POLICIES for fault in policy(snapshot))


@pytest.mark.parametrize("deployment", SNAPSHOTS)
def test_a_deployment_keeps_to_the_policies(deployment: str) -> None:
    assert said(SNAPSHOTS[deployment]) == ""


def with_mistake(snapshot: Snapshot, type_: str, path: str, wrong: Any) -> Snapshot:
    """In the first resource of the type; of bindings in the last, which is what Azure is left with."""
    mistaken = copy.deepcopy(snapshot)
    *keys, last = path.split(".")
    part: Any = resources(mistaken, type_)[-1 if type_ == option_policies.BINDING else 0]
    for key in keys:
        part = part[int(key) if key.isdigit() else key]
    if wrong is GONE:
        del part[last]
    else:
        part[last] = wrong
    return mistaken


@pytest.mark.parametrize(("type_", "path", "wrong", "fault"), MISTAKES, ids=[fault for *_, fault in MISTAKES])
def test_a_mistake_is_found(type_: str, path: str, wrong: Any, fault: str) -> None:
    assert fault in said(with_mistake(PROD, type_, path, wrong))


@pytest.mark.parametrize(
    ("type_", "path", "wrong", "fault"), OPTION_MISTAKES, ids=[fault for *_, fault in OPTION_MISTAKES]
)
def test_a_mistake_in_an_option_is_found(type_: str, path: str, wrong: Any, fault: str) -> None:
    assert fault in said(with_mistake(OPTIONS, type_, path, wrong))


def test_an_output_that_tells_a_secret_is_found() -> None:
    outputs = DEV["outputs"] | {"KEY": "[listKeys('…', '2025-08-01').keys[0].value]"}
    assert said(DEV | {"outputs": outputs}) == "output KEY tells a secret"


@pytest.fixture(scope="module")
def sources() -> Iterator[Path]:
    with bicep.copy() as folder:
        yield folder


@pytest.mark.parametrize(
    ("arguments", "environment", "code", "line"),
    [
        ([], {}, 0, "templates were not checked"),
        ([], {"BICEP": "/nowhere"}, 1, "BICEP names no program: /nowhere"),
        (["snapshots"], {}, 1, "there is no bicep on the PATH"),
    ],
)
def test_a_check_without_the_compiler_says_so(
    arguments: list[str], environment: dict[str, str], code: int, line: str
) -> None:
    command = [sys.executable, "-m", "infra.bicep", *arguments]
    done = subprocess.run(command, cwd=ROOT, env={"PATH": ""} | environment, capture_output=True, text=True)
    assert done.returncode == code and line in done.stdout + done.stderr
    assert (done.stdout + done.stderr).count("\n") == 1


def test_an_argument_that_it_does_not_know_is_refused() -> None:
    done = subprocess.run([sys.executable, "-m", "infra.bicep", "snapshot"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1 and "`python -m infra.bicep snapshots`" in done.stderr


@pytest.mark.parametrize("killed", ["build", "lint", "format", "snapshot"])
def test_a_compiler_that_ends_without_a_word_has_not_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed: str
) -> None:
    program = tmp_path / "bicep"
    program.write_text(f'#!/bin/sh\n[ "$1" != {killed} ] || kill -9 $$\n')
    program.chmod(0o755)
    monkeypatch.setenv("BICEP", str(program))
    with bicep.copy() as folder, pytest.raises(SystemExit, match=f"^bicep {killed} ended with -9$"):
        bicep.predict("dev", folder) if killed == "snapshot" else bicep.faults(folder)


@needs_compiler
@pytest.mark.parametrize("deployment", bicep.DEPLOYMENTS)
def test_the_snapshot_is_what_the_templates_say(sources: Path, deployment: str) -> None:
    """Where it is not: `make snapshots`, and read the difference."""
    assert bicep.predict(deployment, sources) == (bicep.SNAPSHOTS / f"{deployment}.json").read_text()


@needs_compiler
def test_the_compiler_is_as_strict_as_it_is_told() -> None:
    with bicep.copy() as folder:
        for path, right, wrong, _ in COMPILED_MISTAKES:
            text = (folder / path).read_text()
            assert right in text, path
            (folder / path).write_text(text.replace(right, wrong, 1))
        found = "\n".join(bicep.faults(folder))
    assert [fault for *_, fault in COMPILED_MISTAKES if not re.search(fault, found)] == []


def replaced_each_time(template: dict[str, Any]) -> Iterator[str]:
    """The types of what a compiled template, or one in it, makes anew though it is to be made once."""
    declared = template["resources"]  # with names, or in a list where the template is plain
    for resource in declared.values() if isinstance(declared, dict) else declared:
        once = resource["type"] in (f"{policies.VAULT}/secrets", "Microsoft.Consumption/budgets")
        once |= resource["type"] == option_policies.BINDING and resource["properties"]["sslState"] == "Disabled"
        once |= resource["type"] == policies.ACTION_GROUP and "ag-incidents" in resource["name"]
        if once and "onlyIfNotExists" not in resource.get("@options", {}):
            yield resource["type"]
        if resource["type"] == "Microsoft.Resources/deployments":
            yield from replaced_each_time(resource["properties"]["template"])


@needs_compiler
def test_what_must_not_change_is_made_once(sources: Path) -> None:
    """The next deployment would give new keys, take TLS from a domain, and empty the group that incidents.bicep filled
    in; Azure refuses a budget another start."""
    compiled = bicep.compile_("resources.bicep", sources)
    assert list(replaced_each_time(json.loads(compiled))) == []
    mistaken = json.loads(compiled.replace("onlyIfNotExists", "retryOn"))
    assert set(replaced_each_time(mistaken)) == {
        f"{policies.VAULT}/secrets",
        "Microsoft.Consumption/budgets",
        option_policies.BINDING,
        policies.ACTION_GROUP,
    }


@needs_compiler
def test_azd_chooses_by_its_environment(sources: Path) -> None:
    chosen = {
        "AUTH_LEVEL": "anonymous",
        "AVAILABILITY_TEST": "true",
        "CORS_ORIGINS": "https://www.example.org,https://example.org",
        "EXPECT_TRAFFIC": "true",
        "INSTANCE_MEMORY_MB": "2048",
        "MONTHLY_BUDGET": "0",
        "OPS_PHONE": "5550100",
        "SMTP_USER": "sender",
    }
    snapshot: Snapshot = json.loads(bicep.predict("main", sources, chosen))
    (site,) = resources(snapshot, policies.SITE)
    assert site["properties"]["siteConfig"]["cors"]["allowedOrigins"] == chosen["CORS_ORIGINS"].split(",")
    assert site["properties"]["functionAppConfig"]["scaleAndConcurrency"]["instanceMemoryMB"] == 2048
    assert settings(snapshot)["AUTH_LEVEL"] == "anonymous"
    assert policies.REFERENCE.match(settings(snapshot)["SMTP_PASSWORD"])
    assert resources(snapshot, "Microsoft.Consumption/budgets") == []
    assert len(resources(snapshot, policies.WEBTEST)) == 1
    assert [rule["name"] for rule in resources(snapshot, policies.LOG_RULE)] == [alert["name"] for alert in ALERTS]
    (ops, _) = resources(snapshot, policies.ACTION_GROUP)
    assert ops["properties"]["smsReceivers"] == [{"name": "ops", "countryCode": "1", "phoneNumber": "5550100"}]


@needs_compiler
def test_a_choice_that_azure_would_refuse_is_refused_before(sources: Path) -> None:
    with pytest.raises(SystemExit) as refused:
        bicep.predict("main", sources, {"INSTANCE_MEMORY_MB": "513", "AUTH_LEVEL": "nobody", "MONTHLY_BUDGET": "much"})
    assert all(choice in str(refused.value) for choice in ('"513"', '"nobody"', "'much'"))
    with pytest.raises(SystemExit) as refused:
        bicep.predict("main", sources, {"SIGN_IN_CLIENT_ID": "buzzguard", "PRIVATE_NETWORK": "perhaps"})
    assert all(choice in str(refused.value) for choice in ("BCP333", '"options"'))


@needs_compiler
@pytest.mark.parametrize(
    ("chosen", "fault"),
    [
        ({"OPS_EMAIL": "nobody"}, "OPS_EMAIL must be an e-mail address, not 'nobody'"),
        ({"SMTP_HOST": "smtp.example.org"}, "MAIL_FROM must be an e-mail address where SMTP_HOST is set, not ''"),
        ({"SMTP_PORT": "99999"}, "'mail.port' is not valid"),
    ],
)
def test_a_choice_that_the_app_would_not_start_with_is_refused_before(
    sources: Path, chosen: dict[str, str], fault: str
) -> None:
    with pytest.raises(SystemExit, match=re.escape(fault)):
        bicep.predict("main", sources, chosen)


@needs_compiler
def test_a_key_is_not_asked_for_on_top_of_a_sign_in(sources: Path) -> None:
    chosen = {"AUTH_LEVEL": "function", "SIGN_IN_CLIENT_ID": bicep.OPTIONS["SIGN_IN_CLIENT_ID"]}
    with pytest.raises(SystemExit, match=r"SIGN_IN_CLIENT_ID says who may call: AUTH_LEVEL must not be set"):
        bicep.predict("main", sources, chosen)


def test_where_people_sign_in_is_seen_in_the_settings() -> None:
    """A deployment is verified by them."""
    assert [verify.SIGN_IN in settings(deployment) for deployment in (DEV, PROD, OPTIONS)] == [False, False, True]


def test_what_needs_no_sign_in_is_there() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "functions").glob("*.py"))
    assert [path for path in option_policies.NEED_NO_SIGN_IN if f'"{path}"' not in sources] == []


def test_options_are_off_unless_they_are_asked_for() -> None:
    types = {resource["type"] for resource in PROD["predictedResources"]}
    on = {resource["type"] for resource in OPTIONS["predictedResources"]} - types
    assert on == {
        "Microsoft.Resources/resourceGroups",  # azd's; the workflow finds one
        option_policies.AUDIT,
        option_policies.BINDING,
        f"{policies.SITE}/certificates",
        option_policies.ENDPOINT,
        f"{option_policies.ENDPOINT}/privateDnsZoneGroups",
        option_policies.NETWORK,
        "Microsoft.Network/privateDnsZones",
        "Microsoft.Network/privateDnsZones/virtualNetworkLinks",
        option_policies.LIFECYCLE,
    }


def test_every_setting_that_the_code_reads_is_set_and_the_reverse() -> None:
    names = set(settings(DEV))
    ours = {name for name in names if not NOT_OURS.match(name)}
    assert ours == names_read() - NOT_SET - {"AZURE_FUNCTIONS_ENVIRONMENT"}
    assert {"RECEIPT_KEY", "MAIL_TO"} <= ours
    assert {"AzureWebJobsStorage__clientId", "OTEL_TRACES_SAMPLER"} <= names


def test_the_host_keeps_every_trace() -> None:
    sampler = {name: value for name, value in settings(DEV).items() if name.startswith("OTEL_TRACES_SAMPLER")}
    assert sampler == {"OTEL_TRACES_SAMPLER": "microsoft.fixed_percentage", "OTEL_TRACES_SAMPLER_ARG": "1.0"}


def test_requests_an_instance_takes_are_requests_the_host_accepts() -> None:
    http = json.loads((ROOT / "host.json").read_text())["extensions"]["http"]
    triggers = SITE["properties"]["functionAppConfig"]["scaleAndConcurrency"]["triggers"]
    assert triggers == {"http": {"perInstanceConcurrency": http["maxConcurrentRequests"]}}


def test_what_runs_is_the_python_that_is_tested() -> None:
    runtime = SITE["properties"]["functionAppConfig"]["runtime"]
    requires = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert runtime == {"name": "python", "version": requires.removeprefix(">=").partition(",")[0]}


def test_the_alert_calls_a_function_that_is_there() -> None:
    source = (ROOT / "functions/incident.py").read_text()
    assert '"/api/incidents"' in source and "\nasync def incident(" in source
    (group,) = INCIDENTS["predictedResources"]
    (receiver,) = group["properties"]["webhookReceivers"]
    assert receiver["serviceUri"].startswith("[format('https://{0}/api/incidents?key={1}', reference(")
    assert receiver["serviceUri"].endswith("/vaults/kv-buzzguard', 'incident-key')))]")
    assert receiver["useCommonAlertSchema"] is True


def test_the_action_group_stays_what_it_was_but_for_what_it_calls() -> None:
    """It is made by one template, and filled in by another, which replaces all of it."""
    (group,) = INCIDENTS["predictedResources"]
    (made,) = (made for made in resources(DEV, policies.ACTION_GROUP) if policies.called(made) == "ag-incidents")
    assert group["tags"] == f"[reference('{group['id']}', '{group['apiVersion']}', 'full').tags]"
    for same in ("apiVersion", "location"):
        assert group[same] == made[same]
    assert made["properties"] == {name: group["properties"][name] for name in ("groupShortName", "enabled")}


@pytest.mark.parametrize("snapshot", SNAPSHOTS.values(), ids=SNAPSHOTS)
def test_a_rule_is_what_alerts_json_says(snapshot: Snapshot) -> None:
    """And a quiet app is no alarm unless somebody says that there is traffic."""
    rules = {rule["name"]: rule["properties"] for rule in resources(snapshot, policies.LOG_RULE)}
    assert rules.keys() == {alert["name"] for alert in ALERTS if not alert["expectTraffic"]}
    for alert in ALERTS:
        if rule := rules.get(alert["name"]):
            (criterion,) = rule["criteria"]["allOf"]
            assert criterion["query"] == (INFRA / alert["query"]).read_text()
            assert (rule["evaluationFrequency"], rule["windowSize"]) == (alert["frequency"], alert["window"])
            assert (rule["autoMitigate"], rule["severity"]) == (alert["autoMitigate"], alert["severity"])


def test_prod_is_asked_from_outside_whether_it_is_ready() -> None:
    (test,) = resources(PROD, policies.WEBTEST)
    asked = json.loads((INFRA / "availability.json").read_text())
    assert f"'{asked['path']}'" in test["properties"]["Request"]["RequestUrl"]
    assert f'"{asked["path"]}"' in (ROOT / "functions/health.py").read_text()
    seconds = {"PT30S": 30, "PT5M": 300}
    assert test["properties"]["Frequency"] == seconds[asked["frequency"]]
    assert test["properties"]["Timeout"] == seconds[asked["timeout"]]
    assert [place["Id"] for place in test["properties"]["Locations"]] == asked["locations"]
    assert resources(DEV, policies.WEBTEST) == []


@pytest.mark.parametrize("deployment", ["dev", "prod"])
def test_the_workflow_finds_the_group_by_the_name_of_the_environment(deployment: str) -> None:
    tags = [resource["tags"] for resource in SNAPSHOTS[deployment]["predictedResources"] if "tags" in resource]
    assert {tag["azd-env-name"] for tag in tags} == {f"buzzguard-{deployment}"}


def strangers(origins: list[str]) -> list[str]:
    """Those of the CORS origins that are not one page of ours."""
    return [origin for origin in origins if not re.fullmatch(r"https://[\w.-]+", origin)]


def test_only_our_pages_can_call_prod() -> None:
    (site,) = resources(PROD, policies.SITE)
    assert strangers(site["properties"]["siteConfig"]["cors"]["allowedOrigins"]) == []
    assert strangers(["https://www.example.org", "*"]) == ["*"]
    assert strangers(["https://*.example.org", "http://example.org"]) == ["https://*.example.org", "http://example.org"]
    assert settings(PROD)["AUTH_LEVEL"] == "function"


def test_the_scripts_have_what_they_ask_for_from_the_outputs() -> None:
    names = ("connect_alerts.sh", "incidents.bicepparam", "keep.py", "verify.py")
    asked = [set(re.findall(r"\bAZURE_\w+", (INFRA / name).read_text())) for name in names]
    outputs = DEV["outputs"].keys()
    assert all(asked) and set().union(*asked) - {"AZURE_SUBSCRIPTION_ID"} <= outputs
    assert all(snapshot["outputs"].keys() == outputs for snapshot in SNAPSHOTS.values())
