"""ONNX graphs written by hand where a converter would be inexact or would need a dense row per text.

skl2onnx's own TF-IDF tokenises inside the graph, differently from Python, and computes sublinear counts wrongly; a
linear model over ids and counts is a Gather and a sum.
"""

from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET = 18
IR_VERSION = 9

type Weights = Literal["float32", "float16"]


def linear(
    idf: NDArray[np.float64], weight: NDArray[np.float64], intercept: float, weights: Weights
) -> onnx.ModelProto:
    """`ids` int32 [batch, n], `counts` float32 [batch, n] -> `logit` float32 [batch].

    The logit of a logistic regression on sublinear, l2-normalised TF-IDF; `idf` and `weight` [vocabulary]. The id
    after the last is padding: its idf and weight are 0. A text without a known n-gram has the intercept for logit.
    """
    nodes, constants = [], []

    def constant(name: str, value: NDArray[Any] | np.float32) -> str:
        constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def node(operator: str, *inputs: str, output: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def table(name: str, values: NDArray[np.float64]) -> str:
        """The values of the ids, [batch, n] float32."""
        gathered = node("Gather", constant(f"{name}_table", np.append(values, 0.0).astype(weights)), "ids", output=name)
        if weights == "float32":
            return gathered
        return node("Cast", gathered, output=f"{name}_float32", to=TensorProto.FLOAT)

    axis, one = constant("axis", np.array([1])), constant("one", np.float32(1))
    at_least_one = node("Max", "counts", one, output="at_least_one")  # log of padding's 0 would be -inf
    sublinear = node("Add", node("Log", at_least_one, output="log"), one, output="sublinear")
    tfidf = node("Mul", sublinear, table("idf", idf), output="tfidf")
    norm = node("ReduceL2", tfidf, axis, output="norm", keepdims=0)
    positive = node("Max", norm, constant("tiny", np.float32(1e-12)), output="positive")
    product = node("Mul", tfidf, table("weight", weight), output="product")
    score = node("ReduceSum", product, axis, output="score", keepdims=0)
    quotient = node("Div", score, positive, output="quotient")
    node("Add", quotient, constant("intercept", np.float32(intercept)), output="logit")
    inputs = [
        helper.make_tensor_value_info("ids", TensorProto.INT32, ["batch", "n"]),
        helper.make_tensor_value_info("counts", TensorProto.FLOAT, ["batch", "n"]),
    ]
    output = helper.make_tensor_value_info("logit", TensorProto.FLOAT, ["batch"])
    graph = helper.make_graph(nodes, "linear", inputs, [output], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    onnx.checker.check_model(model, full_check=True)
    return model


def optimise(model: onnx.ModelProto, path: Path) -> None:
    """Write `model` as onnxruntime would rewrite it when loading, so that a cold start need not."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC  # no operators of one CPU's own
    options.optimized_model_filepath = str(path)
    options.log_severity_level = 3
    ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
