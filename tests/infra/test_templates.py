"""What the templates deploy matches the app: its settings, its functions, its alerts, its host."""

import json
import re
import tomllib
from typing import Any

import pytest

from infra import verify_deployment
from tests.infra import option_policies, policies
from tests.infra.deployments import DEV, INCIDENTS, OPTIONS, PROD, SNAPSHOTS
from tests.infra.policies import Snapshot, resources, settings
from tests.support.alert_rules import ALERTS
from tests.support.paths import ROOT
from tests.support.settings import names_read

INFRA = ROOT / "infra"
(SITE,) = resources(DEV, policies.SITE)

# The app reads it, but Azure does not set it: shared keys are off, so the app uses TABLES_ENDPOINT with its identity.
NOT_SET = {"TABLES_CONNECTION_STRING"}
# The app reads them, and Azure sets them by itself.
SET_BY_AZURE = {"AZURE_FUNCTIONS_ENVIRONMENT", "WEBSITE_AUTH_ENABLED"}
# The platform reads these, not the app.
PLATFORM_SETTINGS = re.compile(r"AzureWebJobsStorage__|APPLICATIONINSIGHTS_AUTHENTICATION_STRING|OTEL_|PYTHON_")


def test_app_settings_show_whether_people_sign_in() -> None:
    """verify_deployment chooses its checks by this setting."""
    assert [verify_deployment.SIGN_IN in settings(deployment) for deployment in (DEV, PROD, OPTIONS)] == [
        False,
        False,
        True,
    ]


def test_paths_without_sign_in_are_routes_of_the_app(routes: set[str]) -> None:
    assert set(option_policies.ANONYMOUS_PATHS) <= routes


def test_options_are_off_by_default() -> None:
    default_types = {resource["type"] for resource in PROD["predictedResources"]}
    on = {resource["type"] for resource in OPTIONS["predictedResources"]} - default_types
    assert on == {
        "Microsoft.Resources/resourceGroups",  # azd creates it; for the workflow it exists already
        option_policies.DIAGNOSTIC_SETTINGS,
        option_policies.HOST_NAME_BINDING,
        f"{policies.SITE}/certificates",
        option_policies.PRIVATE_ENDPOINT,
        f"{option_policies.PRIVATE_ENDPOINT}/privateDnsZoneGroups",
        option_policies.NETWORK,
        "Microsoft.Network/privateDnsZones",
        "Microsoft.Network/privateDnsZones/virtualNetworkLinks",
        option_policies.LIFECYCLE_POLICY,
    }


def test_app_settings_are_those_that_the_app_reads() -> None:
    names = set(settings(DEV))
    ours = {name for name in names if not PLATFORM_SETTINGS.match(name)}
    assert ours == names_read() - NOT_SET - SET_BY_AZURE
    assert {"RECEIPT_KEY", "MAIL_TO"} <= ours
    assert {"AzureWebJobsStorage__clientId", "OTEL_TRACES_SAMPLER"} <= names


def test_host_samples_every_trace() -> None:
    sampler = {name: value for name, value in settings(DEV).items() if name.startswith("OTEL_TRACES_SAMPLER")}
    assert sampler == {"OTEL_TRACES_SAMPLER": "microsoft.fixed_percentage", "OTEL_TRACES_SAMPLER_ARG": "1.0"}


def max_concurrent_requests() -> int:
    http = json.loads((ROOT / "host.json").read_text())["extensions"]["http"]
    return http["maxConcurrentRequests"]


def http_concurrency() -> int:
    """Return how many requests Azure gives one instance before it starts another one."""
    return SITE["properties"]["functionAppConfig"]["scaleAndConcurrency"]["triggers"]["http"]["perInstanceConcurrency"]


def test_full_bulkheads_leave_room_in_the_host(loaded_app: dict[str, Any]) -> None:
    assert sum(loaded_app["capacity"].values()) < max_concurrent_requests()


def test_another_instance_starts_before_a_single_text_is_refused_or_waits_for_other_work(
    loaded_app: dict[str, Any],
) -> None:
    capacity = dict(loaded_app["capacity"])
    assert capacity.pop("texts") >= http_concurrency() > sum(capacity.values())
    assert http_concurrency() < max_concurrent_requests()


def test_python_version_is_that_of_pyproject() -> None:
    runtime = SITE["properties"]["functionAppConfig"]["runtime"]
    requires = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert runtime == {"name": "python", "version": requires.removeprefix(">=").partition(",")[0]}


def test_alerts_call_the_incident_function(routes: set[str]) -> None:
    assert "/api/incidents" in routes
    (group,) = INCIDENTS["predictedResources"]
    (receiver,) = group["properties"]["webhookReceivers"]
    assert receiver["serviceUri"].startswith("[format('https://{0}/api/incidents?key={1}', reference(")
    assert receiver["serviceUri"].endswith("/vaults/kv-buzzguard', 'incident-key')))]")
    assert receiver["useCommonAlertSchema"] is True


def test_incidents_template_changes_only_the_receivers_of_the_action_group() -> None:
    """alerts.bicep creates the group, and incidents.bicep replaces all of it."""
    (group,) = INCIDENTS["predictedResources"]
    groups = {policies.short_name(group): group for group in resources(DEV, policies.ACTION_GROUP)}
    created = groups["ag-incidents"]
    assert group["tags"] == f"[reference('{group['id']}', '{group['apiVersion']}', 'full').tags]"
    for unchanged in ("apiVersion", "location"):
        assert group[unchanged] == created[unchanged]
    assert created["properties"] == {name: group["properties"][name] for name in ("groupShortName", "enabled")}


@pytest.mark.parametrize("snapshot", SNAPSHOTS.values(), ids=SNAPSHOTS)
def test_alert_rules_are_those_of_alerts_json(snapshot: Snapshot) -> None:
    """Rules that expect traffic are off by default."""
    rules = {rule["name"]: rule["properties"] for rule in resources(snapshot, policies.LOG_RULE)}
    assert rules.keys() == {alert["name"] for alert in ALERTS if not alert["expectTraffic"]}
    for alert in ALERTS:
        if rule := rules.get(alert["name"]):
            (criterion,) = rule["criteria"]["allOf"]
            assert criterion["query"] == (INFRA / alert["query"]).read_text()
            assert (rule["evaluationFrequency"], rule["windowSize"]) == (alert["frequency"], alert["window"])
            assert (rule["autoMitigate"], rule["severity"]) == (alert["autoMitigate"], alert["severity"])


def test_prod_has_the_availability_test_of_availability_json(routes: set[str]) -> None:
    (test,) = resources(PROD, policies.WEBTEST)
    configured = json.loads((INFRA / "availability.json").read_text())
    assert f"'{configured['path']}'" in test["properties"]["Request"]["RequestUrl"]
    assert configured["path"] in routes
    seconds = {"PT30S": 30, "PT5M": 300}
    assert test["properties"]["Frequency"] == seconds[configured["frequency"]]
    assert test["properties"]["Timeout"] == seconds[configured["timeout"]]
    assert [location["Id"] for location in test["properties"]["Locations"]] == configured["locations"]
    assert resources(DEV, policies.WEBTEST) == []


@pytest.mark.parametrize("deployment", ["dev", "prod"])
def test_tag_names_the_environment(deployment: str) -> None:
    tags = [resource["tags"] for resource in SNAPSHOTS[deployment]["predictedResources"] if "tags" in resource]
    assert {tag["azd-env-name"] for tag in tags} == {f"buzzguard-{deployment}"}


def rejected_origins(origins: list[str]) -> list[str]:
    """Return the CORS origins that are not exactly one HTTPS site."""
    return [origin for origin in origins if not re.fullmatch(r"https://[\w.-]+", origin)]


def test_prod_allows_no_wildcard_origin_and_requires_a_key() -> None:
    (site,) = resources(PROD, policies.SITE)
    assert rejected_origins(site["properties"]["siteConfig"]["cors"]["allowedOrigins"]) == []
    assert rejected_origins(["https://www.example.org", "*"]) == ["*"]
    assert rejected_origins(["https://*.example.org", "http://example.org"]) == [
        "https://*.example.org",
        "http://example.org",
    ]
    assert settings(PROD)["AUTH_LEVEL"] == "function"


def test_outputs_have_what_the_scripts_read() -> None:
    names = ("connect_alerts.sh", "incidents.bicepparam", "download_package.py", "verify_deployment.py")
    read = [set(re.findall(r"\bAZURE_\w+", (INFRA / name).read_text())) for name in names]
    outputs = DEV["outputs"].keys()
    assert all(read) and set().union(*read) - {"AZURE_SUBSCRIPTION_ID"} <= outputs
    assert all(snapshot["outputs"].keys() == outputs for snapshot in SNAPSHOTS.values())
