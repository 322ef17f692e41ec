"""Read the files of models: regular files only, of a limited size. A failure is a ModelError that names the file."""

import hashlib
import json
import stat
from pathlib import Path
from typing import Any

import msgspec

from .errors import ModelError

MAX_JSON_BYTES = 65_536  # the manifests that ship have 2,300


def read_file(path: Path, max_bytes: int) -> bytes:
    """Return the content of a regular file."""
    try:
        _require_regular(path, max_bytes)
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}") from error


def file_sha256(path: Path, max_bytes: int) -> str:
    """Return the SHA-256 of a regular file, hexadecimal, without holding the file in memory."""
    try:
        _require_regular(path, max_bytes)
        with path.open("rb", buffering=0) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}") from error


def parse_json[T](path: Path, content: bytes, type_: type[T]) -> T:
    """Return the value of a JSON file, in which no object may have a key twice: readers would disagree about it."""
    try:
        value = msgspec.json.decode(content, type=type_)
        json.loads(content, object_pairs_hook=_require_distinct_keys)
    except (msgspec.MsgspecError, ValueError) as error:  # UnicodeDecodeError is a ValueError
        raise ModelError(f"{path}: {error}") from error
    return value


def _require_regular(path: Path, max_bytes: int) -> None:
    """Raise ModelError for a link, which may lead anywhere, and for a pipe or a device, which may never end."""
    status = path.lstat()
    if not stat.S_ISREG(status.st_mode):
        raise ModelError(f"{path}: not a regular file")
    if status.st_size > max_bytes:
        raise ModelError(f"{path}: {status.st_size} bytes; at most {max_bytes} are allowed")


def _require_distinct_keys(pairs: list[tuple[str, Any]]) -> None:
    keys = [key for key, _ in pairs]
    if twice := {key for key in keys if keys.count(key) > 1}:
        raise ValueError(f"has {', '.join(sorted(twice))} twice")
