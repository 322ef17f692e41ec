"""The graph of a linear model over n-grams: a Gather and a sum.

skl2onnx cannot write it: its TF-IDF tokenises inside the graph, differently from Python, and computes sublinear counts
wrongly; its linear models take a dense row per text.
"""

from typing import Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from .graph_builder import GraphBuilder

type WeightType = Literal["float32", "float16"]


def linear_graph(
    idf: NDArray[np.float64] | None, weight: NDArray[np.float64], intercept: float, weight_type: WeightType
) -> onnx.ModelProto:
    """Return the graph `ids` int32 [batch, n], `counts` float32 [batch, n] -> `logit` float32 [batch].

    It computes a linear model on sublinear, l2-normalised TF-IDF, or on the counts themselves if `idf` is None. `idf`
    and `weight` are [vocabulary]. The id after the last is padding: its idf and weight are 0. A text without a known
    n-gram gets the intercept.
    """
    graph = GraphBuilder()
    constant, node = graph.constant, graph.node

    def lookup(name: str, values: NDArray[np.float64]) -> str:
        """Look `values` up by id: float32 [batch, n]."""
        table = constant(f"{name}_table", np.append(values, 0.0).astype(weight_type))
        gathered = node("Gather", table, "ids", output=name)
        if weight_type == "float32":
            return gathered
        return node("Cast", gathered, output=f"{name}_float32", to=TensorProto.FLOAT)

    axis = constant("axis", np.array([1]))
    if idf is None:
        product = node("Mul", "counts", lookup("weight", weight), output="product")
        score = node("ReduceSum", product, axis, output="score", keepdims=0)
    else:
        one = constant("one", np.float32(1))
        at_least_one = node("Max", "counts", one, output="at_least_one")  # the log of padding's 0 would be -inf
        sublinear = node("Add", node("Log", at_least_one, output="log"), one, output="sublinear")
        tfidf = node("Mul", sublinear, lookup("idf", idf), output="tfidf")
        norm = node("ReduceL2", tfidf, axis, output="norm", keepdims=0)
        positive = node("Max", norm, constant("tiny", np.float32(1e-12)), output="positive")
        product = node("Mul", tfidf, lookup("weight", weight), output="product")
        total = node("ReduceSum", product, axis, output="total", keepdims=0)
        score = node("Div", total, positive, output="score")
    node("Add", score, constant("intercept", np.float32(intercept)), output="logit")
    ids = helper.make_tensor_value_info("ids", TensorProto.INT32, ("batch", "n"))
    counts = helper.make_tensor_value_info("counts", TensorProto.FLOAT, ("batch", "n"))
    return graph.model("linear", ids, counts)
