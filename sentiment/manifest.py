"""The manifest of a model folder, `manifest.json`: written by training, verified before use.

Decoding checks every field against the bounds below. The version holds a digest of all fields that determine
predictions, and `files` the digests of the other files, so that no byte that determines a prediction can change alone.
"""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta

from .errors import ModelError
from .files import MAX_JSON_BYTES, file_sha256, parse_json, read_file
from .released import MODEL_DIGESTS_FILE, ModelDigests, Sha256
from .text import TextSpec

MANIFEST_FILE = "manifest.json"
REGISTRY_FILE = "registry.json"
BUCKETS = 10  # of P(positive), equally wide, in the baseline and in telemetry
MAX_NGRAM = 9  # tokens
MAX_TEXT_LENGTH = 4_096  # tokens that a sequence model reads
MAX_VOCABULARY_BYTES = 64 * 2**20  # eight million n-grams of 64 bits
MAX_GRAPH_BYTES = 2**31  # no ONNX file without external data is larger
PUBLISH_NOTHING, HOLD_NOTHING = 1.0001, -0.0001  # thresholds that no probability reaches

MODEL_NAME = "[a-z0-9][a-z0-9_-]{0,40}"  # it appears in paths, settings, receipts and telemetry
type ModelName = Annotated[str, Meta(pattern=rf"\A{MODEL_NAME}\Z")]
type FileName = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,80}\Z")]  # in the model's own folder
type GraphName = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,80}\.onnx\Z")]  # not onnxruntime's .ort
type Identifier = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_-]{1,64}\Z")]
type Version = Annotated[str, Meta(pattern=r"\A[0-9]{8}-[0-9a-f]{8}\Z")]
type TextLength = Annotated[int, Meta(ge=1, le=MAX_TEXT_LENGTH)]
type TokenId = Annotated[int, Meta(ge=0, le=2**31 - 1)]
type Share = Annotated[float, Meta(ge=0, le=1)]


class IdsCounts(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="ids_counts"):
    """The graph takes `ids` int32 [batch, n] and `counts` float32 [batch, n]; `ids` is padded with the vocabulary size.

    `vocabulary` names a file of sorted n-gram hashes, little-endian, `bits` wide. An id is the index of a hash.
    """

    vocabulary: FileName
    bits: Literal[32, 64]
    max_ngram: Annotated[int, Meta(ge=1, le=MAX_NGRAM)] = msgspec.field(name="longest")  # in tokens; the shortest has 1

    @property
    def files(self) -> tuple[str, ...]:
        return (self.vocabulary,)


class TokenIds(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="token_ids"):
    """The graph takes `token_ids` int32 [batch, n], padded with `padding`, and `lengths` int32 [batch].

    `vocabulary` names a UTF-8 text file; the token in line i, from 0, has id i. Texts are cut to `max_length` tokens.
    """

    vocabulary: FileName
    max_length: TextLength
    padding: TokenId = 0  # the id that fills up shorter texts
    unknown: TokenId = 1  # the id of every token that is not in the vocabulary

    @property
    def files(self) -> tuple[str, ...]:
        return (self.vocabulary,)


class WordPieces(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="word_pieces"):
    """Like `TokenIds`, but the lines of `vocabulary` are WordPieces, and a text stands between `start` and `end`.

    `words` names a file of sorted 32-bit hashes: the tokens of the training data. It tells which words are unknown.
    The vocabulary cannot, because its pieces spell almost any word.
    """

    vocabulary: FileName
    words: FileName
    max_length: Annotated[int, Meta(ge=3, le=MAX_TEXT_LENGTH)]
    padding: TokenId
    unknown: TokenId
    start: TokenId
    end: TokenId

    @property
    def files(self) -> tuple[str, ...]:
        return (self.vocabulary, self.words)

    @property
    def special_ids(self) -> tuple[int, int, int, int]:
        return self.padding, self.unknown, self.start, self.end


class UnigramPieces(WordPieces, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="unigram_pieces"):
    """Like `WordPieces`, but the pieces are those of a unigram model: see `unigram.Unigram`.

    `scores` names a file of float32, little-endian: the log-probability of each line of `vocabulary`.
    """

    scores: FileName

    @property
    def files(self) -> tuple[str, ...]:
        return (self.vocabulary, self.words, self.scores)


type Input = IdsCounts | TokenIds | WordPieces | UnigramPieces


class Calibration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """P(positive) = 1 / (1 + exp(-(slope·logit + intercept))): Platt scaling, fitted on validation data.

    Platt, "Probabilistic outputs for support vector machines", 1999.
    """

    slope: Annotated[float, Meta(ge=1e-6, le=1e6)] = 1.0
    intercept: Annotated[float, Meta(ge=-1e3, le=1e3)] = 0.0


class Thresholds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Values of P(positive) at which the decision changes, chosen on validation data. `hold` < 0.5 ≤ `publish`.

    They are probabilities, or PUBLISH_NOTHING and HOLD_NOTHING.
    """

    publish: Annotated[float, Meta(ge=0.5, le=PUBLISH_NOTHING)]  # at or above: publish
    hold: Annotated[float, Meta(ge=HOLD_NOTHING, lt=0.5)]  # at or below: hold

    def __post_init__(self) -> None:
        if not self.hold < 0.5 <= self.publish:
            raise ValueError("hold must be below 0.5, and publish at least 0.5")


class Baseline(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the validation texts looked to the model. Drift alerts compare live traffic with this."""

    probability: tuple[Share, ...]  # [BUCKETS]: share of texts in each bucket of P(positive)
    unknown_share: Share = msgspec.field(name="unknown")  # mean share of unknown tokens

    def __post_init__(self) -> None:
        if len(self.probability) != BUCKETS or abs(sum(self.probability) - 1) > 0.001:  # each share is rounded
            raise ValueError(f"probability must have {BUCKETS} shares that add up to 1")


class Metrics(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Metrics of the model on one data set."""

    n: Annotated[int, Meta(ge=0)]  # texts
    dataset_sha256: Sha256
    values: dict[str, float]


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that serving needs to know about a model, and where the model comes from."""

    name: ModelName
    version: Version  # the day, and a digest of everything that determines predictions
    family: Identifier
    text: TextSpec
    input: Input
    graph: GraphName  # the ONNX graph, whose output `logit` is float32 [batch]
    opset: Annotated[int, Meta(ge=1, le=99)]
    files: dict[FileName, Sha256]  # of the graph and the files of `input`
    calibration: Calibration
    thresholds: Thresholds
    metrics: dict[str, Metrics]
    baseline: Baseline | None = None  # None until the model was evaluated on validation data
    run_id: Identifier  # of the MLflow run
    created: str  # ISO 8601, UTC

    @property
    def release(self) -> str:
        """name@version, as in receipts and telemetry."""
        return f"{self.name}@{self.version}"


class Registry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`registry.json` beside the model folders: names the model to serve where the setting MODEL does not."""

    champion: ModelName


class VerifiedFolder(NamedTuple):
    """What a model folder holds, once every byte of it that determines a prediction is verified."""

    manifest: Manifest
    graph: Path
    vocabularies: Mapping[str, bytes]  # the content of each file of the manifest's `input`


def read_champion(models: Path) -> str:
    """Return the name of the model to serve. Raises ModelError unless `registry.json` names a folder beside it."""
    path = models / REGISTRY_FILE
    name = parse_json(path, read_file(path, MAX_JSON_BYTES), Registry).champion
    if (models / name).is_symlink():
        raise ModelError(f"{models / name}: is a link; the champion must lie in {models}")
    return name


def read_manifest(folder: Path, released: ModelDigests | None = None) -> Manifest:
    """Return the manifest of a model folder, verified, but not the files that it names.

    In a package, `released` lists the models that it was built with. Raises ModelError if the manifest is missing or
    invalid, was changed after it was written, or is not that of a released model.
    """
    path = folder / MANIFEST_FILE
    content = read_file(path, MAX_JSON_BYTES)
    manifest = parse_json(path, content, Manifest)
    if fault := _find_fault(manifest, content):
        raise ModelError(f"{path}: {fault}")
    if released is not None and released.get(manifest.name) != (sha256 := hashlib.sha256(content).hexdigest()):
        raise ModelError(f"{path}: {MODEL_DIGESTS_FILE} does not list {manifest.name} with the sha256 {sha256}")
    return manifest


def read_verified_folder(folder: Path, released: ModelDigests | None = None) -> VerifiedFolder:
    """Return what a model folder holds after verifying its manifest, and each file by its SHA-256.

    Raises ModelError, which names the file, if the manifest or a file is missing or invalid.
    """
    manifest = read_manifest(folder, released)
    graph = folder / manifest.graph
    _compare(graph, file_sha256(graph, MAX_GRAPH_BYTES), manifest)
    vocabularies = {name: read_file(folder / name, MAX_VOCABULARY_BYTES) for name in manifest.input.files}
    for name, content in vocabularies.items():
        _compare(folder / name, hashlib.sha256(content).hexdigest(), manifest)
    return VerifiedFolder(manifest, graph, vocabularies)


def stamp_version(manifest: Manifest) -> Manifest:
    """Return the manifest as it is written now, with its version."""
    now, digest = datetime.now(UTC), _content_digest(msgspec.json.encode(manifest))
    return msgspec.structs.replace(
        manifest, version=f"{now:%Y%m%d}-{digest}", created=now.isoformat(timespec="seconds")
    )


def _content_digest(manifest: bytes) -> str:
    """Return 8 hex digits of a SHA-256 over everything in a manifest that determines predictions.

    It is computed from the file, not from `Manifest`: a field that is added later must not change old digests.
    """
    content: dict[str, Any] = msgspec.json.decode(manifest)
    content |= {"version": "", "created": "", "metrics": {}, "baseline": None}
    return hashlib.sha256(msgspec.json.encode(content)).hexdigest()[:8]


def _find_fault(manifest: Manifest, content: bytes) -> str | None:
    """Return what is wrong with a manifest whose fields are valid one by one."""
    used = [manifest.graph, *manifest.input.files]
    if len(set(used)) < len(used):
        return f"uses a file twice: {', '.join(used)}"
    for name in used:
        if name not in manifest.files:
            return f"{name} is used but has no sha256 in files"
    if unused := sorted(set(manifest.files) - set(used)):
        return f"files: nothing uses {', '.join(unused)}"
    day, _, digest = manifest.version.partition("-")
    if not _is_utc_time(manifest.created, day):
        return f"created: {manifest.created[:40]!r} is not a time of the day {day} in UTC, as the version says"
    if digest != (actual := _content_digest(content)):
        return f"was changed after it was written: version ends in {digest}, but the content has the digest {actual}"
    return None


def _is_utc_time(created: str, day: str) -> bool:
    try:
        time = datetime.fromisoformat(created)
    except ValueError:
        return False
    return time.utcoffset() == timedelta(0) and f"{time:%Y%m%d}" == day


def _compare(path: Path, sha256: str, manifest: Manifest) -> None:
    if sha256 != (expected := manifest.files[path.name]):
        raise ModelError(f"{path}: sha256 is {sha256}, the manifest says {expected}")
