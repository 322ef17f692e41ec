"""Read and write JSON files."""

from pathlib import Path

import msgspec

from .errors import one_line
from .replacement import replacing


def read_json[T](path: Path, kind: type[T], advice: str) -> T:
    """Return what a JSON file holds. Raises SystemExit with one line, and `advice`, if it is not a `kind`."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except OSError as error:
        raise SystemExit(f"{path}: {error.strerror}; {advice}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:  # RecursionError: [[[[…
        raise SystemExit(f"{path}: {one_line(error)}; {advice}") from error


def write_json(path: Path, value: object) -> None:
    """Replace a JSON file in one step; indented, with a final newline."""
    with replacing(path) as new:
        new.write_bytes(msgspec.json.format(msgspec.json.encode(value)) + b"\n")
