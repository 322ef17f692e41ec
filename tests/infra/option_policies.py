"""What the options of production must keep to, where they are on: as policies.py, which has the form."""

import re
from collections.abc import Iterator

from tests.infra.policies import SITE, STORAGE, VAULT, Snapshot, at, called, resources, settings, who

AUTHENTICATION = f"{SITE}/config"
BINDING = f"{SITE}/hostNameBindings"
NETWORK = "Microsoft.Network/virtualNetworks"
ENDPOINT = "Microsoft.Network/privateEndpoints"
AUDIT = "Microsoft.Insights/diagnosticSettings"
LIFECYCLE = f"{STORAGE}/managementPolicies"
PLAN = "Microsoft.Web/serverfarms"

NEED_NO_SIGN_IN = ["/api/health/live", "/api/health/ready", "/api/incidents"]
OPERATIONS = {"StorageRead", "StorageWrite", "StorageDelete"}
AUDITED_PLACE = re.compile(r"/(?:storageAccounts|vaults)/([a-z0-9-]+)(?:/(blob|table)Services/default)?/providers/")
AUDITED = {"blob": OPERATIONS, "table": OPERATIONS, "vault": {"AuditEvent"}}


def callers_are_known(snapshot: Snapshot) -> Iterator[str]:
    """By a key or by signing in: one of them, and not none."""
    (authentication,) = resources(snapshot, AUTHENTICATION)
    properties, level = authentication["properties"], settings(snapshot)["AUTH_LEVEL"]
    if not properties["platform"]["enabled"]:
        if level == "anonymous":
            yield "anyone may call, without a key and without signing in"
        return
    if level != "anonymous":
        yield "who has signed in is asked for a key, too"
    if at(properties, "globalValidation.requireAuthentication") is not True:
        yield "who does not sign in may call"
    if (paths := at(properties, "globalValidation.excludedPaths")) != NEED_NO_SIGN_IN:
        yield f"without signing in one must reach {NEED_NO_SIGN_IN}, not {paths}"
    secret = at(properties, "identityProviders.azureActiveDirectory.registration.clientSecretSettingName")
    if who(settings(snapshot).get(secret, "")) != "id-sign-in":
        yield "the sign-in takes a secret, or an identity that can do more than vouch for the app"


def services(snapshot: Snapshot) -> set[tuple[str, str]]:
    """What holds data: ("st", "table")."""
    return (
        {(called(account), "blob") for account in resources(snapshot, STORAGE)}
        | {(called(tables).partition("/")[0], "table") for tables in resources(snapshot, f"{STORAGE}/tableServices")}
        | {(called(vault), "vault") for vault in resources(snapshot, VAULT)}
    )


def a_private_network_is_the_only_way(snapshot: Snapshot) -> Iterator[str]:
    if not resources(snapshot, NETWORK):
        return
    for resource in resources(snapshot, STORAGE) + resources(snapshot, VAULT):
        if resource["properties"]["publicNetworkAccess"] != "Disabled":
            yield f"{called(resource)}: it is open to all networks"
    for vault in resources(snapshot, VAULT):
        if at(vault["properties"], "networkAcls.bypass") != "AzureServices":
            yield f"{called(vault)}: a deployment cannot take a secret out"
    connections = [
        endpoint["properties"]["privateLinkServiceConnections"] for endpoint in resources(snapshot, ENDPOINT)
    ]
    reached = {
        (called({"name": connection["properties"]["privateLinkServiceId"].rpartition("/")[2]}), service)
        for (connection,) in connections
        for service in connection["properties"]["groupIds"]
    }
    for name, service in sorted(services(snapshot) - reached):
        yield f"{name}: nobody reaches its {service}"
    (site,) = resources(snapshot, SITE)
    if not site["properties"]["virtualNetworkSubnetId"]:
        yield "the app is not in the network"


def everything_is_audited(snapshot: Snapshot) -> Iterator[str]:
    """Or nothing is."""
    noted = {}
    for audit in resources(snapshot, AUDIT):
        name, service = AUDITED_PLACE.findall(audit["id"])[0]
        place = called({"name": name}), service or "vault"
        noted[place] = {log["category"] for log in audit["properties"]["logs"] if log["enabled"]}
    for place in sorted(services(snapshot) if noted else ()):
        if missing := AUDITED[place[1]] - noted.get(place, set()):
            yield f"{place[0]}: nobody notes {sorted(missing)} of its {place[1]}"


def what_stays_when_a_zone_fails_stays_whole(snapshot: Snapshot) -> Iterator[str]:
    (plan,) = resources(snapshot, PLAN)
    wanted = "Standard_ZRS" if plan["properties"]["zoneRedundant"] else "Standard_LRS"
    for account in resources(snapshot, STORAGE):
        if account["sku"]["name"] != wanted:
            yield f"{called(account)}: it must be {wanted}, as the plan is"


def an_export_is_gone_when_its_table_is(snapshot: Snapshot) -> Iterator[str]:
    retention, container = (
        int(settings(snapshot)["FEEDBACK_RETENTION_DAYS"]),
        settings(snapshot)["EXPORT_CONTAINER_URL"],
    )
    accounts = {called(account) for account in resources(snapshot, STORAGE)}
    if bool(container) != ("stexp" in accounts) or (container and "/storageAccounts/stexp" not in container):
        yield "the export does not go to its account"
    for lifecycle in resources(snapshot, LIFECYCLE):
        for rule in lifecycle["properties"]["policy"]["rules"]:
            days = at(rule, "definition.actions.baseBlob.delete.daysAfterModificationGreaterThan")
            if not (rule["enabled"] and days and days <= retention):
                yield f"the export is kept for {days} days, and its table for {retention}"
    if "stexp" in accounts - {called(lifecycle).partition("/")[0] for lifecycle in resources(snapshot, LIFECYCLE)}:
        yield "the export is kept for ever"
    for blobs in resources(snapshot, f"{STORAGE}/blobServices"):
        if called(blobs) == "stexp/default" and at(blobs["properties"], "deleteRetentionPolicy.enabled") is not False:
            yield "what was erased from the export can be had back"


def a_domain_has_tls(snapshot: Snapshot) -> Iterator[str]:
    """The last binding of a name counts."""
    bindings = {binding["name"]: binding["properties"] for binding in resources(snapshot, BINDING)}
    for name, properties in bindings.items():
        if properties["sslState"] != "SniEnabled" or f"/certificates/{name.rpartition('/')[2]}" not in properties.get(
            "thumbprint", ""
        ):
            yield f"{name.rpartition('/')[2]}: it has no TLS"


POLICIES = [
    callers_are_known,
    a_private_network_is_the_only_way,
    everything_is_audited,
    what_stays_when_a_zone_fails_stays_whole,
    an_export_is_gone_when_its_table_is,
    a_domain_has_tls,
]
