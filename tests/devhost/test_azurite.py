"""Azurite's table service: acknowledged writes survive, and the process ends with its parent."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from azure.core.exceptions import AzureError, ServiceRequestError
from azure.data.tables import TableClient

from devhost.azurite import Azurite
from devhost.errors import HostError
from tests.support.paths import ROOT
from tools import node


def client(azurite: Azurite) -> TableClient:
    return TableClient.from_connection_string(azurite.connection_string, "feedback", retry_total=0)


def rows(azurite: Azurite) -> set[str]:
    with client(azurite) as table:
        return {str(entity["RowKey"]) for entity in table.list_entities()}


@pytest.fixture
def azurite(tmp_path: Path) -> Iterator[Azurite]:
    with Azurite(tmp_path / "deep" / "tables") as running:
        with client(running) as table:
            table.create_table()
        yield running


def test_acknowledged_writes_survive_a_kill(azurite: Azurite) -> None:
    acknowledged: set[str] = set()

    def write(row: int) -> None:
        if len(acknowledged) >= 40 and azurite.pid:
            azurite.kill()  # during other writes
        try:
            with client(azurite) as table:
                table.create_entity({"PartitionKey": "p", "RowKey": str(row), "text": "grün"})
        except AzureError:
            return
        acknowledged.add(str(row))

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(write, range(100)))
    assert 40 <= len(acknowledged) < 100
    assert azurite.pid is None
    before = azurite.connection_string
    azurite.start()
    assert azurite.connection_string == before
    assert acknowledged <= rows(azurite)


def test_every_operation_is_on_disk_when_it_is_acknowledged(azurite: Azurite) -> None:
    key = {"PartitionKey": "p"}
    with client(azurite) as table:
        table.create_entity(key | {"RowKey": "deleted"})
        table.create_entity(key | {"RowKey": "updated", "n": 1})
        table.submit_transaction(
            [("upsert", key | {"RowKey": "batched"}), ("update", key | {"RowKey": "updated", "n": 2})]
        )
        table.delete_entity("p", "deleted")
    azurite.kill()
    azurite.start()
    assert rows(azurite) == {"updated", "batched"}
    with client(azurite) as table:
        assert table.get_entity("p", "updated")["n"] == 2


def test_killed_service_does_not_respond(azurite: Azurite) -> None:
    azurite.kill()
    azurite.kill()  # twice is no error
    with pytest.raises(ServiceRequestError):
        rows(azurite)


def test_second_start_does_nothing(azurite: Azurite) -> None:
    pid = azurite.pid
    azurite.start()
    assert azurite.pid == pid


def test_in_memory_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Azurite(tmp_path / "tables", in_memory=True) as azurite, client(azurite) as table:
        table.create_table()
        table.create_entity({"PartitionKey": "p", "RowKey": "1"})
        assert rows(azurite) == {"1"}
    assert list(tmp_path.iterdir()) == []


def test_reports_port_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        azurite = Azurite(tmp_path, port)
        message = f"^Azurite's port {port} is in use: stop the other program, or choose another port$"
        with pytest.raises(HostError, match=message):
            azurite.start()
        assert azurite.pid is None


def test_reports_folder_that_cannot_be_created(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(HostError, match="^Azurite did not start: .*$"):
        Azurite(tmp_path / "file" / "tables").start()


def test_has_no_connection_string_before_it_has_a_port(tmp_path: Path) -> None:
    with pytest.raises(HostError):
        Azurite(tmp_path).connection_string  # noqa: B018


def test_reports_missing_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("tools.node._NODE_MODULES", tmp_path)
        with pytest.raises(HostError, match="azurite is not installed: run make install"):
            Azurite(tmp_path).start()
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(node.sysconfig, "get_path", lambda name: str(tmp_path))
    monkeypatch.setattr(node, "find_spec", lambda name: None)
    with pytest.raises(HostError, match="Node.js.* is not installed: run make install"):
        Azurite(tmp_path).start()


def test_ends_with_a_killed_parent(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from devhost.azurite import Azurite\n"
        "azurite = Azurite(Path(sys.argv[1])); azurite.start(); print(azurite.pid, flush=True); input()"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        assert "table_service.cjs" in " ".join(child.cmdline())
        parent.kill()
        child.wait(timeout=30)
