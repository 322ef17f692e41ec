"""The models that a package was built with: `model_digests.json`, which lies outside the model folders.

A model folder can say of itself only that it is complete: whoever may write to it may compute its digests again. What
makes a model the released one is this list, which infra/package.py writes beside the code.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec

from .files import MAX_JSON_BYTES, parse_json, read_file

MODEL_DIGESTS_FILE = "model_digests.json"

type Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$", max_length=64)]  # the length forbids a last newline
type ModelDigests = Mapping[str, str]  # name of a model -> SHA-256 of its manifest.json, which covers its other files


def read_model_digests(folder: Path) -> ModelDigests:
    """Return the list in `folder`. Raises ModelError if it is missing or invalid."""
    path = folder / MODEL_DIGESTS_FILE
    return parse_json(path, read_file(path, MAX_JSON_BYTES), dict[str, Sha256])


def write_model_digests(folder: Path, digests: ModelDigests) -> None:
    (folder / MODEL_DIGESTS_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(digests, order="sorted")) + b"\n")
