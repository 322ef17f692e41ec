"""Read JSON files that commands of this package wrote, or that users give."""

from pathlib import Path

import msgspec

from .errors import one_line


def read_json[T](path: Path, kind: type[T], advice: str) -> T:
    """Return what a JSON file holds. Raises SystemExit with one line, and `advice`, if it is not a `kind`."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except OSError as error:
        raise SystemExit(f"{path}: {error.strerror}; {advice}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:  # RecursionError: [[[[…
        raise SystemExit(f"{path}: {one_line(error)}; {advice}") from error
