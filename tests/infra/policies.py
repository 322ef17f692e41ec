"""What the templates must keep to, whoever edits them: each policy yields its faults, one a line."""

import re
from collections.abc import Iterator
from typing import Any

from tests.infra.bicep import Code, Declaration, Template

type Templates = dict[str, Template]  # by path under infra/

STORAGE = "microsoft.storage/storageaccounts"
SITE = "microsoft.web/sites"
VAULT = "microsoft.keyvault/vaults"
REQUIRED: dict[str, dict[str, Any]] = {
    STORAGE: {
        "allowSharedKeyAccess": False,
        "allowBlobPublicAccess": False,
        "minimumTlsVersion": "TLS1_2",
        "supportsHttpsTrafficOnly": True,
    },
    f"{STORAGE}/blobservices/containers": {"publicAccess": "None"},
    SITE: {"httpsOnly": True, "siteConfig.minTlsVersion": "1.2", "siteConfig.scmMinTlsVersion": "1.2"},
    f"{SITE}/basicpublishingcredentialspolicies": {"allow": False},
    "microsoft.insights/components": {"DisableLocalAuth": True},
    "microsoft.operationalinsights/workspaces": {
        "features.disableLocalAuth": True,
        "retentionInDays": 30,
        "workspaceCapping.dailyQuotaGb": "dailyLogGb",
    },
    VAULT: {"enableRbacAuthorization": True, "enablePurgeProtection": True},
    "microsoft.insights/scheduledqueryrules": {"autoMitigate": True, "enabled": True, "muteActionsDuration": None},
}

# Who may do what: the role, on what kind of resource it is given, and why none below it will do.
ROLES = {
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": STORAGE,  # Storage Blob Data Owner: the least a Functions host runs with
    "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3": f"{STORAGE}/tableservices/tables",  # Storage Table Data Contributor
    "4633458b-17de-408a-874c-0445c86b69e6": VAULT,  # Key Vault Secrets User: resolves the references of app settings
    "3913510d-42f4-4e42-8a64-420c390055eb": "microsoft.insights/components",  # Monitoring Metrics Publisher
    "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1": f"{STORAGE}/blobservices/containers",  # Storage Blob Data Reader: deployer
}

SECRET_NAMES = re.compile(r"KEY|PASSWORD|SECRET|CONNECTION_STRING")
NO_SECRET = {"APPLICATIONINSIGHTS_CONNECTION_STRING"}  # an address: local authentication is off
MAKES_SECRETS = re.compile(r"\b(list[A-Z]\w*|getSecret|newGuid)\(")


def required_properties(templates: Templates) -> Iterator[str]:
    for path, resource in _resources(templates):
        for name, wanted in REQUIRED.get(resource.type, {}).items():
            if (found := _at(resource.value["properties"], name)) != wanted:
                yield f"{path}: {resource.symbol}: {name} must be {wanted}, not {found}"


def roles(templates: Templates) -> Iterator[str]:
    for path, resource in _resources(templates):
        if resource.type != "microsoft.authorization/roleassignments":
            continue
        template = templates[path]
        role = template.variables[re.findall(r"\w+", resource.value["properties"]["roleDefinitionId"])[-1]].value
        scope = resource.value.get("scope", "the resource group").partition("[")[0]
        kinds = {declared.symbol: declared.type for declared in template.resources}
        if role not in ROLES:
            yield f"{path}: {resource.symbol}: role {role} is not allowed"
        elif kinds.get(scope) != ROLES[role]:
            yield f"{path}: {resource.symbol}: its scope must be one of {ROLES[role]}, not {scope}"


def no_secret_leaves(templates: Templates) -> Iterator[str]:
    """Not in outputs, not in app settings, not by a default; a key is listed only for the alert that calls with it."""
    for path, template in templates.items():
        secure = {name for name, parameter in template.parameters.items() if "secure" in parameter.decorators}
        for name in secure:
            if (default := template.parameters[name].value) is not None and not MAKES_SECRETS.search(default):
                yield f"{path}: the secret {name} has a default"
        for output in template.outputs.values():
            if MAKES_SECRETS.search(output.value) or secure & set(re.findall(r"\w+", output.value)):
                yield f"{path}: output {output.symbol} tells a secret"
        for declared in template.parameters.values():
            if SECRET_NAMES.search(_snake(declared.symbol)) and declared.symbol not in secure:
                yield f"{path}: parameter {declared.symbol} is not secure"
        for name, setting in settings(template).items():
            if SECRET_NAMES.search(name) and name not in NO_SECRET and not _is_reference(setting, template):
                yield f"{path}: {name} is not a reference to the key vault"
        for resource in template.resources:
            for where, expression in _expressions(resource.value):
                if MAKES_SECRETS.search(expression) and (path, where) != RECEIVER:
                    yield f"{path}: {resource.symbol}: {where} tells a secret"


RECEIVER = ("app/incidents.bicep", "properties.azureFunctionReceivers.0.httpTriggerUrl")


def secrets_are_made_once(templates: Templates) -> Iterator[str]:
    for path, resource in _resources(templates):
        if resource.type == f"{VAULT}/secrets" and "onlyIfNotExists" not in resource.decorators:
            yield f"{path}: {resource.symbol}: the next deployment would replace it"


def alerts_reach_people(templates: Templates) -> Iterator[str]:
    for path, resource in _resources(templates):
        if resource.type == "microsoft.insights/scheduledqueryrules":
            if resource.value["properties"]["actions"]["actionGroups"] != ["ops.id", "incidents.id"]:
                yield f"{path}: {resource.symbol} must tell ops by mail, and the incident function"
            if (resource.value["name"], resource.value["properties"]["displayName"]) != ("alert.name", "alert.name"):
                yield f"{path}: {resource.symbol}: the incident function knows a rule by its name in alerts.json"
        if resource.symbol == "ops" and [r["emailAddress"] for r in resource.value["properties"]["emailReceivers"]] != [
            "opsEmail"
        ]:
            yield f"{path}: ops are not mailed"


def settings(template: Template) -> dict[str, Any]:
    """The app settings of the site in a template; none where there is no site."""
    sites = [declared for declared in template.resources if declared.type == SITE and not declared.existing]
    return {
        setting["name"]: setting["value"]
        for site in sites
        for setting in site.value["properties"]["siteConfig"]["appSettings"]
    }


def _resources(templates: Templates) -> Iterator[tuple[str, Declaration]]:
    for path, template in templates.items():
        for resource in template.resources:
            if not resource.existing:
                yield path, resource


def _at(properties: dict[str, Any], name: str) -> Any:
    found: Any = properties
    for part in name.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _expressions(found: Any, where: str = "") -> Iterator[tuple[str, Code]]:
    if isinstance(found, Code):
        yield where, found
    elif isinstance(found, dict | list):
        for key, part in found.items() if isinstance(found, dict) else enumerate(found):
            yield from _expressions(part, f"{where}.{key}".removeprefix("."))


def _is_reference(setting: Any, template: Template) -> bool:
    """Whether it is what the key vault holds, or empty where that is not needed."""
    named = re.fullmatch(r"(?:empty\(\w+\) \? '' : )?(\w+)", setting) if isinstance(setting, Code) else None
    reference = template.variables.get(named[1]) if named else None
    return reference is not None and reference.value.startswith("'@Microsoft.KeyVault(SecretUri=${vaultUri}secrets/")


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).upper()
