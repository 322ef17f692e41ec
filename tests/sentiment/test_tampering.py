"""A model folder is what was released, or it is refused with a ModelError that names the file and what is wrong.

Whoever may write to a folder may also compute its digests again. Then only the list of the released models tells.
"""

import hashlib
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from sentiment import manifest
from sentiment.errors import ModelError
from sentiment.files import MAX_JSON_BYTES
from sentiment.manifest import MANIFEST_FILE, MAX_GRAPH_BYTES, MAX_VOCABULARY_BYTES
from sentiment.model import Model
from sentiment.released import MODEL_DIGESTS_FILE, read_model_digests, write_model_digests
from tests.support.paths import ROOT
from tests.support.tampering import (
    Tampering,
    move_weights_out,
    read_json,
    set_field,
    stamp,
    with_new_digests,
    write_json,
)

MEMORY = "*/_ORT_MEM_ADDR_/*"  # a location by which onnxruntime means its own memory
MAX_BYTES = {"model.onnx": MAX_GRAPH_BYTES, "ngrams.bin": MAX_VOCABULARY_BYTES, MANIFEST_FILE: MAX_JSON_BYTES}


# --- files -----------------------------------------------------------------------------------------------------------


def change_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def shorten(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 2)  # the last byte of a manifest is a newline


def empty(path: Path) -> None:
    os.truncate(path, 0)


def replace_by_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def move_out_and_link(path: Path) -> None:
    path.symlink_to(path.rename(path.parent.parent / path.name))


def replace_by_a_device(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def replace_by_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def grow(path: Path) -> None:
    os.truncate(path, MAX_BYTES[path.name] + 1)  # a hole: it takes no space


DAMAGES = [
    change_a_bit,
    shorten,
    empty,
    Path.unlink,
    replace_by_a_folder,
    move_out_and_link,
    replace_by_a_device,
    replace_by_a_pipe,
]


@pytest.mark.parametrize("name", MAX_BYTES)
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_refuses_a_damaged_file(model_folder: Path, name: str, damage: Tampering) -> None:
    damage(model_folder / name)
    with pytest.raises(ModelError, match=re.escape(name)):
        Model.load(model_folder)


@pytest.mark.parametrize("name", MAX_BYTES)
def test_reads_no_file_that_is_too_large(model_folder: Path, name: str) -> None:
    grow(model_folder / name)
    with pytest.raises(ModelError, match=f"{re.escape(name)}: {MAX_BYTES[name] + 1} bytes; at most"):
        Model.load(model_folder)


# --- the manifest ----------------------------------------------------------------------------------------------------

# Each value could be that of another model: only the version tells.
CHANGED_FIELDS = {
    "name": "other",
    "family": "svm",
    "run_id": "other",
    "text.lowercase": False,
    "text.punctuation": False,
    "text.stop_words": True,
    "input.longest": 1,
    "opset": 17,
    "calibration.slope": 1e-6,
    "calibration.intercept": 50,
    "thresholds.publish": 0.51,
    "thresholds.hold": 0.49,
    "version": "20261129-00000000",
}


@pytest.mark.parametrize("field", CHANGED_FIELDS)
def test_refuses_a_changed_field(model_folder: Path, field: str) -> None:
    set_field(field, CHANGED_FIELDS[field])(model_folder)
    with pytest.raises(ModelError, match=f"{MANIFEST_FILE}: was changed after it was written"):
        Model.load(model_folder)


# Fields that no model has. They are refused although every digest fits.
INVALID_FIELDS: list[tuple[str, Any]] = [
    ("name", ""),
    ("name", "../champion"),
    ("name", "two\nlines"),
    ("name", "newline\n"),
    ("name", "a@b"),
    ("name", "x" * 42),
    ("family", "<script>"),
    ("run_id", "v" * 65),
    ("graph", "../lite/model.onnx"),
    ("graph", "/etc/passwd"),
    ("graph", "ngrams.bin"),
    ("graph", "model.ort"),
    ("input.vocabulary", "../lite/ngrams.bin"),
    ("input.vocabulary", ".."),
    ("input.vocabulary", "a\0b"),
    ("input.bits", 16),
    ("input.bits", "32"),
    ("input.kind", "something_else"),
    ("input.longest", 0),
    ("input.longest", 10),
    ("input.longest", 2**62),
    ("input.longest", 10**400),
    ("input.longest", 1.5),
    ("opset", -1),
    ("opset", 10**6),
    ("calibration.slope", 0),
    ("calibration.slope", -1),
    ("calibration.slope", 1e308),
    ("calibration.slope", None),
    ("calibration.intercept", 1e308),
    ("calibration.intercept", -1e308),
    ("thresholds.publish", 0.4999),
    ("thresholds.publish", -5),
    ("thresholds.publish", 1.5),
    ("thresholds.publish", 99),
    ("thresholds.publish", 1e308),
    ("thresholds.publish", "0.9"),
    ("thresholds.hold", 0.5),
    ("thresholds.hold", -9),
    ("text.lowercase", 1),
    ("text.unknown_switch", True),
    ("files", []),
    ("metrics.test", {"n": -1, "dataset_sha256": "0" * 64, "values": {}}),
    ("metrics.test", {"n": 1, "dataset_sha256": "0" * 63, "values": {}}),
    ("baseline", {"probability": [0.1] * 10, "unknown": 1.1}),
    ("baseline", {"probability": [0.1] * 10, "unknown": 1e308}),
    ("baseline", {"probability": [-0.1, 0.3, *[0.1] * 8], "unknown": 0}),
    ("baseline", {"probability": [0] * 10, "unknown": 0}),
    ("baseline", {"probability": [0.1] * 9 + [0.2], "unknown": 0}),
    ("baseline", {"probability": [0.2] * 5, "unknown": 0}),
    ("surprise", 1),
]


@pytest.mark.parametrize(("field", "value"), INVALID_FIELDS, ids=lambda part: repr(part)[:40])
def test_refuses_an_invalid_field(model_folder: Path, field: str, value: Any) -> None:
    with_new_digests(set_field(field, value))(model_folder)
    with pytest.raises(ModelError, match=rf"{MANIFEST_FILE}: .*({field.partition('.')[0]}|out of range)"):
        Model.load(model_folder)


SEQUENCE = {"kind": "token_ids", "vocabulary": "ngrams.bin", "max_length": 8, "padding": 0, "unknown": 1}
PIECES = SEQUENCE | {"kind": "word_pieces", "words": "words.bin", "start": 2, "end": 3}
UNIGRAM = PIECES | {"kind": "unigram_pieces", "scores": "scores.bin"}


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        (SEQUENCE | {"max_length": 0}, "max_length"),
        (SEQUENCE | {"max_length": 10**6}, "max_length"),
        (SEQUENCE | {"padding": -1}, "padding"),
        (SEQUENCE | {"unknown": 2**31}, "unknown"),
        (PIECES | {"max_length": 2}, "max_length"),
        (PIECES | {"max_length": 2**62}, "max_length"),
        (PIECES | {"start": -1}, "start"),
        (PIECES | {"words": "../words.bin"}, "words"),
        (PIECES | {"words": "ngrams.bin"}, "uses a file twice"),
        (PIECES | {"scores": "scores.bin"}, "scores"),
        (PIECES | {"kind": "unigram_pieces"}, "scores"),
        (UNIGRAM | {"scores": "../scores.bin"}, "scores"),
        (UNIGRAM | {"scores": "words.bin"}, "uses a file twice"),
        (UNIGRAM, "words.bin is used but has no sha256"),
    ],
)
def test_refuses_an_invalid_sequence(model_folder: Path, spec: dict[str, Any], field: str) -> None:
    with_new_digests(set_field("input", spec))(model_folder)
    with pytest.raises(ModelError, match=f"{MANIFEST_FILE}: .*{field}"):
        Model.load(model_folder)


@pytest.mark.parametrize(
    "created", ["", "yesterday", "2026-11-28T03:18:14+00:00", "2026-11-29T03:18:14", "2026-11-29T03:18:14+01:00"]
)
def test_refuses_a_time_that_the_version_contradicts(model_folder: Path, created: str) -> None:
    set_field("created", created)(model_folder)
    with pytest.raises(ModelError, match=f"{MANIFEST_FILE}: created: .* is not a time of the day 20261129 in UTC"):
        Model.load(model_folder)


@pytest.mark.parametrize(
    "version", ["", "1", "20261129", "2026-11-29", "v" * 100_000, "20261129-ABCDEF01", "20261129-a7b63ab8\n"]
)
def test_refuses_a_version_of_another_form(model_folder: Path, version: str) -> None:
    set_field("version", version)(model_folder)
    with pytest.raises(ModelError, match=rf"{MANIFEST_FILE}: (.*`\$.version`|\d+ bytes)"):
        Model.load(model_folder)


def test_refuses_swapped_thresholds(model_folder: Path) -> None:
    thresholds = read_json(model_folder)["thresholds"]
    swapped = {"publish": thresholds["hold"], "hold": thresholds["publish"]}
    with_new_digests(set_field("thresholds", swapped))(model_folder)
    with pytest.raises(ModelError, match=rf"{MANIFEST_FILE}: .*`\$.thresholds"):
        Model.load(model_folder)


def test_refuses_inverted_verdicts(model_folder: Path) -> None:
    inverted = {name: -value for name, value in read_json(model_folder)["calibration"].items()}
    with_new_digests(set_field("calibration", inverted))(model_folder)
    with pytest.raises(ModelError, match=rf"{MANIFEST_FILE}: .*`\$.calibration.slope`"):
        Model.load(model_folder)


@pytest.mark.parametrize(
    "extra", ['"thresholds": {"publish": 0.5, "hold": 0.4999}', '"opset": 18', '"name": "tiny"', '"n\\u0061me": "tiny"']
)
def test_refuses_a_key_that_is_there_twice(model_folder: Path, extra: str) -> None:
    """Even with the same value: a reader that takes the first and one that takes the last must not differ."""
    (model_folder / MANIFEST_FILE).write_text(f"{json.dumps(read_json(model_folder))[:-1]}, {extra}}}")
    with pytest.raises(ModelError, match=f"{MANIFEST_FILE}: has (thresholds|opset|name) twice"):
        Model.load(model_folder)


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "1e999", "-1e999", "null", "01", "0x1"])
def test_refuses_what_is_no_number(model_folder: Path, literal: str) -> None:
    text = json.dumps(read_json(model_folder)).replace('"publish": 0.5', f'"publish": {literal}')
    (model_folder / MANIFEST_FILE).write_text(text)
    with pytest.raises(ModelError, match=MANIFEST_FILE):
        Model.load(model_folder)


@pytest.mark.parametrize(
    "content",
    [b"[" * 60_000, b'{"a":' * 10_000, b"\0", b"null", b"[]", b'"\xff"', b"{}{}"],
    ids=lambda content: str(content[:10]),
)
def test_refuses_what_is_no_manifest(model_folder: Path, content: bytes) -> None:
    (model_folder / MANIFEST_FILE).write_bytes(content)
    with pytest.raises(ModelError, match=MANIFEST_FILE):
        Model.load(model_folder)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
def test_refuses_another_encoding(model_folder: Path, encoding: str) -> None:
    (model_folder / MANIFEST_FILE).write_bytes(json.dumps(read_json(model_folder)).encode(encoding))
    with pytest.raises(ModelError, match=MANIFEST_FILE):
        Model.load(model_folder)


def add_a_file(folder: Path, name: str) -> None:
    described = read_json(folder)
    described["files"][name] = "0" * 64
    write_json(folder, described)


@pytest.mark.parametrize("name", ["..", "../secret", "/etc/passwd", "a/b", "a\\b", "", "a\0b", "x" * 99, "weights.bin"])
def test_refuses_a_file_that_nothing_may_use(model_folder: Path, name: str) -> None:
    with_new_digests(lambda folder: add_a_file(folder, name))(model_folder)
    with pytest.raises(ModelError, match=f"{MANIFEST_FILE}: .*files"):
        Model.load(model_folder)


def test_refuses_one_file_for_graph_and_vocabulary(model_folder: Path) -> None:
    with_new_digests(set_field("input.vocabulary", "model.onnx"))(model_folder)
    with pytest.raises(ModelError, match=f"{MANIFEST_FILE}: uses a file twice: model.onnx, model.onnx"):
        Model.load(model_folder)


# --- the graph and what it needs -------------------------------------------------------------------------------------


@pytest.mark.parametrize("location", ["weights.bin", "./weights.bin", "../tiny/weights.bin", ".", "", MEMORY])
def test_refuses_weights_in_another_file(model_folder: Path, location: str) -> None:
    with_new_digests(lambda folder: move_weights_out(folder, location))(model_folder)
    with pytest.raises(ModelError, match=r"model.onnx: .*(xternal|weight_table)"):
        Model.load(model_folder)


def test_refuses_hashes_that_are_read_at_twice_their_width(model_folder: Path) -> None:
    with_new_digests(set_field("input.bits", 64))(model_folder)
    with pytest.raises(ModelError, match=r"model.onnx: takes ids that ngrams.bin does not have"):
        Model.load(model_folder)


@pytest.mark.parametrize(("hashes", "fault"), [(-1, "takes ids that ngrams.bin does not have"), (1, "does not take")])
def test_refuses_a_vocabulary_of_another_size_than_the_graphs(model_folder: Path, hashes: int, fault: str) -> None:
    vocabulary = model_folder / "ngrams.bin"
    content = vocabulary.read_bytes()
    vocabulary.write_bytes(content[: 4 * hashes] if hashes < 0 else content + b"\xff\xff\xff\xff")
    stamp(model_folder)
    with pytest.raises(ModelError, match=f"model.onnx: {fault}"):
        Model.load(model_folder)


def test_refuses_texts_longer_than_the_graph_takes(tmp_path: Path) -> None:
    champion = shutil.copytree(ROOT / "models" / "champion", tmp_path / "champion")
    with_new_digests(set_field("input.max_length", 129))(champion)
    with pytest.raises(ModelError, match="model.onnx: does not take the input that the manifest describes"):
        Model.load(champion)


# --- the list of the released models ---------------------------------------------------------------------------------


def invert_the_weights(folder: Path) -> None:
    graph = (folder / "model.onnx").read_bytes()
    move_weights_out(folder)
    weights = (folder / "weights.bin").read_bytes()
    inverted = bytes(byte ^ 0x80 * (i % 2) for i, byte in enumerate(weights))  # the signs of float16
    assert graph.count(weights) == 1
    (folder / "model.onnx").write_bytes(graph.replace(weights, inverted))


def replace_an_ngram(folder: Path) -> None:
    hashes = bytearray((folder / "ngrams.bin").read_bytes())
    hashes[0] ^= 1  # they stay sorted
    (folder / "ngrams.bin").write_bytes(hashes)


def add_a_line(folder: Path) -> None:
    (folder / MANIFEST_FILE).write_bytes((folder / MANIFEST_FILE).read_bytes() + b"\n")


# Each gives a model that is complete, valid and another one than the released.
REBUILT: dict[str, Tampering] = {
    "publishes nearly nothing": set_field("thresholds.publish", 0.9999),
    "holds nothing": set_field("thresholds.hold", manifest.HOLD_NOTHING),
    "calls everything undecided": set_field("calibration.slope", 1e-6),
    "calls everything positive": set_field("calibration.intercept", 50),
    "drops function words": set_field("text.stop_words", True),
    "ignores pairs of words": set_field("input.longest", 1),
    "inverts its verdicts": invert_the_weights,
    "does not know a word": replace_an_ngram,
    "has a name that is not released": set_field("name", "other"),
    "has the name of another released model": set_field("name", "lite"),
    "boasts": set_field("metrics", {"test": {"n": 1, "dataset_sha256": "0" * 64, "values": {"accuracy": 1.0}}}),
    "hides drift": set_field("baseline", {"probability": [0.1] * 10, "unknown": 1.0}),
    "is of another time": set_field("created", "2026-11-29T03:18:15+00:00"),
}


@pytest.fixture
def released(model_folder: Path) -> dict[str, str]:
    """Return the list of a package that was built with the tiny model and another one."""
    return {"tiny": hashlib.sha256((model_folder / MANIFEST_FILE).read_bytes()).hexdigest(), "lite": "0" * 64}


def test_released_model_is_trusted(model_folder: Path, released: dict[str, str]) -> None:
    assert Model.load(model_folder, released).trusted
    assert not Model.load(model_folder).trusted


@pytest.mark.parametrize("how", REBUILT)
def test_refuses_a_rebuilt_model_that_is_not_in_the_list(
    model_folder: Path, released: dict[str, str], how: str
) -> None:
    with_new_digests(REBUILT[how])(model_folder)
    assert Model.load(model_folder).manifest  # nothing in the folder tells
    with pytest.raises(ModelError, match=f"{MANIFEST_FILE}: {MODEL_DIGESTS_FILE} does not list"):
        Model.load(model_folder, released)


def test_refuses_a_manifest_with_one_more_line_than_the_released(model_folder: Path, released: dict[str, str]) -> None:
    add_a_line(model_folder)
    with pytest.raises(ModelError, match=f"{MANIFEST_FILE}: {MODEL_DIGESTS_FILE} does not list"):
        Model.load(model_folder, released)


def test_list_trusts_a_model_by_name_and_digest(model_folder: Path, released: dict[str, str]) -> None:
    for digests in ({}, {"other": released["tiny"]}, {"tiny": released["lite"]}):
        with pytest.raises(ModelError, match=f"{MODEL_DIGESTS_FILE} does not list tiny"):
            Model.load(model_folder, digests)


@pytest.mark.parametrize("name", ["model.onnx", "ngrams.bin"])
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_refuses_a_damaged_file_of_a_released_model(
    model_folder: Path, released: dict[str, str], name: str, damage: Tampering
) -> None:
    damage(model_folder / name)
    with pytest.raises(ModelError, match=re.escape(name)):
        Model.load(model_folder, released)


def test_list_is_read_as_it_was_written(tmp_path: Path, released: dict[str, str]) -> None:
    write_model_digests(tmp_path, released)
    assert read_model_digests(tmp_path) == released


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"null",
        b'{"tiny": null}',
        b'{"tiny": "0"}',
        b'{"tiny": "%s\\n"}' % (b"0" * 64),
        b'{"tiny": "%s", "tiny": "%s"}' % (b"0" * 64, b"1" * 64),
        b" " * (MAX_JSON_BYTES + 1),
    ],
    ids=lambda content: str(content[:30]),
)
def test_refuses_an_invalid_list(tmp_path: Path, content: bytes) -> None:
    (tmp_path / MODEL_DIGESTS_FILE).write_bytes(content)
    with pytest.raises(ModelError, match=MODEL_DIGESTS_FILE):
        read_model_digests(tmp_path)


@pytest.mark.parametrize("damage", [Path.unlink, replace_by_a_folder, replace_by_a_device, replace_by_a_pipe])
def test_refuses_a_list_that_is_not_there(tmp_path: Path, damage: Tampering) -> None:
    write_model_digests(tmp_path, {})
    damage(tmp_path / MODEL_DIGESTS_FILE)
    with pytest.raises(ModelError, match=MODEL_DIGESTS_FILE):
        read_model_digests(tmp_path)


# --- registry.json ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "champion",
    [
        "../../evil",
        "..",
        ".",
        "",
        "/etc",
        "a/b",
        "a\\b",
        "a\0b",
        "tiny\n",
        "Tiny",
        "tiny.new",
        "x" * 42,
        "é",
        1,
        None,
        ["tiny"],
    ],
)
def test_refuses_a_champion_that_is_no_name(tmp_path: Path, champion: object) -> None:
    (tmp_path / "registry.json").write_text(json.dumps({"champion": champion}))
    with pytest.raises(ModelError, match=r"registry.json: .*`\$.champion`"):
        manifest.read_champion(tmp_path)


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b'{"champion": "tiny", "champion": "lite"}', b"[" * 60_000],
    ids=lambda content: str(content[:30]),
)
def test_refuses_an_invalid_registry(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "registry.json").write_bytes(content)
    with pytest.raises(ModelError, match=r"registry.json"):
        manifest.read_champion(tmp_path)


@pytest.mark.parametrize("damage", [Path.unlink, replace_by_a_folder, replace_by_a_device, replace_by_a_pipe])
def test_refuses_a_registry_that_is_no_file(tmp_path: Path, damage: Tampering) -> None:
    (tmp_path / "registry.json").write_text('{"champion": "tiny"}')
    damage(tmp_path / "registry.json")
    with pytest.raises(ModelError, match=r"registry.json"):
        manifest.read_champion(tmp_path)


def test_refuses_a_champion_that_is_a_link(model_folder: Path, tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    (models / "registry.json").write_text('{"champion": "tiny"}')
    (models / "tiny").symlink_to(model_folder)
    with pytest.raises(ModelError, match="tiny: is a link; the champion must lie in"):
        manifest.read_champion(models)
