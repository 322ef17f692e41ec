"""The policies for production options, in the form of policies.py. Each applies where its option is on."""

import re
from collections.abc import Iterator

from tests.infra.policies import (
    SITE,
    STORAGE,
    VAULT,
    Snapshot,
    get_nested,
    identity_name,
    resources,
    settings,
    short_name,
)

AUTHENTICATION = f"{SITE}/config"
HOST_NAME_BINDING = f"{SITE}/hostNameBindings"
NETWORK = "Microsoft.Network/virtualNetworks"
PRIVATE_ENDPOINT = "Microsoft.Network/privateEndpoints"
DIAGNOSTIC_SETTINGS = "Microsoft.Insights/diagnosticSettings"
LIFECYCLE_POLICY = f"{STORAGE}/managementPolicies"
PLAN = "Microsoft.Web/serverfarms"

ANONYMOUS_PATHS = ["/api/health/live", "/api/health/ready", "/api/incidents"]
STORAGE_OPERATIONS = {"StorageRead", "StorageWrite", "StorageDelete"}
AUDITED_RESOURCE = re.compile(r"/(?:storageAccounts|vaults)/([a-z0-9-]+)(?:/(blob|table)Services/default)?/providers/")
AUDITED = {"blob": STORAGE_OPERATIONS, "table": STORAGE_OPERATIONS, "vault": {"AuditEvent"}}


def callers_authenticate(snapshot: Snapshot) -> Iterator[str]:
    """Callers need either a key or a sign-in."""
    (authentication,) = resources(snapshot, AUTHENTICATION)
    properties, level = authentication["properties"], settings(snapshot)["AUTH_LEVEL"]
    if not properties["platform"]["enabled"]:
        if level == "anonymous":
            yield "anybody may call, without a key and without a sign-in"
        return
    if level != "anonymous":
        yield "callers who sign in need a key as well"
    if get_nested(properties, "globalValidation.requireAuthentication") is not True:
        yield "callers need no sign-in"
    if (paths := get_nested(properties, "globalValidation.excludedPaths")) != ANONYMOUS_PATHS:
        yield f"the paths without sign-in must be {ANONYMOUS_PATHS}, not {paths}"
    secret = get_nested(properties, "identityProviders.azureActiveDirectory.registration.clientSecretSettingName")
    if identity_name(settings(snapshot).get(secret, "")) != "id-sign-in":
        yield "the sign-in uses a secret, or an identity that has roles"


def services(snapshot: Snapshot) -> set[tuple[str, str]]:
    """Return (resource, service) of everything that holds data, such as ("st", "table")."""
    return (
        {(short_name(account), "blob") for account in resources(snapshot, STORAGE)}
        | {
            (short_name(tables).partition("/")[0], "table")
            for tables in resources(snapshot, f"{STORAGE}/tableServices")
        }
        | {(short_name(vault), "vault") for vault in resources(snapshot, VAULT)}
    )


def data_is_reached_only_from_the_private_network(snapshot: Snapshot) -> Iterator[str]:
    if not resources(snapshot, NETWORK):
        return
    for resource in resources(snapshot, STORAGE) + resources(snapshot, VAULT):
        if resource["properties"]["publicNetworkAccess"] != "Disabled":
            yield f"{short_name(resource)}: it is open to public networks"
    for vault in resources(snapshot, VAULT):
        if get_nested(vault["properties"], "networkAcls.bypass") != "AzureServices":
            yield f"{short_name(vault)}: Resource Manager cannot read a secret from it"
    connections = [
        endpoint["properties"]["privateLinkServiceConnections"] for endpoint in resources(snapshot, PRIVATE_ENDPOINT)
    ]
    connected = {
        (short_name({"name": connection["properties"]["privateLinkServiceId"].rpartition("/")[2]}), service)
        for (connection,) in connections
        for service in connection["properties"]["groupIds"]
    }
    for name, service in sorted(services(snapshot) - connected):
        yield f"{name}: its {service} has no private endpoint"
    (site,) = resources(snapshot, SITE)
    if not site["properties"]["virtualNetworkSubnetId"]:
        yield "the app is not in the network"


def audit_logs_cover_every_store(snapshot: Snapshot) -> Iterator[str]:
    """If one store has audit logs, all have them."""
    logged = {}
    for audit in resources(snapshot, DIAGNOSTIC_SETTINGS):
        name, service = AUDITED_RESOURCE.findall(audit["id"])[0]
        target = short_name({"name": name}), service or "vault"
        logged[target] = {log["category"] for log in audit["properties"]["logs"] if log["enabled"]}
    for target in sorted(services(snapshot) if logged else ()):
        if missing := AUDITED[target[1]] - logged.get(target, set()):
            yield f"{target[0]}: its {target[1]} does not log {sorted(missing)}"


def storage_is_as_redundant_as_the_plan(snapshot: Snapshot) -> Iterator[str]:
    (plan,) = resources(snapshot, PLAN)
    expected = "Standard_ZRS" if plan["properties"]["zoneRedundant"] else "Standard_LRS"
    for account in resources(snapshot, STORAGE):
        if account["sku"]["name"] != expected:
            yield f"{short_name(account)}: its SKU must be {expected}, like the plan"


def the_export_expires_with_the_table(snapshot: Snapshot) -> Iterator[str]:
    retention = int(settings(snapshot)["FEEDBACK_RETENTION_DAYS"])
    container = settings(snapshot)["EXPORT_CONTAINER_URL"]
    accounts = {short_name(account) for account in resources(snapshot, STORAGE)}
    if bool(container) != ("stexp" in accounts) or (container and "/storageAccounts/stexp" not in container):
        yield "the export does not use its own account"
    for lifecycle in resources(snapshot, LIFECYCLE_POLICY):
        for rule in lifecycle["properties"]["policy"]["rules"]:
            days = get_nested(rule, "definition.actions.baseBlob.delete.daysAfterModificationGreaterThan")
            if not (rule["enabled"] and days and days <= retention):
                yield f"the export is kept for {days} days, but the table for {retention}"
    if "stexp" in accounts - {
        short_name(lifecycle).partition("/")[0] for lifecycle in resources(snapshot, LIFECYCLE_POLICY)
    }:
        yield "the export is never deleted"
    for blobs in resources(snapshot, f"{STORAGE}/blobServices"):
        if (
            short_name(blobs) == "stexp/default"
            and get_nested(blobs["properties"], "deleteRetentionPolicy.enabled") is not False
        ):
            yield "erased rows of the export can be recovered"


def a_custom_domain_has_tls(snapshot: Snapshot) -> Iterator[str]:
    """Check the last binding of each name, which is the one that stays."""
    bindings = {binding["name"]: binding["properties"] for binding in resources(snapshot, HOST_NAME_BINDING)}
    for name, properties in bindings.items():
        host = name.rpartition("/")[2]
        if properties["sslState"] != "SniEnabled" or f"/certificates/{host}" not in properties.get("thumbprint", ""):
            yield f"{host}: it has no TLS"


POLICIES = [
    callers_authenticate,
    data_is_reached_only_from_the_private_network,
    audit_logs_cover_every_store,
    storage_is_as_redundant_as_the_plan,
    the_export_expires_with_the_table,
    a_custom_domain_has_tls,
]
