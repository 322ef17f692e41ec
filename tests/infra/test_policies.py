"""Each deployment complies with the policies, and each policy catches the mistakes that it is for."""

import copy
from typing import Any

import pytest

from tests.infra import option_policies, policies
from tests.infra.deployments import DEV, OPTIONS, PROD, SNAPSHOTS
from tests.infra.policies import Snapshot, resources

POLICIES = [
    policies.required_properties,
    policies.logs_have_a_daily_cap,
    policies.names,
    policies.tags_on_everything,
    policies.roles,
    policies.only_the_platform_writes_the_package,
    policies.basic_authentication_is_off,
    policies.secrets_stay_in_the_key_vault,
    policies.alerts_send_mail,
    policies.every_burst_raises_an_alert,
    policies.a_failed_availability_test_raises_an_alert,
    policies.budget_notifies_ops,
    *option_policies.POLICIES,
]

MISSING = object()
OWNER_ROLE = "/providers/Microsoft.Authorization/roleDefinitions/8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
STORAGE = policies.STORAGE

# Resource type, path of the property, wrong value, expected violation. A number in a path is a list index.
MISTAKES = [
    (STORAGE, "properties.allowSharedKeyAccess", True, "stpkg: allowSharedKeyAccess must be False, not True"),
    (STORAGE, "properties.allowSharedKeyAccess", MISSING, "allowSharedKeyAccess must be False, not None"),
    (STORAGE, "properties.allowBlobPublicAccess", True, "allowBlobPublicAccess must be False"),
    (STORAGE, "properties.minimumTlsVersion", "TLS1_0", "minimumTlsVersion must be TLS1_2, not TLS1_0"),
    (STORAGE, "properties.supportsHttpsTrafficOnly", False, "supportsHttpsTrafficOnly must be True"),
    (f"{STORAGE}/blobServices/containers", "properties.publicAccess", "Blob", "publicAccess must be None, not Blob"),
    (policies.SITE, "properties.httpsOnly", False, "func: httpsOnly must be True"),
    (policies.SITE, "properties.siteConfig.minTlsVersion", "1.0", "siteConfig.minTlsVersion must be 1.2, not 1.0"),
    (policies.PUBLISHING_CREDENTIALS, "properties.allow", True, "func/ftp: allow must be False"),
    (policies.PUBLISHING_CREDENTIALS, "name", "func-0123456789abc/other", "ftp accepts passwords"),
    (policies.VAULT, "properties.enableRbacAuthorization", False, "kv: enableRbacAuthorization must be True"),
    (policies.VAULT, "properties.enablePurgeProtection", MISSING, "enablePurgeProtection must be True, not None"),
    ("Microsoft.Insights/components", "properties.DisableLocalAuth", False, "appi: DisableLocalAuth must be True"),
    ("Microsoft.OperationalInsights/workspaces", "properties.retentionInDays", 730, "retentionInDays must be 30"),
    (
        "Microsoft.OperationalInsights/workspaces",
        "properties.workspaceCapping.dailyQuotaGb",
        -1,
        "log: it has no daily cap, so a loop that logs has no maximum cost",
    ),
    (policies.VAULT, "properties.enabledForTemplateDeployment", False, "enabledForTemplateDeployment must be True"),
    (policies.VAULT, "name", "uqxuapfphkwns", "must begin with one of ['kv']"),
    (policies.ACTION_GROUP, "tags", MISSING, "ag-ops: it has no tag azd-env-name"),
    (policies.ROLE_ASSIGNMENT, "properties.roleDefinitionId", OWNER_ROLE, "id-package may not have the role 8e3af657"),
    (policies.ROLE_ASSIGNMENT, "properties.roleDefinitionId", OWNER_ROLE, "id-package needs the role ba92f5b4"),
    (
        policies.ROLE_ASSIGNMENT,
        "properties.principalId",
        "[reference('/x/userAssignedIdentities/id-0123456789abc')]",
        "id may not",
    ),
    (
        policies.ROLE_ASSIGNMENT,
        "id",
        "/subscriptions/0/resourceGroups/rg-x/providers/Microsoft.Authorization/roleAssignments/0",
        "on the resource group",
    ),
    (
        policies.ROLE_ASSIGNMENT,
        "id",
        "/subscriptions/0/resourceGroups/rg-x/providers/Microsoft.Storage/storageAccounts/st0123456789abc"
        "/providers/Microsoft.Authorization/roleAssignments/0",
        "id-package may not have the role ba92f5b4-2d11-453d-a403-e96b0029c9fe on st",
    ),
    (
        policies.SITE,
        "properties.functionAppConfig.deployment.storage.authentication.userAssignedIdentityResourceId",
        "/x/userAssignedIdentities/id-0123456789abc",
        "the package is written with an identity that the app uses",
    ),
    (
        policies.SITE,
        "properties.functionAppConfig.deployment.storage.value",
        "https://x/storageAccounts/st0123456789abc",
        "the package is in an account that the app can write to",
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
        "anybody may call, without a key and without a sign-in\nthe export does not use its own account",
    ),
    (option_policies.AUTHENTICATION, "properties.platform.enabled", True, "callers who sign in need a key as well"),
    ("Microsoft.Insights/workbooks", "properties.serializedData", "[listKeys('x').key1]", "contains a secret"),
    (policies.LOG_RULE, "properties.autoMitigate", True, "a burst during an open alert raises no alert"),
    (policies.LOG_RULE, "properties.enabled", False, "enabled must be True"),
    (policies.LOG_RULE, "properties.muteActionsDuration", "PT1H", "muteActionsDuration must be None"),
    (policies.LOG_RULE, "properties.actions.actionGroups", [], "bad-prediction-burst: it mails nobody"),
    (policies.LOG_RULE, "properties.displayName", "Burst", "its displayName must be its name"),
    (policies.METRIC_RULE, "properties.actions", [], "availability: it mails nobody"),
    (policies.METRIC_RULE, "properties.enabled", False, "availability: enabled must be True"),
    (policies.METRIC_RULE, "properties.criteria", {}, "availability: it has no alert rule"),
    (policies.WEBTEST, "properties.ValidationRules.ExpectedHttpStatusCode", 401, "ExpectedHttpStatusCode must be 200"),
    (policies.ACTION_GROUP, "properties.emailReceivers", [], "bad-prediction-burst: it mails nobody"),
    ("Microsoft.Consumption/budgets", "properties.timeGrain", "Annually", "must be monthly"),
    ("Microsoft.Consumption/budgets", "properties.notifications.at50.threshold", 60, "must notify at 50 % or earlier"),
    ("Microsoft.Consumption/budgets", "properties.notifications.at100.contactEmails", [], "reaches nobody"),
]

# The same, for the deployment with every option on.
OPTION_MISTAKES = [
    (
        option_policies.AUTHENTICATION,
        "properties.platform.enabled",
        False,
        "anybody may call, without a key and without a sign-in",
    ),
    (
        option_policies.AUTHENTICATION,
        "properties.globalValidation.requireAuthentication",
        False,
        "callers need no sign-in",
    ),
    (
        option_policies.AUTHENTICATION,
        "properties.globalValidation.excludedPaths",
        ["/api/*"],
        "must be ['/api/health/live', '/api/health/ready', '/api/incidents'], not ['/api/*']",
    ),
    (
        option_policies.AUTHENTICATION,
        "properties.identityProviders.azureActiveDirectory.registration.clientSecretSettingName",
        "MANAGED_IDENTITY_CLIENT_ID",
        "the sign-in uses a secret, or an identity that has roles",
    ),
    (STORAGE, "properties.publicNetworkAccess", "Enabled", "stpkg: it is open to public networks"),
    (policies.VAULT, "properties.publicNetworkAccess", "Enabled", "kv: it is open to public networks"),
    (policies.VAULT, "properties.networkAcls.bypass", "None", "kv: Resource Manager cannot read a secret from it"),
    (
        option_policies.PRIVATE_ENDPOINT,
        "properties.privateLinkServiceConnections",
        [{"properties": {"privateLinkServiceId": "/x/st0123456789abc", "groupIds": ["queue"]}}],
        "st: its blob has no private endpoint",
    ),
    (policies.SITE, "properties.virtualNetworkSubnetId", None, "the app is not in the network"),
    (option_policies.DIAGNOSTIC_SETTINGS, "properties.logs", [], "kv: its vault does not log ['AuditEvent']"),
    (
        option_policies.DIAGNOSTIC_SETTINGS,
        "id",
        "/x/vaults/other/providers/",
        "kv: its vault does not log ['AuditEvent']",
    ),
    (STORAGE, "sku.name", "Standard_LRS", "stpkg: its SKU must be Standard_ZRS, like the plan"),
    (option_policies.PLAN, "properties.zoneRedundant", False, "st: its SKU must be Standard_LRS, like the plan"),
    (
        option_policies.LIFECYCLE_POLICY,
        "properties.policy.rules.0.definition.actions.baseBlob.delete.daysAfterModificationGreaterThan",
        91,
        "the export is kept for 91 days, but the table for 90",
    ),
    (option_policies.LIFECYCLE_POLICY, "properties.policy.rules.0.enabled", False, "the export is kept for 90 days"),
    (option_policies.LIFECYCLE_POLICY, "name", "st0123456789abc/default", "the export is never deleted"),
    (option_policies.HOST_NAME_BINDING, "properties.sslState", "Disabled", "buzzguard.example.org: it has no TLS"),
    ("Microsoft.Insights/metricAlerts", "tags.owner", MISSING, "availability: it has no tag owner"),
    ("Microsoft.Resources/resourceGroups", "tags.cost-centre", "", "rg-buzzguard: it has no tag cost-centre"),
]


def violations(snapshot: Snapshot) -> str:
    return "\n".join(violation for policy in POLICIES for violation in policy(snapshot))


@pytest.mark.parametrize("deployment", SNAPSHOTS)
def test_deployment_complies_with_every_policy(deployment: str) -> None:
    assert violations(SNAPSHOTS[deployment]) == ""


def with_mistake(snapshot: Snapshot, type_: str, path: str, wrong: Any) -> Snapshot:
    """Return a copy with one wrong property, in the first resource of the type (in the last host name binding)."""
    mistaken = copy.deepcopy(snapshot)
    *keys, last = path.split(".")
    part: Any = resources(mistaken, type_)[-1 if type_ == option_policies.HOST_NAME_BINDING else 0]
    for key in keys:
        part = part[int(key) if key.isdigit() else key]
    if wrong is MISSING:
        del part[last]
    else:
        part[last] = wrong
    return mistaken


@pytest.mark.parametrize(("type_", "path", "wrong", "violation"), MISTAKES, ids=[mistake[-1] for mistake in MISTAKES])
def test_policy_catches_mistake(type_: str, path: str, wrong: Any, violation: str) -> None:
    assert violation in violations(with_mistake(PROD, type_, path, wrong))


@pytest.mark.parametrize(
    ("type_", "path", "wrong", "violation"), OPTION_MISTAKES, ids=[mistake[-1] for mistake in OPTION_MISTAKES]
)
def test_policy_catches_mistake_in_option(type_: str, path: str, wrong: Any, violation: str) -> None:
    assert violation in violations(with_mistake(OPTIONS, type_, path, wrong))


def test_policy_catches_secret_in_output() -> None:
    outputs = DEV["outputs"] | {"KEY": "[listKeys('…', '2025-08-01').keys[0].value]"}
    assert violations(DEV | {"outputs": outputs}) == "output KEY contains a secret"
