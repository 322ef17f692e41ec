"""`python3 -m infra.download_package ZIP`: download the package that is deployed now, to roll back to it if needed.

Prints `build=` and its build id, for GITHUB_OUTPUT. If there is nothing to roll back to, the log says why instead.
"""

import sys

from infra import retry
from infra.az import AzError, az, deployment_output
from infra.release import read_build_id

# The platform's own name for it:
# https://learn.microsoft.com/azure/azure-functions/functions-infrastructure-as-code
BLOB = ["--container-name", "app-package", "--name", "released-package.zip", "--auth-mode", "login"]


class NoRollback(Exception):
    """There is no package to roll back to. The message says why."""


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    try:
        print(f"build={download(deployment_output('AZURE_PACKAGE_ACCOUNT'), sys.argv[1])}")
    except NoRollback as reason:
        warning = f"If this deployment fails, it cannot be rolled back to the previous package: {reason}"
        print(f"::warning::{warning}", file=sys.stderr)


def download(account: str, path: str) -> str:
    """Download the package from a storage account to `path`, and return its build id.

    Raises NoRollback, and SystemExit if the package cannot be read within retry.TIMEOUT_SECONDS.
    """
    location = ["--name", account, "--resource-group", deployment_output("AZURE_RESOURCE_GROUP")]
    network = az("storage", "account", "show", *location, "--query", "publicNetworkAccess")
    if network == "Disabled":
        raise NoRollback("its storage account is closed to public networks")
    blob = ["--account-name", account, *BLOB]
    for _ in retry.attempts():  # the role to read it may be seconds old, and not in effect yet
        try:
            if not az("storage", "blob", "exists", *blob)["exists"]:
                raise NoRollback("no package is deployed yet")
            az("storage", "blob", "download", *blob, "--file", path)
            break
        except AzError as error:
            fault = error
    else:
        raise SystemExit(f"the deployed package cannot be read: {fault}")
    build = read_build_id(path)
    if build is None:
        raise NoRollback("it has no build id, so a rollback to it could not be verified")
    return build


if __name__ == "__main__":
    try:
        main()
    except AzError as error:
        raise SystemExit(f"az: {error}") from error
