"""Change model folders as somebody would who may write to them."""

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from sentiment.manifest import MANIFEST_FILE

type Tampering = Callable[[Path], None]  # changes a model folder


def read_json(folder: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((folder / MANIFEST_FILE).read_bytes())
    return manifest


def write_json(folder: Path, manifest: dict[str, Any]) -> None:
    (folder / MANIFEST_FILE).write_text(json.dumps(manifest))


def set_field(field: str, value: Any) -> Tampering:
    """Return a tampering that sets a field of the manifest: `calibration.slope`."""

    def tamper(folder: Path) -> None:
        manifest = read_json(folder)
        *parents, name = field.split(".")
        owner = manifest
        for parent in parents:
            owner = owner[parent]
        owner[name] = value
        write_json(folder, manifest)

    return tamper


def with_new_digests(tamper: Tampering) -> Tampering:
    """Return a tampering that then computes all digests of the folder again, so that it fits its manifest."""

    def tamper_and_stamp(folder: Path) -> None:
        tamper(folder)
        stamp(folder)

    return tamper_and_stamp


def stamp(folder: Path) -> None:
    """Compute the digests of the files, and the one in the version, as training does."""
    manifest = read_json(folder)
    for path in folder.iterdir():
        if path.name in manifest["files"]:
            manifest["files"][path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    content = manifest | {"version": "", "created": "", "metrics": {}, "baseline": None}
    digest = hashlib.sha256(msgspec.json.encode(content)).hexdigest()[:8]
    manifest["version"] = f"{manifest['version'].partition('-')[0]}-{digest}"
    write_json(folder, manifest)


def move_weights_out(folder: Path, location: str = "weights.bin") -> None:
    """Move the weights of a linear graph to a file beside it, which no manifest names: ONNX's external data.

    The fields of ONNX's messages: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
    """
    graph_field, initializer, name, raw_data, external_data, data_location = 7, 5, 8, 9, 13, 14

    def externalise(tensor: bytes) -> bytes:
        fields = list(_fields(tensor))
        if (name, b"weight_table") not in fields:
            return tensor
        (weights,) = (value for number, value in fields if number == raw_data)
        (folder / "weights.bin").write_bytes(weights)
        entry = _field(1, b"location") + _field(2, location.encode())
        rest = b"".join(_field(number, value) for number, value in fields if number != raw_data)
        return rest + _field(external_data, entry) + _field(data_location, 1)

    def rewrite(message: bytes, number: int, change: Callable[[bytes], bytes]) -> bytes:
        return b"".join(
            _field(each, change(value) if each == number and isinstance(value, bytes) else value)
            for each, value in _fields(message)
        )

    path = folder / "model.onnx"
    path.write_bytes(rewrite(path.read_bytes(), graph_field, lambda graph: rewrite(graph, initializer, externalise)))


def _fields(message: bytes) -> Iterator[tuple[int, bytes | int]]:
    """Yield number and value of each field of a protobuf message; a number is a varint, bytes are anything else."""
    position = 0
    while position < len(message):
        key, position = _read_varint(message, position)
        value, position = _read_varint(message, position)
        if key & 7 == 0:
            yield key >> 3, value
        else:
            assert key & 7 == 2, "the graphs of training have no field of a fixed size outside attributes"
            yield key >> 3, message[position : position + value]
            position += value


def _field(number: int, value: bytes | int) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _read_varint(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while message[position] & 0x80:
        value |= (message[position] & 0x7F) << shift
        position, shift = position + 1, shift + 7
    return value | message[position] << shift, position + 1


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])
