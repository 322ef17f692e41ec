"""`python3 -m infra.verify_deployment ZIP`: is the package ZIP what runs in Azure, and does it predict?

Where the app is comes from the outputs of the deployment, which azd and the workflow put into the environment. Needs no
package, so that any Python 3 can run it, and the Azure CLI, signed in.
"""

import sys
from typing import Any

from infra import smoke
from infra.az import AzError, az, deployed

API_VERSION = "2022-03-01"
SIGN_IN = "OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID"  # infra/app/site.bicep sets it where people sign in, and only there


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    name, group = deployed("AZURE_FUNCTION_NAME"), deployed("AZURE_RESOURCE_GROUP")
    subscription, url = deployed("AZURE_SUBSCRIPTION_ID"), deployed("AZURE_FUNCTION_URL")
    app = ["--name", name, "--resource-group", group, "--subscription", subscription]
    settings = {each["name"]: each["value"] for each in az("functionapp", "config", "appsettings", "list", *app)}
    release = smoke.shipped(sys.argv[1], settings.get("MODEL", ""))
    resolve(f"/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Web/sites/{name}")
    smoke.wait(url, release)
    if SIGN_IN in settings:
        verify_sign_in(url, release)
    elif settings.get("AUTH_LEVEL") == "anonymous":
        verify_anonymous(url, release)
    else:
        verify_with_key(url, release, function_key(app))


def resolve(site: str) -> None:
    """Returns once every Key Vault reference among the settings is resolved; has Azure try again until then.

    A reference that is not resolved reaches the app as it stands, and a role that was given seconds ago may not be
    known yet: https://learn.microsoft.com/azure/app-service/app-service-key-vault-references. Raises SystemExit with
    Azure's reasons after PATIENCE.
    """
    url = f"{site}/config/configreferences/appsettings"
    for _ in smoke.rounds(smoke.PATIENCE):
        references = az("rest", "--method", "get", "--url", f"{url}?api-version={API_VERSION}")["value"]
        unresolved = [each for each in references if each["properties"]["status"] != "Resolved"]
        if not unresolved:
            return
        az("rest", "--method", "post", "--url", f"{url}/refresh?api-version={API_VERSION}")
    raise SystemExit("\n".join(map(_fault, unresolved)))


def _fault(reference: dict[str, Any]) -> str:
    why = reference["properties"]
    secret = f"secret {why.get('secretName')} of key vault {why.get('vaultName')}"
    return f"the setting {reference['name']} has no value: {secret}: {why['status']}: {why.get('details')}"


def function_key(app: list[str]) -> str:
    """The key of callers. It lies with the Functions host, which may still be starting: it is given PATIENCE."""
    fault = "it has no key named default"
    for _ in smoke.rounds(smoke.PATIENCE):
        try:
            key = az("functionapp", "keys", "list", *app, "--query", "functionKeys.default")
        except AzError as error:
            fault = str(error)
        else:
            if key:
                return str(key)
    raise SystemExit(f"the function app does not give its key: {fault}")


def verify_with_key(url: str, release: dict[str, Any], key: str) -> None:
    smoke.refuse_incidents(url, key)
    if (status := smoke.ask_for_predictions(url, "")[0]) != 401:
        raise SystemExit(f"{url} predicts for anyone: {status}")
    smoke.predict(url, release, key)


def verify_sign_in(url: str, release: dict[str, Any]) -> None:
    """App Service turns away who has not signed in, as this program: it knows that the app is ready, no more."""
    smoke.refuse_incidents(url, "")
    if (status := smoke.ask_for_predictions(url, "")[0]) not in (302, 401):
        raise SystemExit(f"{url} predicts for who has not signed in: {status}")
    print(f"{url} is ready with {release}. Whoever wants predictions signs in: they were not asked for")


def verify_anonymous(url: str, release: dict[str, Any]) -> None:
    smoke.refuse_incidents(url, "")
    smoke.predict(url, release, "")


if __name__ == "__main__":
    try:
        main()
    except AzError as error:
        raise SystemExit(f"az: {error}") from error
