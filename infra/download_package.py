"""`python3 -m infra.download_package ZIP`: downloads the package that runs now, for a deployment to return to if it fails.

Prints `build=` and its build id for GITHUB_OUTPUT; where there is nothing to return to, the log says why instead.
"""

import sys

from infra import smoke
from infra.az import AzError, az, deployed

# The name that the platform gives: https://learn.microsoft.com/azure/azure-functions/functions-infrastructure-as-code
BLOB = ["--container-name", "app-package", "--name", "released-package.zip", "--auth-mode", "login"]


class NothingKept(Exception):
    """Why there is no package to return to."""


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    try:
        print(f"build={keep(deployed('AZURE_PACKAGE_ACCOUNT'), sys.argv[1])}")
    except NothingKept as reason:
        print(
            f"::warning::Should this deployment fail, nothing returns to the package before it: {reason}",
            file=sys.stderr,
        )


def keep(account: str, package: str) -> str:
    """The build id of the package that runs. Raises NothingKept, and SystemExit if it cannot be read after PATIENCE."""
    where = ["--name", account, "--resource-group", deployed("AZURE_RESOURCE_GROUP")]
    network = az("storage", "account", "show", *where, "--query", "publicNetworkAccess")
    if network == "Disabled":
        raise NothingKept("its storage cannot be reached from outside the virtual network")
    blob = ["--account-name", account, *BLOB]
    for _ in smoke.rounds(smoke.PATIENCE):  # the role to read it may be seconds old, and not known everywhere yet
        try:
            if not az("storage", "blob", "exists", *blob)["exists"]:
                raise NothingKept("there is none")
            az("storage", "blob", "download", *blob, "--file", package)
            break
        except AzError as error:
            fault = error
    else:
        raise SystemExit(f"the package that runs cannot be read: {fault}")
    build = smoke.build_id(package)
    if build is None:
        raise NothingKept("it has no build id, so that nobody could tell whether it is back")
    return build


if __name__ == "__main__":
    try:
        main()
    except AzError as error:
        raise SystemExit(f"az: {error}") from error
