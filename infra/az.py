"""The Azure CLI, for the programs that run beside it."""

import json
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
