"""`python3 -m infra.verify_deployment ZIP`: check that Azure runs the package ZIP and that it predicts.

The app's address comes from the outputs of the deployment, which azd and the workflow put into the environment. Any
Python 3 can run this, with the Azure CLI signed in: it uses the standard library only.
"""

import sys
from typing import Any

from infra import retry
from infra.app_checks import check_incidents_are_closed, check_predictions, request_predictions, wait_until_ready
from infra.az import AzError, az, deployment_output
from infra.release import Release, read_release

API_VERSION = "2022-03-01"
SIGN_IN = "OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID"  # infra/app/site.bicep sets it only where people sign in


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    name, group = deployment_output("AZURE_FUNCTION_NAME"), deployment_output("AZURE_RESOURCE_GROUP")
    subscription, url = deployment_output("AZURE_SUBSCRIPTION_ID"), deployment_output("AZURE_FUNCTION_URL")
    app = ["--name", name, "--resource-group", group, "--subscription", subscription]
    settings = {each["name"]: each["value"] for each in az("functionapp", "config", "appsettings", "list", *app)}
    release = read_release(sys.argv[1], settings.get("MODEL", ""))
    wait_for_key_vault(f"/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Web/sites/{name}")
    wait_until_ready(url, release)
    if SIGN_IN in settings:
        verify_with_sign_in(url, release)
    elif settings.get("AUTH_LEVEL") == "anonymous":
        verify_anonymous(url, release)
    else:
        verify_with_key(url, release, wait_for_function_key(app))


def wait_for_key_vault(site: str) -> None:
    """Return once Azure has resolved every Key Vault reference in the app settings; ask it to retry until then.

    The app reads an unresolved reference as the value of the setting. A role that was assigned seconds ago may not have
    reached the vault yet: https://learn.microsoft.com/azure/app-service/app-service-key-vault-references. Raises
    SystemExit with Azure's reasons after retry.TIMEOUT_SECONDS.
    """
    url = f"{site}/config/configreferences/appsettings"
    for _ in retry.attempts():
        references = az("rest", "--method", "get", "--url", f"{url}?api-version={API_VERSION}")["value"]
        unresolved = [each for each in references if each["properties"]["status"] != "Resolved"]
        if not unresolved:
            return
        az("rest", "--method", "post", "--url", f"{url}/refresh?api-version={API_VERSION}")
    raise SystemExit("\n".join(map(_why_unresolved, unresolved)))


def _why_unresolved(reference: dict[str, Any]) -> str:
    why = reference["properties"]
    secret = f"secret {why.get('secretName')} of key vault {why.get('vaultName')}"
    return f"the setting {reference['name']} has no value: {secret}: {why['status']}: {why.get('details')}"


def wait_for_function_key(app: list[str]) -> str:
    """Return the callers' key. The Functions host keeps it and may still be starting. Raises SystemExit in the end."""
    fault = "it has no key named default"
    for _ in retry.attempts():
        try:
            key = az("functionapp", "keys", "list", *app, "--query", "functionKeys.default")
        except AzError as error:
            fault = str(error)
        else:
            if key:
                return str(key)
    raise SystemExit(f"the function app does not return its key: {fault}")


def verify_with_key(url: str, release: Release, key: str) -> None:
    check_incidents_are_closed(url, key)
    if (status := request_predictions(url)[0]) != 401:
        raise SystemExit(f"{url} predicts without a key: {status}")
    check_predictions(url, release, key)


def verify_with_sign_in(url: str, release: Release) -> None:
    """Check that App Service turns this program away, which is not signed in. Predictions cannot be checked then."""
    check_incidents_are_closed(url)
    if (status := request_predictions(url)[0]) not in (302, 401):
        raise SystemExit(f"{url} predicts without a sign-in: {status}")
    print(f"{url} is ready with {release}. Predictions need a sign-in, so they were not checked")


def verify_anonymous(url: str, release: Release) -> None:
    check_incidents_are_closed(url)
    check_predictions(url, release)


if __name__ == "__main__":
    try:
        main()
    except AzError as error:
        raise SystemExit(f"az: {error}") from error
