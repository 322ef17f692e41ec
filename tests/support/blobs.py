"""Azurite's blob service, and containers in it with a SAS in their URL."""

import json
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from azure.storage.blob import ContainerClient, ContainerSasPermissions, generate_container_sas

from devhost.azurite import ACCOUNT, KEY
from tools.node import node


@contextmanager
def blob_service() -> Iterator[str]:
    """Run the service and yield its address."""
    command = [node(), "--no-deprecation", str(Path(__file__).with_name("blob_service.cjs"))]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as process:
        yield f"http://127.0.0.1:{json.loads(process.stdout.readline())['port']}/{ACCOUNT}"
        process.communicate()  # closes its stdin, which ends it


def container(service: str) -> ContainerClient:
    """Create a container whose URL permits what the app's role permits: read, write, delete, list."""
    name = f"c{uuid.uuid4().hex}"
    permission = ContainerSasPermissions(read=True, write=True, create=True, delete=True, list=True)
    until = datetime.now(UTC) + timedelta(hours=1)
    sas = generate_container_sas(ACCOUNT, name, account_key=KEY, permission=permission, expiry=until)
    with ContainerClient(service, name, credential=KEY) as made:
        made.create_container()
    return ContainerClient.from_container_url(f"{service}/{name}?{sas}")
