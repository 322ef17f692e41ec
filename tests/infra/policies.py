"""The policies for every deployment. Each is a function that yields the violations in a snapshot, a line for each.

A snapshot is what `bicep snapshot` predicts for a deployment. A value that only Azure knows is an expression in it:
"[reference('…/userAssignedIdentities/id-…', …).principalId]".
"""

import re
from collections.abc import Iterator
from typing import Any

type Resource = dict[str, Any]
type Snapshot = dict[str, Any]  # predictedResources, outputs

STORAGE = "Microsoft.Storage/storageAccounts"
SITE = "Microsoft.Web/sites"
PUBLISHING_CREDENTIALS = f"{SITE}/basicPublishingCredentialsPolicies"
VAULT = "Microsoft.KeyVault/vaults"
IDENTITY = "Microsoft.ManagedIdentity/userAssignedIdentities"
ACTION_GROUP = "Microsoft.Insights/actionGroups"
LOG_RULE = "Microsoft.Insights/scheduledQueryRules"
METRIC_RULE = "Microsoft.Insights/metricAlerts"
WEBTEST = "Microsoft.Insights/webtests"
ROLE_ASSIGNMENT = "Microsoft.Authorization/roleAssignments"

REQUIRED: dict[str, dict[str, Any]] = {
    STORAGE: {
        "allowSharedKeyAccess": False,
        "allowBlobPublicAccess": False,
        "minimumTlsVersion": "TLS1_2",
        "supportsHttpsTrafficOnly": True,
    },
    f"{STORAGE}/blobServices/containers": {"publicAccess": "None"},
    SITE: {"httpsOnly": True, "siteConfig.minTlsVersion": "1.2", "siteConfig.scmMinTlsVersion": "1.2"},
    PUBLISHING_CREDENTIALS: {"allow": False},
    "Microsoft.Insights/components": {"DisableLocalAuth": True},
    "Microsoft.OperationalInsights/workspaces": {"features.disableLocalAuth": True, "retentionInDays": 30},
    VAULT: {"enableRbacAuthorization": True, "enablePurgeProtection": True, "enabledForTemplateDeployment": True},
    LOG_RULE: {"enabled": True, "muteActionsDuration": None},
    METRIC_RULE: {"enabled": True, "autoMitigate": True},
    WEBTEST: {"Enabled": True, "ValidationRules.ExpectedHttpStatusCode": 200, "ValidationRules.SSLCheck": True},
}

# The first part of a resource name, before its unique token. From https://learn.microsoft.com/azure/
# cloud-adoption-framework/ready/azure-best-practices/resource-abbreviations. Not for rules and workbook.
NAMES = {
    IDENTITY: {"id", "id-package", "id-sign-in"},
    STORAGE: {"st", "stpkg", "stexp"},
    VAULT: {"kv"},
    "Microsoft.OperationalInsights/workspaces": {"log"},
    "Microsoft.Insights/components": {"appi"},
    "Microsoft.Web/serverfarms": {"plan"},
    SITE: {"func"},
    ACTION_GROUP: {"ag-ops", "ag-incidents"},
    WEBTEST: {"availability"},
    "Microsoft.Network/virtualNetworks": {"vnet"},
    "Microsoft.Consumption/budgets": {"budget"},
}

# (identity, role, resource): every role assignment that is allowed. Each is required if its resource is deployed.
ROLES = {
    # Storage Blob Data Owner: the minimum for a Functions host
    ("id", "b7e6dc6d-f1e8-4753-8033-0f276bb0955b", "st"),
    # Storage Table Data Contributor
    ("id", "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3", "st/default/feedback"),
    ("id", "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3", "st/default/incidents"),
    # Key Vault Secrets User: resolves the references of app settings
    ("id", "4633458b-17de-408a-874c-0445c86b69e6", "kv"),
    # Monitoring Metrics Publisher
    ("id", "3913510d-42f4-4e42-8a64-420c390055eb", "appi"),
    # Storage Blob Data Contributor: the platform, which writes the package
    ("id-package", "ba92f5b4-2d11-453d-a403-e96b0029c9fe", "stpkg/default/app-package"),
    # Storage Blob Data Contributor: the app, which exports feedback
    ("id", "ba92f5b4-2d11-453d-a403-e96b0029c9fe", "stexp/default/feedback-export"),
    # Storage Blob Data Reader: the deployment downloads the current package for a rollback
    ("deployer", "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1", "stpkg/default/app-package"),
}

SECRET_NAMES = re.compile(r"KEY|PASSWORD|SECRET|CONNECTION_STRING")
NOT_SECRET = {"APPLICATIONINSIGHTS_CONNECTION_STRING"}  # only an address: local authentication is off
KEY_VAULT_REFERENCE = re.compile(
    r"\[format\('@Microsoft\.KeyVault\(SecretUri=\{0\}secrets/\{1\}\)', "
    r"reference\('\S+/vaults/kv-\w+', '[\d-]+'\)\.vaultUri, '[a-z-]+'\)\]$"
)
SECRET_EXPRESSION = re.compile(r"\b(list[A-Z]\w*|getKeyVaultSecret|newGuid)\(")


def required_properties(snapshot: Snapshot) -> Iterator[str]:
    for resource in resources(snapshot):
        for name, expected in REQUIRED.get(resource["type"], {}).items():
            if (found := get_nested(resource["properties"], name)) != expected:
                yield f"{short_name(resource)}: {name} must be {expected}, not {found}"


def logs_have_a_daily_cap(snapshot: Snapshot) -> Iterator[str]:
    for workspace in resources(snapshot, "Microsoft.OperationalInsights/workspaces"):
        if not 0 < (get_nested(workspace["properties"], "workspaceCapping.dailyQuotaGb") or 0) < 100:
            yield f"{short_name(workspace)}: it has no daily cap, so a loop that logs has no maximum cost"


def names(snapshot: Snapshot) -> Iterator[str]:
    for resource in resources(snapshot):
        allowed = NAMES.get(resource["type"])
        if allowed and short_name(resource) not in allowed:
            yield f"{resource['name']}: a name of {resource['type']} must begin with one of {sorted(allowed)}"


def tags_on_everything(snapshot: Snapshot) -> Iterator[str]:
    """Check every resource with a region. Child resources have no region and no tags."""
    regional = [resource for resource in resources(snapshot) if "location" in resource]
    named = {tag for resource in regional for tag in resource.get("tags", {})}
    for resource in regional:
        for tag in sorted({"azd-env-name"} | ({"cost-centre", "owner"} & named)):
            if not resource.get("tags", {}).get(tag):
                yield f"{short_name(resource)}: it has no tag {tag}"


def roles(snapshot: Snapshot) -> Iterator[str]:
    assigned = {
        (
            identity_name(assignment["properties"]["principalId"]),
            assignment["properties"]["roleDefinitionId"].rpartition("/")[2],
            _scope(assignment["id"]),
        )
        for assignment in resources(snapshot, ROLE_ASSIGNMENT)
    }
    deployed = {short_name(resource) for resource in resources(snapshot)}
    for identity, role, scope in sorted(assigned - ROLES):
        yield f"{identity} may not have the role {role} on {scope}"
    for identity, role, scope in sorted(needed for needed in ROLES - assigned if needed[2] in deployed):
        yield f"{identity} needs the role {role} on {scope}"


def only_the_platform_writes_the_package(snapshot: Snapshot) -> Iterator[str]:
    (site,) = resources(snapshot, SITE)
    storage = site["properties"]["functionAppConfig"]["deployment"]["storage"]
    if identity_name(storage["authentication"]["userAssignedIdentityResourceId"]) != "id-package":
        yield "the package is written with an identity that the app uses"
    if "/storageAccounts/stpkg" not in storage["value"]:
        yield "the package is in an account that the app can write to"
    used_by_app = [site["properties"]["keyVaultReferenceIdentity"], settings(snapshot)["MANAGED_IDENTITY_CLIENT_ID"]]
    if {identity_name(identity) for identity in used_by_app} != {"id"}:
        yield "the app uses the identity that writes the package"


def basic_authentication_is_off(snapshot: Snapshot) -> Iterator[str]:
    configured = {resource["name"].rpartition("/")[2] for resource in resources(snapshot, PUBLISHING_CREDENTIALS)}
    for endpoint in sorted({"ftp", "scm"} - configured):
        yield f"{endpoint} accepts passwords"


def secrets_stay_in_the_key_vault(snapshot: Snapshot) -> Iterator[str]:
    """No secret is in an output, an app setting or another resource."""
    for name, value in snapshot["outputs"].items():
        if SECRET_EXPRESSION.search(str(value)):
            yield f"output {name} contains a secret"
    for name, value in settings(snapshot).items():
        if SECRET_NAMES.search(name) and name not in NOT_SECRET and value and not KEY_VAULT_REFERENCE.match(value):
            yield f"{name} is not a reference to the key vault"
    for resource in resources(snapshot):
        if resource["type"] != f"{VAULT}/secrets" and SECRET_EXPRESSION.search(str(resource)):
            yield f"{short_name(resource)} contains a secret"


def alerts_send_mail(snapshot: Snapshot) -> Iterator[str]:
    groups_with_mail = {
        group["id"]
        for group in resources(snapshot, ACTION_GROUP)
        if any(receiver["emailAddress"] for receiver in group["properties"].get("emailReceivers", []))
    }
    groups_of_rule = {
        rule["name"]: rule["properties"]["actions"]["actionGroups"] for rule in resources(snapshot, LOG_RULE)
    }
    for rule in resources(snapshot, METRIC_RULE):
        groups_of_rule[rule["name"]] = [action["actionGroupId"] for action in rule["properties"]["actions"]]
    for name, groups in groups_of_rule.items():
        if not groups_with_mail & set(groups):
            yield f"{name}: it mails nobody"
    for rule in resources(snapshot, LOG_RULE):
        if rule["properties"]["displayName"] != rule["name"]:
            yield f"{rule['name']}: its displayName must be its name: the incident function looks it up in alerts.json"


def every_burst_raises_an_alert(snapshot: Snapshot) -> Iterator[str]:
    """A rule with autoMitigate stays silent until it has resolved, so it would miss a second burst."""
    for rule in resources(snapshot, LOG_RULE):
        if rule["name"] == "bad-prediction-burst" and rule["properties"]["autoMitigate"]:
            yield "a burst during an open alert raises no alert"


def a_failed_availability_test_raises_an_alert(snapshot: Snapshot) -> Iterator[str]:
    tests_with_alert = {rule["properties"]["criteria"].get("webTestId") for rule in resources(snapshot, METRIC_RULE)}
    for test in resources(snapshot, WEBTEST):
        if test["id"] not in tests_with_alert:
            yield f"{short_name(test)}: it has no alert rule"


def budget_notifies_ops(snapshot: Snapshot) -> Iterator[str]:
    for budget in resources(snapshot, "Microsoft.Consumption/budgets"):
        notifications = budget["properties"]["notifications"].values()
        if budget["properties"]["timeGrain"] != "Monthly":
            yield "the budget must be monthly"
        if not any(notification["threshold"] <= 50 for notification in notifications):
            yield "the budget must notify at 50 % or earlier"
        if not all(notification["enabled"] and notification["contactEmails"] for notification in notifications):
            yield "a notification of the budget reaches nobody"


def resources(snapshot: Snapshot, type_: str | None = None) -> list[Resource]:
    """Return the resources of a type, or all of them."""
    return [resource for resource in snapshot["predictedResources"] if type_ in (None, resource["type"])]


def settings(snapshot: Snapshot) -> dict[str, str]:
    """Return the app settings of the function app."""
    (site,) = resources(snapshot, SITE)
    return {setting["name"]: setting["value"] for setting in site["properties"]["siteConfig"]["appSettings"]}


def short_name(resource: Resource) -> str:
    """Return the name of a resource without the token that makes it unique."""
    return re.sub(r"^([a-z-]*?)-?[a-z0-9]{13}(?=/|$)", r"\1", str(resource["name"]))


def identity_name(identity: str) -> str:
    """Return the short name of the identity that a resource ID or an expression names."""
    if identity == "[deployer().objectId]":
        return "deployer"
    named = re.search(r"/userAssignedIdentities/([a-z-]+)-[a-z0-9]{13}\b", identity)
    return named[1] if named else identity


def _scope(assignment: str) -> str:
    """Return the short name of the resource of a role assignment, from the ID of the assignment."""
    scope = assignment.removeprefix("[extensionResourceId('").partition("/providers/Microsoft.Authorization")[0]
    names = scope.partition("'")[0].partition("/providers/")[2].split("/")[2::2]
    return short_name({"name": "/".join(names)}) if names else "the resource group"


def get_nested(properties: dict[str, Any], name: str) -> Any:
    """Return the property at a dotted path, or None."""
    found: Any = properties
    for part in name.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found
