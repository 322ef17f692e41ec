"""The graph of a BERT classifier, in fused operators of onnxruntime.

tf2onnx would write hundreds of small operators instead; onnxruntime has one for attention.
"""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from .graph_builder import CONTRIB, GraphBuilder
from .quantize import quantize_int8

# Weights that share a scale: as fast as 128, with a fifth less error; 32 takes a fifth more time.
BLOCK_SIZE = 64

WORD_EMBEDDINGS, POSITION_EMBEDDINGS = "embedding/word/embeddings", "embedding/place/embeddings"  # names of weights


class BertConfig(msgspec.Struct, frozen=True):
    """The `config.json` of a Hugging Face BERT: the fields that are used here."""

    hidden_size: int
    intermediate_size: int
    num_attention_heads: int
    num_hidden_layers: int
    vocab_size: int
    max_position_embeddings: int
    layer_norm_eps: float = 1e-12
    hidden_act: Literal["gelu"] = "gelu"
    model_type: Literal["bert"] = "bert"


def bert_graph(config: BertConfig, weights: Mapping[str, NDArray[Any]], *, compact: bool) -> onnx.ModelProto:
    """Return the graph `token_ids` int32 [batch, n], `lengths` int32 [batch] -> `logit` float32 [batch].

    `weights` have the variable names of the Keras model in `training.families.neural.bert`. Compact: int8 weights, with
    a scale for every row of the embedding and for every BLOCK_SIZE weights of a dense layer's column.
    """
    return _BertGraph(config, weights, compact).build()


class _BertGraph:
    def __init__(self, config: BertConfig, weights: Mapping[str, NDArray[Any]], compact: bool) -> None:
        self.config, self.weights, self.compact = config, weights, compact
        self.graph = GraphBuilder()
        self.constant, self.node = self.graph.constant, self.graph.node

    def build(self) -> onnx.ModelProto:
        n = self.node("Shape", "token_ids", output="width", start=1, end=2)
        x = self.norm("LayerNormalization", self.embedding(n), name="norm")
        for i in range(self.config.num_hidden_layers):
            x = self.block(x, f"block{i}")
        self.head(x, n)
        token_ids = helper.make_tensor_value_info("token_ids", TensorProto.INT32, ("batch", "n"))
        lengths = helper.make_tensor_value_info("lengths", TensorProto.INT32, ("batch",))
        return self.graph.model("encoder", token_ids, lengths)

    def embedding(self, n: str) -> str:
        """Add WordPiece and position embeddings: [batch, n, d]."""
        table = self.constant("places", self.weights[POSITION_EMBEDDINGS])
        position = self.node("Slice", table, self.constant("first", np.array([0])), n, output="place")
        return self.node("Add", self.word_embedding(), position, output="embedded")

    def word_embedding(self) -> str:
        """Look the WordPieces up: [batch, n, d]."""
        constant, node = self.constant, self.node
        table = self.weights[WORD_EMBEDDINGS]
        if not self.compact:
            return node("Gather", constant("words", table), "token_ids", output="word")
        rounded, scale = quantize_int8(table, axis=1)
        gathered = node("Gather", constant("words", rounded), "token_ids", output="rounded")
        scales = node("Gather", constant("scales", scale), "token_ids", output="scale")
        return node("Mul", node("Cast", gathered, output="cast", to=TensorProto.FLOAT), scales, output="word")

    def block(self, x: str, name: str) -> str:
        """Apply one layer of the encoder: [batch, n, d] -> [batch, n, d]."""
        attention = f"{name}/attention"
        qkv = self.graph.split(self.project(x, *(f"{attention}/{part}" for part in ("query", "key", "value"))), 3)
        mixed = self.node(
            "MultiHeadAttention",
            *(*qkv, "", "lengths"),
            output=f"{attention}/mixed",
            domain=CONTRIB,
            num_heads=self.config.num_attention_heads,
        )
        attended = self.project(mixed, f"{attention}/output")
        x = self.norm("SkipLayerNormalization", attended, x, name=f"{name}/after_attention", domain=CONTRIB)
        intermediate = self.node("FastGelu", self.project(x, f"{name}/wide"), output=f"{name}/gelu", domain=CONTRIB)
        output = self.project(intermediate, f"{name}/narrow")
        return self.norm("SkipLayerNormalization", output, x, name=f"{name}/after", domain=CONTRIB)

    def norm(self, operator: str, *inputs: str, name: str, **attributes: Any) -> str:
        parameters = (self.constant(f"{name}/{part}", self.weights[f"{name}/{part}"]) for part in ("gamma", "beta"))
        return self.node(operator, *inputs, *parameters, output=name, epsilon=self.config.layer_norm_eps, **attributes)

    def project(self, x: str, *names: str) -> str:
        """Apply the dense layers `names` to `x` [batch, n, d] and concatenate what they return."""
        name = names[0]
        kernel = np.concatenate([self.weights[f"{each}/kernel"] for each in names], -1)
        bias = np.concatenate([self.weights[f"{each}/bias"] for each in names], -1)
        if self.compact:
            product = self.matmul_int8(x, name, kernel)
        else:
            product = self.node("MatMul", x, self.constant(f"{name}/kernel", kernel), output=f"{name}/product")
        return self.node("Add", product, self.constant(f"{name}/bias", bias), output=name)

    def matmul_int8(self, x: str, name: str, kernel: NDArray[np.float32]) -> str:
        """Multiply `x` [batch, n, d] by `kernel` [d, e] in int8.

        Weights have a scale for every BLOCK_SIZE of a column, activations one for every text and position.
        DynamicQuantizeMatMul has a single one for the whole batch: it takes two thirds of the time, but has ten times
        the error, and a text changes the scores of its neighbours.
        """
        padded = np.pad(kernel.T, ((0, 0), (0, -len(kernel) % BLOCK_SIZE)))
        rounded, scale = quantize_int8(padded.reshape(kernel.shape[1], -1, BLOCK_SIZE), axis=2)
        return self.node(
            "MatMulNBits",
            x,
            self.constant(f"{name}/kernel", (rounded.astype(np.int16) + 128).astype(np.uint8)),
            self.constant(f"{name}/scale", scale.ravel()),
            output=f"{name}/product",
            domain=CONTRIB,
            K=kernel.shape[0],
            N=kernel.shape[1],
            bits=8,
            block_size=BLOCK_SIZE,
            accuracy_level=4,  # multiply in int8
        )

    def head(self, x: str, n: str) -> None:
        """Apply a dense layer to the mean of `x` [batch, n, d] over each text: `logit` [batch]."""
        constant, node = self.constant, self.node
        zero, one, last = (constant(name, np.array(value)) for name, value in (("zero", 0), ("one", 1), ("last", [1])))
        scalar = node("Squeeze", n, output="scalar_width")
        positions = node(
            "Cast", node("Range", zero, scalar, one, output="range"), output="numbers", to=TensorProto.INT32
        )
        column = node("Unsqueeze", "lengths", last, output="column")
        is_inside = node("Less", positions, column, output="is_inside")
        mask = node("Cast", is_inside, output="inside", to=TensorProto.FLOAT)
        scores = node("MatMul", x, constant("head", self.weights["head/kernel"]), output="scores")
        flat = node("Squeeze", scores, constant("depth", np.array([2])), output="flat")
        total = node("ReduceSum", node("Mul", flat, mask, output="kept"), last, output="total", keepdims=0)
        mean = node("Div", total, node("Cast", "lengths", output="n", to=TensorProto.FLOAT), output="mean")
        node("Add", mean, constant("bias", self.weights["head/bias"]), output="logit")
