"""The files of the table service: for their owner only, with a copy, and never silently empty."""

from pathlib import Path

import pytest
from azure.core.exceptions import HttpResponseError
from azure.data.tables import TableClient, TableServiceClient

from devhost.azurite import Azurite
from devhost.azurite_files import check_and_copy, lock_folder, make_private
from devhost.errors import HostError

DAMAGED = [
    b"",
    b"{}",
    b"[]",
    b"null",
    b'{"collections": []}',
    b'{"collections": [1]}',
    bytes(100),
    b"\xff",
    b"[" * 9_999,
]


def client(azurite: Azurite) -> TableClient:
    return TableClient.from_connection_string(azurite.connection_string, "feedback", retry_total=0)


def create_row(azurite: Azurite) -> None:
    with client(azurite) as table:
        table.create_table()
        table.create_entity({"PartitionKey": "p", "RowKey": "1"})


def rows(azurite: Azurite) -> list[str]:
    with client(azurite) as table:
        return [str(entity["RowKey"]) for entity in table.list_entities()]


def test_files_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    azurite = Azurite(tmp_path)
    with azurite:
        create_row(azurite)
        assert (tmp_path / "tables.json").stat().st_mode & 0o777 == 0o600
    tmp_path.chmod(0o755)
    with lock_folder(tmp_path), azurite:
        modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path, *tmp_path.iterdir())}
    assert modes == {tmp_path.name: 0o700, "lock": 0o600, "tables.json": 0o600, "tables.json.copy": 0o600}


def test_closes_what_older_versions_left_open(tmp_path: Path) -> None:
    (tmp_path / "tables.json").touch(0o644)
    (tmp_path / "folder").mkdir(mode=0o755)
    make_private(tmp_path)
    assert (tmp_path / "tables.json").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o755  # nobody else gets as far


@pytest.fixture(scope="module")
def written_store(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return the file of a store with a row."""
    folder = tmp_path_factory.mktemp("store")
    with Azurite(folder) as azurite:
        create_row(azurite)
    return (folder / "tables.json").read_bytes()


@pytest.mark.parametrize("content", [*DAMAGED, "half", "lost"], ids=lambda content: str(content)[:20])
def test_refuses_damaged_or_lost_store_and_keeps_its_copy(
    tmp_path: Path, written_store: bytes, content: bytes | str
) -> None:
    store, copy = tmp_path / "tables.json", tmp_path / "tables.json.copy"
    store.write_bytes(written_store)
    check_and_copy(tmp_path)
    damaged = {"half": written_store[: len(written_store) // 2], "lost": None}.get(content, content)  # type: ignore[call-overload]
    if damaged is None:
        store.unlink()
    else:
        store.write_bytes(damaged)

    with pytest.raises(HostError) as caught:
        check_and_copy(tmp_path)
    message = str(caught.value)
    assert str(store) in message and "tables.json.copy" in message and "\n" not in message
    assert copy.read_bytes() == written_store
    assert (store.read_bytes() if store.exists() else None) == damaged


def test_emptied_store_does_not_start_and_comes_back_from_its_copy(tmp_path: Path, written_store: bytes) -> None:
    store = tmp_path / "tables.json"
    store.write_bytes(written_store)
    azurite = Azurite(tmp_path)
    check_and_copy(tmp_path)
    store.write_bytes(b"")
    with pytest.raises(HostError, match="is damaged"):
        azurite.start()
    assert azurite.pid is None
    (tmp_path / "tables.json.copy").rename(store)  # as the message says
    with azurite:
        assert rows(azurite) == ["1"]


def test_store_that_is_deleted_before_there_is_a_copy_is_missed(tmp_path: Path) -> None:
    with Azurite(tmp_path) as azurite:
        create_row(azurite)
        (tmp_path / "tables.json").unlink()
        azurite.kill()
        with pytest.raises(HostError, match="is missing, and there is no copy"):
            azurite.start()


def test_damaged_store_without_a_copy_is_kept(tmp_path: Path) -> None:
    (tmp_path / "tables.json").write_bytes(b"{")
    with pytest.raises(HostError, match=r"is damaged\. Delete it to start without data$"):
        Azurite(tmp_path).start()
    assert (tmp_path / "tables.json").read_bytes() == b"{"


def test_store_whose_rows_are_all_deleted_is_not_damaged(tmp_path: Path, written_store: bytes) -> None:
    (tmp_path / "tables.json").write_bytes(written_store)
    with Azurite(tmp_path) as azurite, client(azurite) as table:
        table.delete_entity("p", "1")
    check_and_copy(tmp_path)
    assert (tmp_path / "tables.json.copy").read_bytes() == (tmp_path / "tables.json").read_bytes()


@pytest.mark.parametrize("headers", [{"origin": "http://evil.example"}, {"origin": "null"}, {"host": "rebind.example"}])
def test_web_pages_get_nothing(tmp_path: Path, headers: dict[str, str]) -> None:
    with Azurite(tmp_path, in_memory=True) as azurite:
        service = TableServiceClient.from_connection_string(azurite.connection_string, retry_total=0)
        with service, pytest.raises(HttpResponseError) as caught:
            list(service.list_tables(headers=headers))
    assert caught.value.status_code == 403
