"""The journal file of a study: Optuna's, whose last line a killed process may have left unfinished.

Optuna skips such a line when it reads the journal, but then appends the next record to it. That line ends the study.
"""

import json
from pathlib import Path
from typing import BinaryIO

from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock
from rich.console import Console

BLOCK_BYTES = 2**20  # longer than any record
START = b'{"op_code":'  # of every record

console = Console(stderr=True)


def open_journal(path: Path) -> JournalFileBackend:
    """Open or create a journal. Before anything is appended to it, now or later, an unfinished line is dropped.

    Raises ValueError if it is another kind of file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = _MendingLock(path)
    journal = JournalFileBackend(str(path), lock_obj=lock)
    lock.acquire()
    lock.release()
    return journal


class _MendingLock(JournalFileSymlinkLock):  # type: ignore[misc]
    """The lock of a journal. Who holds it finds whole records only."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self._path = path

    def acquire(self) -> bool:
        super().acquire()
        try:
            drop_unfinished_line(self._path)
        except BaseException:
            self.release()
            raise
        return True


def drop_unfinished_line(path: Path) -> None:
    """Cut a journal after its last whole record, and say so if anything was cut. Needs the lock of the journal."""
    with path.open("r+b") as file:
        first = file.readline(BLOCK_BYTES)
        if not (first.startswith(START) or START.startswith(first)):
            raise ValueError("not a journal of Optuna")
        start, line = _last_line(file)
        if line and not _is_record(line):
            file.truncate(start)
            console.print(f"{path}: dropped its last line, which a killed process left unfinished", soft_wrap=True)


def _last_line(file: BinaryIO) -> tuple[int, bytes]:
    """Return where the last line of a journal starts, and the line."""
    block = max(0, file.seek(0, 2) - BLOCK_BYTES)
    file.seek(block)
    tail = file.read()
    start = tail.rfind(b"\n", 0, -1) + 1
    return block + start, tail[start:]


def _is_record(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):  # RecursionError: [[[[…
        return False
    return line.endswith(b"\n")
