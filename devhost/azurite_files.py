"""The files of Azurite's table service: readable by their owner only, with a copy, and refused if they are damaged.

Azurite starts with an empty store if its file is empty or lost, and says nothing.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO

from devhost.errors import HostError

_DATA_FILE, _COPY_FILE = "tables.json", "tables.json.copy"
_TABLES = "$TABLES_COLLECTION$"  # Azurite's list of tables, in every file that it has written


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Hold `folder` for this process, because two services would overwrite each other's data. Raises HostError."""
    make_private(folder)
    with _open_private(folder / "lock") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise HostError(f"another `make serve` is running in this folder: it uses {folder}") from error
        yield


def make_private(folder: Path) -> None:
    """Create `folder`, or close an existing one, so that only its owner can read what is in it."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    for path in folder.iterdir():
        if path.is_file():
            path.chmod(0o600)


def check_and_copy(folder: Path, must_exist: bool = False) -> None:
    """Keep a copy of the store in `folder`, if there is one.

    Raises HostError if the store is damaged, or lost although there is a copy or it `must_exist`. Then nothing is
    changed.
    """
    data, copy = folder / _DATA_FILE, folder / _COPY_FILE
    try:
        content = data.read_bytes()
    except FileNotFoundError:
        if copy.exists():
            raise HostError(f"{data} is missing. {_what_to_do(folder)}") from None
        if must_exist:
            raise HostError(
                f"{data} is missing, and there is no copy: stop `make serve` to start without data"
            ) from None
        return  # a new store
    if not _is_store(content):
        kept = copy.exists()
        raise HostError(f"{data} is damaged. {_what_to_do(folder) if kept else 'Delete it to start without data'}")
    new = folder / f"{_COPY_FILE}.new"
    with _open_private(new) as file:
        file.write(content)
    new.replace(copy)


def _open_private(path: Path) -> BinaryIO:
    return open(path, "wb", opener=partial(os.open, mode=0o600))


def _is_store(content: bytes) -> bool:
    """Return whether Azurite has written this, and all of it."""
    try:
        collections = json.loads(content)["collections"]
        return any(collection["name"] == _TABLES for collection in collections)
    except (ValueError, TypeError, KeyError, RecursionError):
        return False


def _what_to_do(folder: Path) -> str:
    return (
        f"{_COPY_FILE} beside it is the store as it was at the last start: rename it to {_DATA_FILE}, "
        "or delete both to start without data"
    )
