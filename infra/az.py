"""Run the Azure CLI, and read what a deployment left in the environment."""

import json
import os
import subprocess
from typing import Any


class AzError(Exception):
    """A command of the Azure CLI failed. The message is its stderr."""


def az(*arguments: str) -> Any:
    """Return the JSON output of a command, or None if it prints nothing. Raises AzError."""
    command = ["az", *arguments, "--only-show-errors", "--output", "json"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise AzError(done.stderr.strip())
    return json.loads(done.stdout) if done.stdout.strip() else None


def deployment_output(name: str) -> str:
    """Return a variable that azd or the workflow sets after a deployment. Raises SystemExit if it is not set."""
    if value := os.environ.get(name):
        return value
    raise SystemExit(f"{name} is not set: `azd env get-values` and the outputs of the deployment have it")
