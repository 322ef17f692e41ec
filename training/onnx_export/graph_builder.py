"""ONNX graphs written by hand where a converter would be inexact, slow, or would need a dense row per text.

skl2onnx's own TF-IDF tokenises inside the graph, differently from Python, and computes sublinear counts wrongly; a
linear model over ids and counts is a Gather and a sum. tf2onnx would spell an encoder out in hundreds of small
operators; onnxruntime has one for attention.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, ValueInfoProto, compose, helper, numpy_helper, parser
from skl2onnx import to_onnx
from sklearn.ensemble import RandomForestClassifier

if TYPE_CHECKING:
    from training.families.neural.transformer import Shape

OPSET = 18
IR_VERSION = 9
BLOCK = 64  # weights that share a scale: as fast as 128, a fifth less error; 32 takes a fifth more time
CONTRIB = "com.microsoft"  # onnxruntime's own operators; every build for a CPU has them

type Weights = Literal["float32", "float16"]


class Graph:
    """A graph that is being written, node by node."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def constant(self, name: str, value: NDArray[Any] | np.generic) -> str:
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(self, operator: str, *inputs: str, output: str, domain: str = "", **attributes: Any) -> str:
        self._nodes.append(helper.make_node(operator, inputs, [output], domain=domain, **attributes))
        return output

    def split(self, x: str, parts: int) -> list[str]:
        """`x` cut into equal parts along its last axis."""
        outputs = [f"{x}/{i}" for i in range(parts)]
        self._nodes.append(helper.make_node("Split", [x], outputs, axis=-1, num_outputs=parts))
        return outputs

    def model(self, name: str, *inputs: ValueInfoProto) -> onnx.ModelProto:
        """The model; its last node gave `logit` [batch]. Raises onnx.checker.ValidationError."""
        output = helper.make_tensor_value_info("logit", TensorProto.FLOAT, ["batch"])
        graph = helper.make_graph(self._nodes, name, inputs, [output], self._constants)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(CONTRIB, 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
        onnx.checker.check_model(model)
        return model


def _input(name: str, kind: int, *shape: str) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def linear(
    idf: NDArray[np.float64] | None, weight: NDArray[np.float64], intercept: float, weights: Weights
) -> onnx.ModelProto:
    """`ids` int32 [batch, n], `counts` float32 [batch, n] -> `logit` float32 [batch].

    The logit of a linear model on sublinear, l2-normalised TF-IDF, or on the counts themselves where `idf` is None;
    `idf` and `weight` [vocabulary]. The id after the last is padding: its idf and weight are 0. A text without a known
    n-gram has the intercept for logit.
    """
    graph = Graph()
    constant, node = graph.constant, graph.node

    def table(name: str, values: NDArray[np.float64]) -> str:
        """The values of the ids, [batch, n] float32."""
        gathered = node("Gather", constant(f"{name}_table", np.append(values, 0.0).astype(weights)), "ids", output=name)
        if weights == "float32":
            return gathered
        return node("Cast", gathered, output=f"{name}_float32", to=TensorProto.FLOAT)

    axis = constant("axis", np.array([1]))
    if idf is None:
        product = node("Mul", "counts", table("weight", weight), output="product")
        score = node("ReduceSum", product, axis, output="score", keepdims=0)
    else:
        one = constant("one", np.float32(1))
        at_least_one = node("Max", "counts", one, output="at_least_one")  # log of padding's 0 would be -inf
        sublinear = node("Add", node("Log", at_least_one, output="log"), one, output="sublinear")
        tfidf = node("Mul", sublinear, table("idf", idf), output="tfidf")
        norm = node("ReduceL2", tfidf, axis, output="norm", keepdims=0)
        positive = node("Max", norm, constant("tiny", np.float32(1e-12)), output="positive")
        product = node("Mul", tfidf, table("weight", weight), output="product")
        total = node("ReduceSum", product, axis, output="total", keepdims=0)
        score = node("Div", total, positive, output="score")
    node("Add", score, constant("intercept", np.float32(intercept)), output="logit")
    ids, counts = (_input("ids", TensorProto.INT32, "batch", "n"), _input("counts", TensorProto.FLOAT, "batch", "n"))
    return graph.model("linear", ids, counts)


def forest(classifier: RandomForestClassifier, edge: float) -> onnx.ModelProto:
    """`ids`, `counts` as in `linear` -> `logit` float32 [batch], the log-odds of a probability of edge … 1 - edge.

    The counts are scattered into the dense row that skl2onnx's trees take.
    """
    width = classifier.n_features_in_
    row = np.zeros((1, width), np.float32)
    trees = to_onnx(classifier, row, options={"zipmap": False}, target_opset={"": OPSET, "ai.onnx.ml": 3})
    front = parser.parse_model(f"""
        <ir_version: {IR_VERSION}, opset_import: ["" : {OPSET}, "ai.onnx.ml" : 3]>
        front (int32[batch, n] ids, float[batch, n] counts) => (float[batch, {width}] dense) {{
            batch_size = Shape <start = 0, end = 1> (ids)
            width_and_padding = Constant <value_ints = [{width + 1}]> ()
            shape = Concat <axis = 0> (batch_size, width_and_padding)
            empty = ConstantOfShape (shape)
            wide_ids = Cast <to = {TensorProto.INT64}> (ids)
            filled = ScatterElements <axis = 1, reduction = "add"> (empty, wide_ids, counts)
            start = Constant <value_ints = [0]> ()
            end = Constant <value_ints = [{width}]> ()
            axis = Constant <value_ints = [1]> ()
            dense = Slice (filled, start, end, axis)
        }}""")
    back = parser.parse_model(f"""
        <ir_version: {IR_VERSION}, opset_import: ["" : {OPSET}, "ai.onnx.ml" : 3]>
        back (float[batch, 2] probability) => (float[batch] logit) {{
            one = Constant <value_int = 1> ()
            positive = Gather <axis = 1> (probability, one)
            low = Constant <value_float = {edge:.9f}> ()
            high = Constant <value_float = {1 - edge:.9f}> ()
            inside = Clip (positive, low, high)
            whole = Constant <value_float = 1.0> ()
            rest = Sub (whole, inside)
            odds = Div (inside, rest)
            logit = Log (odds)
        }}""")
    trees.ir_version = IR_VERSION
    del trees.opset_import[:]  # the converter names a domain twice
    trees.opset_import.extend(front.opset_import)
    trees = compose.add_prefix(trees, "trees_")
    with_front = compose.merge_models(front, trees, io_map=[("dense", "trees_X")], outputs=["trees_probabilities"])
    return compose.merge_models(with_front, back, io_map=[("trees_probabilities", "probability")])


def encoder(shape: "Shape", weights: Mapping[str, NDArray[Any]], *, compact: bool) -> onnx.ModelProto:
    """`token_ids` int32 [batch, n], `lengths` int32 [batch] -> `logit` float32 [batch].

    `weights` by the names of `families.transformer`. Compact: int8 weights, a scale for every row of the embedding and
    every BLOCK of a column of a projection.
    """
    graph = Graph()
    constant, node = graph.constant, graph.node

    def norm(operator: str, *of: str, name: str, **attributes: Any) -> str:
        gamma, beta = (constant(f"{name}/{part}", weights[f"{name}/{part}"]) for part in ("gamma", "beta"))
        return node(operator, *of, gamma, beta, output=name, epsilon=shape.layer_norm_eps, **attributes)

    def project(x: str, *names: str) -> str:
        """`x` through the layers `names`, side by side."""
        kernel, bias = (np.concatenate([weights[f"{n}/{part}"] for n in names], -1) for part in ("kernel", "bias"))
        return _project(graph, x, names[0], kernel, bias, compact)

    width = node("Shape", "token_ids", output="width", start=1, end=2)
    table = constant("places", weights["embedding/place/embeddings"])
    place = node("Slice", table, constant("first", np.array([0])), width, output="place")
    embedded = node("Add", _embedded(graph, weights["embedding/word/embeddings"], compact), place, output="embedded")
    x = norm("LayerNormalization", embedded, name="norm")
    for block in (f"block{i}" for i in range(shape.num_hidden_layers)):
        attention = f"{block}/attention"
        three = project(x, *(f"{attention}/{part}" for part in ("query", "key", "value")))
        parts = graph.split(three, 3)
        mixed = node(
            "MultiHeadAttention",
            *(*parts, "", "lengths"),
            output=f"{attention}/mixed",
            domain=CONTRIB,
            num_heads=shape.num_attention_heads,
        )
        new = project(mixed, f"{attention}/output")
        x = norm("SkipLayerNormalization", new, x, name=f"{block}/after_attention", domain=CONTRIB)
        wide = node("FastGelu", project(x, f"{block}/wide"), output=f"{block}/gelu", domain=CONTRIB)
        x = norm("SkipLayerNormalization", project(wide, f"{block}/narrow"), x, name=f"{block}/after", domain=CONTRIB)
    _head(graph, x, width, weights["head/kernel"], weights["head/bias"])
    ids, lengths = _input("token_ids", TensorProto.INT32, "batch", "n"), _input("lengths", TensorProto.INT32, "batch")
    return graph.model("encoder", ids, lengths)


def _project(
    graph: Graph, x: str, name: str, kernel: NDArray[np.float32], bias: NDArray[np.float32], compact: bool
) -> str:
    """`x` [batch, n, d] times `kernel` [d, e] plus `bias` [e]."""
    if not compact:
        product = graph.node("MatMul", x, graph.constant(f"{name}/kernel", kernel), output=f"{name}/product")
        return graph.node("Add", product, graph.constant(f"{name}/bias", bias), output=name)
    # A scale for every BLOCK of a column, and for what flows in by text and place, not one for the whole batch, as
    # DynamicQuantizeMatMul has: half as slow again, a tenth of the error, and no text changes its neighbour's score.
    blocks = np.pad(kernel.T, ((0, 0), (0, -len(kernel) % BLOCK))).reshape(kernel.shape[1], -1, BLOCK)
    rounded, scale = int8(blocks, axis=2)
    inputs = (
        graph.constant(f"{name}/kernel", (rounded.astype(np.int16) + 128).astype(np.uint8)),
        graph.constant(f"{name}/scale", scale.ravel()),
    )
    product = graph.node(
        "MatMulNBits",
        x,
        *inputs,
        output=f"{name}/product",
        domain=CONTRIB,
        K=kernel.shape[0],
        N=kernel.shape[1],
        bits=8,
        block_size=BLOCK,
        accuracy_level=4,  # multiply in int8
    )
    return graph.node("Add", product, graph.constant(f"{name}/bias", bias), output=name)


def _embedded(graph: Graph, table: NDArray[np.float32], compact: bool) -> str:
    """What the pieces mean, [batch, n, d]."""
    constant, node = graph.constant, graph.node
    if not compact:
        return node("Gather", constant("words", table), "token_ids", output="word")
    rounded, scale = int8(table, axis=1)
    gathered = node("Gather", constant("words", rounded), "token_ids", output="rounded")
    scales = node("Gather", constant("scales", scale), "token_ids", output="scale")
    return node("Mul", node("Cast", gathered, output="cast", to=TensorProto.FLOAT), scales, output="word")


def int8(values: NDArray[np.float32], axis: int | tuple[int, ...]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """`values` as whole numbers of 8 bits, and what to multiply them by: one scale for all that lie along `axis`."""
    scale = np.maximum(np.abs(values).max(axis, keepdims=True), 1e-12) / 127
    return np.rint(values / scale).astype(np.int8), scale.astype(np.float32)


def _head(graph: Graph, x: str, width: str, kernel: NDArray[np.float32], bias: NDArray[np.float32]) -> None:
    """The mean of `x` [batch, n, d] inside each text, times `kernel` [d, 1], plus `bias` [1]: `logit` [batch]."""
    constant, node = graph.constant, graph.node
    zero, one, last = (constant(name, np.array(value)) for name, value in (("zero", 0), ("one", 1), ("last", [1])))
    scalar = node("Squeeze", width, output="scalar_width")
    places = node("Cast", node("Range", zero, scalar, one, output="range"), output="numbers", to=TensorProto.INT32)
    column = node("Unsqueeze", "lengths", last, output="column")
    inside = node("Cast", node("Less", places, column, output="is_inside"), output="inside", to=TensorProto.FLOAT)
    scores = node("MatMul", x, constant("head", kernel), output="scores")
    flat = node("Squeeze", scores, constant("depth", np.array([2])), output="flat")
    total = node("ReduceSum", node("Mul", flat, inside, output="kept"), last, output="total", keepdims=0)
    mean = node("Div", total, node("Cast", "lengths", output="n", to=TensorProto.FLOAT), output="mean")
    node("Add", mean, constant("bias", bias), output="logit")


def optimise(model: onnx.ModelProto, path: Path) -> None:
    """Write `model` as onnxruntime would rewrite it when loading, so that a cold start need not."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED  # no layout of one CPU's own
    options.optimized_model_filepath = str(path)
    options.log_severity_level = 3
    ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
