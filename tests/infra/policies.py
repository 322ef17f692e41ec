"""What the infrastructure must keep to, whoever edits it: each policy yields its faults in a snapshot, one a line.

A snapshot is what `bicep snapshot` predicts of a deployment. What is only known in Azure is an expression in it:
"[reference('…/userAssignedIdentities/id-…', …).principalId]".
"""

import re
from collections.abc import Iterator
from typing import Any

type Resource = dict[str, Any]
type Snapshot = dict[str, Any]  # predictedResources, outputs

STORAGE = "Microsoft.Storage/storageAccounts"
SITE = "Microsoft.Web/sites"
PUBLISHING = f"{SITE}/basicPublishingCredentialsPolicies"
VAULT = "Microsoft.KeyVault/vaults"
IDENTITY = "Microsoft.ManagedIdentity/userAssignedIdentities"
ACTION_GROUP = "Microsoft.Insights/actionGroups"
LOG_RULE = "Microsoft.Insights/scheduledQueryRules"
METRIC_RULE = "Microsoft.Insights/metricAlerts"
WEBTEST = "Microsoft.Insights/webtests"
ROLE = "Microsoft.Authorization/roleAssignments"

REQUIRED: dict[str, dict[str, Any]] = {
    STORAGE: {
        "allowSharedKeyAccess": False,
        "allowBlobPublicAccess": False,
        "minimumTlsVersion": "TLS1_2",
        "supportsHttpsTrafficOnly": True,
    },
    f"{STORAGE}/blobServices/containers": {"publicAccess": "None"},
    SITE: {"httpsOnly": True, "siteConfig.minTlsVersion": "1.2", "siteConfig.scmMinTlsVersion": "1.2"},
    PUBLISHING: {"allow": False},
    "Microsoft.Insights/components": {"DisableLocalAuth": True},
    "Microsoft.OperationalInsights/workspaces": {"features.disableLocalAuth": True, "retentionInDays": 30},
    VAULT: {"enableRbacAuthorization": True, "enablePurgeProtection": True, "enabledForTemplateDeployment": True},
    LOG_RULE: {"enabled": True, "muteActionsDuration": None},
    METRIC_RULE: {"enabled": True, "autoMitigate": True},
    WEBTEST: {"Enabled": True, "ValidationRules.ExpectedHttpStatusCode": 200, "ValidationRules.SSLCheck": True},
}

# What a resource is called before its token: https://learn.microsoft.com/azure/cloud-adoption-framework/ready/
# azure-best-practices/resource-abbreviations. Alert rules and the workbook have names of their own.
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

# Who may do what, and on what; nobody may do more, and each needs its own where that is there.
ROLES = {
    # Storage Blob Data Owner: the least a Functions host runs with
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
    # … and the app, which exports feedback
    ("id", "ba92f5b4-2d11-453d-a403-e96b0029c9fe", "stexp/default/feedback-export"),
    # Storage Blob Data Reader: who deploys keeps a copy of it
    ("deployer", "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1", "stpkg/default/app-package"),
}

SECRET_NAMES = re.compile(r"KEY|PASSWORD|SECRET|CONNECTION_STRING")
NO_SECRET = {"APPLICATIONINSIGHTS_CONNECTION_STRING"}  # an address: local authentication is off
REFERENCE = re.compile(
    r"\[format\('@Microsoft\.KeyVault\(SecretUri=\{0\}secrets/\{1\}\)', "
    r"reference\('\S+/vaults/kv-\w+', '[\d-]+'\)\.vaultUri, '[a-z-]+'\)\]$"
)
TELLS_A_SECRET = re.compile(r"\b(list[A-Z]\w*|getKeyVaultSecret|newGuid)\(")


def required_properties(snapshot: Snapshot) -> Iterator[str]:
    for resource in resources(snapshot):
        for name, wanted in REQUIRED.get(resource["type"], {}).items():
            if (found := at(resource["properties"], name)) != wanted:
                yield f"{called(resource)}: {name} must be {wanted}, not {found}"


def logs_have_a_cap(snapshot: Snapshot) -> Iterator[str]:
    for workspace in resources(snapshot, "Microsoft.OperationalInsights/workspaces"):
        if not 0 < (at(workspace["properties"], "workspaceCapping.dailyQuotaGb") or 0) < 100:
            yield f"{called(workspace)}: a loop that logs costs what it likes"


def names(snapshot: Snapshot) -> Iterator[str]:
    for resource in resources(snapshot):
        allowed = NAMES.get(resource["type"])
        if allowed and called(resource) not in allowed:
            yield f"{resource['name']}: a name of {resource['type']} must begin with one of {sorted(allowed)}"


def tags_on_everything(snapshot: Snapshot) -> Iterator[str]:
    """On whatever has a region: what lies within another resource has its."""
    regional = [resource for resource in resources(snapshot) if "location" in resource]
    named = {tag for resource in regional for tag in resource.get("tags", {})}
    for resource in regional:
        for tag in sorted({"azd-env-name"} | ({"cost-centre", "owner"} & named)):
            if not resource.get("tags", {}).get(tag):
                yield f"{called(resource)}: it has no tag {tag}"


def roles(snapshot: Snapshot) -> Iterator[str]:
    given = {
        (
            who(assignment["properties"]["principalId"]),
            assignment["properties"]["roleDefinitionId"].rpartition("/")[2],
            _scope(assignment["id"]),
        )
        for assignment in resources(snapshot, ROLE)
    }
    there = {called(resource) for resource in resources(snapshot)}
    for identity, role, scope in sorted(given - ROLES):
        yield f"{identity} may not have the role {role} on {scope}"
    for identity, role, scope in sorted(needed for needed in ROLES - given if needed[2] in there):
        yield f"{identity} needs the role {role} on {scope}"


def only_the_platform_writes_the_package(snapshot: Snapshot) -> Iterator[str]:
    (site,) = resources(snapshot, SITE)
    storage = site["properties"]["functionAppConfig"]["deployment"]["storage"]
    if who(storage["authentication"]["userAssignedIdentityResourceId"]) != "id-package":
        yield "the package is written by an identity that the app uses"
    if "/storageAccounts/stpkg" not in storage["value"]:
        yield "the package lies where the app writes"
    ours = [site["properties"]["keyVaultReferenceIdentity"], settings(snapshot)["MANAGED_IDENTITY_CLIENT_ID"]]
    if {who(identity) for identity in ours} != {"id"}:
        yield "the app uses the identity that writes the package"


def nobody_deploys_with_a_password(snapshot: Snapshot) -> Iterator[str]:
    doors = {resource["name"].rpartition("/")[2] for resource in resources(snapshot, PUBLISHING)}
    for door in sorted({"ftp", "scm"} - doors):
        yield f"{door} is open to passwords"


def no_secret_leaves(snapshot: Snapshot) -> Iterator[str]:
    """Not in outputs, not in app settings, not in what another resource holds."""
    for name, value in snapshot["outputs"].items():
        if TELLS_A_SECRET.search(str(value)):
            yield f"output {name} tells a secret"
    for name, value in settings(snapshot).items():
        if SECRET_NAMES.search(name) and name not in NO_SECRET and value and not REFERENCE.match(value):
            yield f"{name} is not a reference to the key vault"
    for resource in resources(snapshot):
        if resource["type"] != f"{VAULT}/secrets" and TELLS_A_SECRET.search(str(resource)):
            yield f"{called(resource)} tells a secret"


def alerts_reach_people(snapshot: Snapshot) -> Iterator[str]:
    mailed = {
        group["id"]
        for group in resources(snapshot, ACTION_GROUP)
        if any(receiver["emailAddress"] for receiver in group["properties"].get("emailReceivers", []))
    }
    told = {rule["name"]: rule["properties"]["actions"]["actionGroups"] for rule in resources(snapshot, LOG_RULE)}
    for rule in resources(snapshot, METRIC_RULE):
        told[rule["name"]] = [action["actionGroupId"] for action in rule["properties"]["actions"]]
    for name, groups in told.items():
        if not mailed & set(groups):
            yield f"{name}: nobody is mailed"
    for rule in resources(snapshot, LOG_RULE):
        if rule["properties"]["displayName"] != rule["name"]:
            yield f"{rule['name']}: the incident function knows a rule by its name in alerts.json"


def a_later_burst_is_told(snapshot: Snapshot) -> Iterator[str]:
    """A rule that keeps state is silent until it has resolved, whatever happens meanwhile."""
    for rule in resources(snapshot, LOG_RULE):
        if rule["name"] == "bad-prediction-burst" and rule["properties"]["autoMitigate"]:
            yield "a burst while an alert is open is told nobody"


def what_is_tested_from_outside_sets_off_an_alarm(snapshot: Snapshot) -> Iterator[str]:
    watched = {rule["properties"]["criteria"].get("webTestId") for rule in resources(snapshot, METRIC_RULE)}
    for test in resources(snapshot, WEBTEST):
        if test["id"] not in watched:
            yield f"{called(test)}: nobody hears of it when it fails"


def budget_warns_in_time(snapshot: Snapshot) -> Iterator[str]:
    for budget in resources(snapshot, "Microsoft.Consumption/budgets"):
        notifications = budget["properties"]["notifications"].values()
        if budget["properties"]["timeGrain"] != "Monthly":
            yield "the budget is not that of a month"
        if not any(notification["threshold"] <= 50 for notification in notifications):
            yield "the budget says nothing before half of it is spent"
        if not all(notification["enabled"] and notification["contactEmails"] for notification in notifications):
            yield "the budget is told nobody"


def resources(snapshot: Snapshot, type_: str | None = None) -> list[Resource]:
    """Those of a type; all without one."""
    return [resource for resource in snapshot["predictedResources"] if type_ in (None, resource["type"])]


def settings(snapshot: Snapshot) -> dict[str, str]:
    """The app settings of the function app."""
    (site,) = resources(snapshot, SITE)
    return {setting["name"]: setting["value"] for setting in site["properties"]["siteConfig"]["appSettings"]}


def called(resource: Resource) -> str:
    """The name of a resource without the token that makes it unique."""
    return re.sub(r"^([a-z-]*?)-?[a-z0-9]{13}(?=/|$)", r"\1", str(resource["name"]))


def who(identity: str) -> str:
    """The short name of an identity in its ID, or in an expression that asks for what is in it."""
    if identity == "[deployer().objectId]":
        return "deployer"
    named = re.search(r"/userAssignedIdentities/([a-z-]+)-[a-z0-9]{13}\b", identity)
    return named[1] if named else identity


def _scope(assignment: str) -> str:
    """The short name of what a role is given on, from the ID of the assignment."""
    scope = assignment.removeprefix("[extensionResourceId('").partition("/providers/Microsoft.Authorization")[0]
    names = scope.partition("'")[0].partition("/providers/")[2].split("/")[2::2]
    return called({"name": "/".join(names)}) if names else "the resource group"


def at(properties: dict[str, Any], name: str) -> Any:
    found: Any = properties
    for part in name.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found
