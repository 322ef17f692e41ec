"""The manifest of a model folder, `manifest.json`: written by training, verified by hash before use."""

import hashlib
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from .errors import ModelError
from .text import TextSpec

MANIFEST_FILE = "manifest.json"
BUCKETS = 10  # of P(positive), equally wide, in the baseline and in telemetry


class IdsCounts(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="ids_counts"):
    """The graph takes `ids` int32 [batch, n] and `counts` float32 [batch, n]; `ids` is padded with the vocabulary size.

    `vocabulary` names a file of sorted n-gram hashes, little-endian, `bits` wide. An id is the index of a hash.
    """

    vocabulary: str
    bits: Literal[32, 64]
    max_ngram: Annotated[int, msgspec.Meta(ge=1)] = msgspec.field(name="longest")  # n-grams have 1 … max_ngram tokens

    @property
    def files(self) -> tuple[str, ...]:
        return (self.vocabulary,)


class TokenIds(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="token_ids"):
    """The graph takes `token_ids` int32 [batch, n], padded with `padding`, and `lengths` int32 [batch].

    `vocabulary` names a UTF-8 text file; the token in line i, from 0, has id i. Texts are cut to `max_length` tokens.
    """

    vocabulary: str
    max_length: int
    padding: int = 0  # the id that fills up shorter texts
    unknown: int = 1  # the id of every token that is not in the vocabulary

    @property
    def files(self) -> tuple[str, ...]:
        return (self.vocabulary,)


class WordPieces(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="word_pieces"):
    """Like `TokenIds`, but the lines of `vocabulary` are WordPieces, and a text stands between `start` and `end`.

    `words` names a file of sorted 32-bit hashes: the tokens of the training data. It tells which words are unknown.
    The vocabulary cannot, because its pieces spell almost any word.
    """

    vocabulary: str
    words: str
    max_length: Annotated[int, msgspec.Meta(ge=3)]
    padding: int
    unknown: int
    start: int
    end: int

    @property
    def files(self) -> tuple[str, ...]:
        return (self.vocabulary, self.words)

    @property
    def special_ids(self) -> tuple[int, int, int, int]:
        return self.padding, self.unknown, self.start, self.end


type Input = IdsCounts | TokenIds | WordPieces


class Calibration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """P(positive) = 1 / (1 + exp(-(slope·logit + intercept))): Platt scaling, fitted on validation data.

    Platt, "Probabilistic outputs for support vector machines", 1999.
    """

    slope: float = 1.0
    intercept: float = 0.0


class Thresholds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Values of P(positive) at which the decision changes, chosen on validation data. `hold` < 0.5 ≤ `publish`."""

    publish: float  # at or above: publish
    hold: float  # at or below: hold

    def __post_init__(self) -> None:
        if not self.hold < 0.5 <= self.publish:
            raise ValueError("hold must be below 0.5, and publish at least 0.5")


class Baseline(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the validation texts looked to the model. Drift alerts compare live traffic with this."""

    probability: tuple[float, ...]  # [BUCKETS]: share of texts in each bucket of P(positive)
    unknown_share: float = msgspec.field(name="unknown")  # mean share of unknown tokens

    def __post_init__(self) -> None:
        if len(self.probability) != BUCKETS:
            raise ValueError(f"probability must have {BUCKETS} shares")


class Metrics(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Metrics of the model on one data set."""

    n: int  # texts
    dataset_sha256: str
    values: dict[str, float]


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that serving needs to know about a model, and where the model comes from."""

    name: str
    version: str
    family: str
    text: TextSpec
    input: Input
    graph: str  # file name of the ONNX graph, whose output `logit` is float32 [batch]
    opset: int
    files: dict[str, str]  # file name -> sha256, hexadecimal
    calibration: Calibration
    thresholds: Thresholds
    metrics: dict[str, Metrics]
    baseline: Baseline | None = None  # None until the model was evaluated on validation data
    run_id: str  # of the MLflow run
    created: str  # ISO 8601, UTC

    @property
    def release(self) -> str:
        """name@version, as in receipts and telemetry."""
        return f"{self.name}@{self.version}"

    def __post_init__(self) -> None:
        if paths := [name for name in self.files if Path(name).name != name]:
            raise ValueError(f"files must be names within the folder, not {paths}")


class Registry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`registry.json` beside the model folders: names the model to serve where the setting MODEL does not."""

    champion: str


def read_champion(models: Path) -> str:
    """Return the name of the model to serve. Raises ModelError if `registry.json` is missing or invalid."""
    path = models / "registry.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=Registry).champion
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ModelError(f"{path}: {error}") from error


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a model folder without verifying the other files.

    Raises ModelError if it is missing or invalid.
    """
    try:
        return msgspec.json.decode((folder / MANIFEST_FILE).read_bytes(), type=Manifest)
    except OSError as error:
        raise ModelError(f"{folder / MANIFEST_FILE}: {error.strerror}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ModelError(f"{folder / MANIFEST_FILE}: {error}") from error


def load_verified_manifest(folder: Path) -> Manifest:
    """Return the manifest of a model folder after verifying the SHA-256 of every file that it names.

    Raises ModelError, which names the file, if the manifest or a file is missing or invalid.
    """
    manifest = read_manifest(folder)
    for name, sha256 in manifest.files.items():
        _verify(folder / name, sha256)
    for name in (manifest.graph, *manifest.input.files):
        if name not in manifest.files:
            raise ModelError(f"{folder / MANIFEST_FILE}: {name} is used but has no sha256 in files")
    return manifest


def _verify(path: Path, sha256: str) -> None:
    try:
        with path.open("rb", buffering=0) as file:
            actual = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}") from error
    if actual != sha256:
        raise ModelError(f"{path}: sha256 is {actual}, the manifest says {sha256}")
