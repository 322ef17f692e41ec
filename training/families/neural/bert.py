"""BERT (Devlin et al., 2019) in Keras, with a linear head, and its pretrained weights.

The names of the layers are the names of the weights in trained models that exist: they cannot change.
"""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import keras
import msgspec
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray
from safetensors.numpy import load_file

from training.data.errors import refuse_damaged
from training.onnx_export.bert import POSITION_EMBEDDINGS, WORD_EMBEDDINGS, BertConfig

PRETRAINED_FILES = ("config.json", "model.safetensors", "vocab.txt")
SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")

type Array = NDArray[Any]


class BertEmbedding(layers.Layer):  # type: ignore[misc]
    """Ids [batch, n] -> the sum of WordPiece and position embeddings, [batch, n, d]."""

    def __init__(self, config: BertConfig, **options: Any) -> None:
        super().__init__(**options)
        self.word = layers.Embedding(config.vocab_size, config.hidden_size, name="word")
        self.position = layers.Embedding(config.max_position_embeddings, config.hidden_size, name="place")

    def call(self, ids: Any) -> Any:
        return self.word(ids) + self.position(ops.arange(ops.shape(ids)[1]))


class SelfAttention(layers.Layer):  # type: ignore[misc]
    """Multi-head self-attention over [batch, n, d]. `mask` [batch, 1, 1, n] is added to the attention scores."""

    def __init__(self, config: BertConfig, **options: Any) -> None:
        super().__init__(**options)
        d = config.hidden_size
        self.heads, self.head_size = config.num_attention_heads, d // config.num_attention_heads
        # Three layers, not one that is sliced: the gradient of a slice is a copy of the whole.
        self.query, self.key, self.value = (layers.Dense(d, name=name) for name in ("query", "key", "value"))
        self.output_dense = layers.Dense(d, name="output")

    def call(self, x: Any, mask: Any) -> Any:
        query, key, value = (self._split_heads(dense(x)) for dense in (self.query, self.key, self.value))
        scores = ops.matmul(query, ops.transpose(key, (0, 1, 3, 2))) * self.head_size**-0.5 + mask
        context = ops.transpose(ops.matmul(ops.softmax(scores), value), (0, 2, 1, 3))
        return self.output_dense(ops.reshape(context, (-1, ops.shape(x)[1], self.heads * self.head_size)))

    def _split_heads(self, x: Any) -> Any:
        """[batch, n, d] -> [batch, heads, n, head size]."""
        return ops.transpose(ops.reshape(x, (-1, ops.shape(x)[1], self.heads, self.head_size)), (0, 2, 1, 3))


class BertLayer(layers.Layer):  # type: ignore[misc]
    """Self-attention and a feed-forward network, each with a residual connection and a LayerNorm after it."""

    def __init__(self, config: BertConfig, **options: Any) -> None:
        super().__init__(**options)
        self.attention = SelfAttention(config, name="attention")
        self.attention_norm = layers.LayerNormalization(epsilon=config.layer_norm_eps, name="after_attention")
        self.intermediate = layers.Dense(config.intermediate_size, name="wide")
        self.output_dense = layers.Dense(config.hidden_size, name="narrow")
        self.output_norm = layers.LayerNormalization(epsilon=config.layer_norm_eps, name="after")

    def call(self, x: Any, mask: Any) -> Any:
        x = self.attention_norm(x + self.attention(x, mask))
        # The tanh approximation of GELU: within 1e-3 of the exact one, and a quarter faster to train.
        return self.output_norm(x + self.output_dense(ops.gelu(self.intermediate(x), approximate=True)))


class BertClassifier(keras.Model):  # type: ignore[misc]
    """Ids int32 [batch, n], padded with 0 -> logits [batch, 1]: a linear head on the vectors of `pool`."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__(name="encoder")
        self.embedding = BertEmbedding(config, name="embedding")
        self.norm = layers.LayerNormalization(epsilon=config.layer_norm_eps, name="norm")
        self.blocks = [BertLayer(config, name=f"block{i}") for i in range(config.num_hidden_layers)]
        self.head = layers.Dense(1, dtype="float32", name="head")

    def call(self, ids: Any) -> Any:
        return self.head(self.pool(ids))

    def pool(self, ids: Any) -> Any:
        """Return the mean of the last layer over each text, float32 [batch, d]."""
        mask = ops.cast(ops.not_equal(ids, 0), "float32")
        attention_mask = ops.cast((mask[:, None, None, :] - 1) * 1e4, self.compute_dtype)
        x = self.norm(self.embedding(ids))
        for block in self.blocks:
            x = block(x, attention_mask)
        total = ops.sum(ops.cast(x, "float32") * mask[:, :, None], 1)
        return total / ops.maximum(ops.sum(mask, 1, keepdims=True), 1.0)

    def freeze_encoder(self) -> None:
        """Train the head alone."""
        for layer in (self.embedding, self.norm, *self.blocks):
            layer.trainable = False


def build_model(config: BertConfig, weights: Mapping[str, Array]) -> BertClassifier:
    """Return a model with `weights` by name. What they lack, such as a head, keeps its initial values."""
    model = BertClassifier(config)
    model(np.zeros((1, 3), np.int32))  # creates the variables
    variables = variables_by_name(model)
    for name, value in weights.items():
        variables[name].assign(value)
    return model


def variables_by_name(model: BertClassifier) -> dict[str, keras.Variable]:
    """Return the variables by their path inside the model, such as block0/attention/query/kernel."""
    return {variable.path.removeprefix("encoder/"): variable for variable in model.variables}


class Checkpoint(NamedTuple):
    """A pretrained BERT."""

    config: BertConfig
    vocabulary: bytes  # a piece a line
    weights: Mapping[str, Array]  # by the names of `variables_by_name`
    scores: NDArray[np.float32] | None = None  # the log-probability of each piece of a unigram model; else WordPieces


def load_pretrained(encoder: str) -> Checkpoint:
    """Load a folder or a package with config.json, vocab.txt and model.safetensors. Raises SystemExit."""
    folder, advice = pretrained_folder(encoder), "encoder must be a BERT of Hugging Face"
    config_file, weights_file, vocabulary_file = (folder / name for name in PRETRAINED_FILES)
    with refuse_damaged(config_file, advice):
        try:
            config = msgspec.json.decode(config_file.read_bytes(), type=BertConfig)
        except msgspec.ValidationError as error:
            raise SystemExit(f"encoder={encoder}: not a BERT that can be trained here: {error}") from error
    with refuse_damaged(weights_file, f"{advice} whose weights fit its config.json"):
        weights = from_huggingface(load_file(weights_file), config.num_hidden_layers)
        build_model(config, weights)
    with refuse_damaged(vocabulary_file, f"{advice} with a line for each of its {config.vocab_size:,} WordPieces"):
        vocabulary = vocabulary_file.read_bytes()
        check_vocabulary(vocabulary.decode().removesuffix("\n").split("\n"), config.vocab_size)
    return Checkpoint(config, vocabulary, weights)


def check_vocabulary(pieces: Sequence[str], size: int) -> None:
    """Raise ValueError unless there are `size` WordPieces, SPECIAL_TOKENS among them."""
    if len(pieces) != size:
        raise ValueError(f"it has {len(pieces):,} lines")
    if missing := set(SPECIAL_TOKENS) - set(pieces):
        raise ValueError(f"it lacks {', '.join(sorted(missing))}")


def pretrained_folder(encoder: str) -> Path:
    """Return `encoder` if it is a folder, else that of the weights in the package of that name. Raises SystemExit."""
    if (folder := Path(encoder)).is_dir():
        return folder
    spec = find_spec(encoder) if encoder.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"encoder={encoder}: neither a folder nor an installed package")
    package = Path(spec.submodule_search_locations[0])
    return model if (model := package / "model").is_dir() else package


def from_huggingface(weights: Mapping[str, Array], num_hidden_layers: int) -> dict[str, Array]:
    """Rename the weights of a Hugging Face BERT to the variables of `BertClassifier`, all but the head's."""
    renamed: dict[str, Array] = {}

    def dense(name: str, source: str) -> None:
        renamed[f"{name}/kernel"], renamed[f"{name}/bias"] = weights[f"{source}.weight"].T, weights[f"{source}.bias"]

    def norm(name: str, source: str) -> None:
        renamed[f"{name}/gamma"], renamed[f"{name}/beta"] = weights[f"{source}.weight"], weights[f"{source}.bias"]

    renamed[WORD_EMBEDDINGS] = weights["embeddings.word_embeddings.weight"]
    token_type = weights["embeddings.token_type_embeddings.weight"][0]  # a tweet is always the first segment
    renamed[POSITION_EMBEDDINGS] = weights["embeddings.position_embeddings.weight"] + token_type
    norm("norm", "embeddings.LayerNorm")
    for i in range(num_hidden_layers):
        block, layer = f"block{i}", f"encoder.layer.{i}"
        for part in ("query", "key", "value"):
            dense(f"{block}/attention/{part}", f"{layer}.attention.self.{part}")
        dense(f"{block}/attention/output", f"{layer}.attention.output.dense")
        norm(f"{block}/after_attention", f"{layer}.attention.output.LayerNorm")
        dense(f"{block}/wide", f"{layer}.intermediate.dense")
        dense(f"{block}/narrow", f"{layer}.output.dense")
        norm(f"{block}/after", f"{layer}.output.LayerNorm")
    return renamed
