"""The Azure CLI, and what a deployment told, for the programs that run after it."""

import json
import os
import subprocess
from typing import Any


class AzError(Exception):
    """What the Azure CLI complained of."""


def az(*arguments: str) -> Any:
    """What a command answers, decoded from JSON; None where it answers nothing. Raises AzError."""
    command = ["az", *arguments, "--only-show-errors", "--output", "json"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise AzError(done.stderr.strip())
    return json.loads(done.stdout) if done.stdout.strip() else None


def deployed(name: str) -> str:
    """A variable that azd or the workflow sets after a deployment. Raises SystemExit where nobody did."""
    if value := os.environ.get(name):
        return value
    raise SystemExit(f"{name} is not set: `azd env get-values` and the outputs of the deployment have it")
