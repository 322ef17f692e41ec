"""Round float32 weights to int8.

Only weights. onnxruntime's dynamic quantisation also rounds what flows into an LSTM, by the largest number of the
batch: the score of a text would depend on its neighbours, and on how the processor adds int8.
"""

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

RECURRENT = ("RNN", "GRU", "LSTM")


def quantize_int8(
    values: NDArray[np.float32], axis: int | tuple[int, ...]
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return `values` as int8, and the scales to multiply them by: one for all values that lie along `axis`."""
    scale = np.maximum(np.abs(values).max(axis, keepdims=True), 1e-12) / 127
    return np.rint(values / scale).astype(np.int8), scale.astype(np.float32)


def quantize_weights(graph: onnx.ModelProto) -> None:
    """Store word vectors and recurrent weights of `graph` as int8, a scale for each channel; it computes in float32."""
    weights = {each.name: each for each in graph.graph.initializer}
    nodes: list[onnx.NodeProto] = []
    for node in graph.graph.node:
        if node.op_type in RECURRENT:  # the weights for the input and for the state: [directions, gates * units, …]
            for i, name in enumerate(node.input[1:3], 1):
                node.input[i] = f"{name}_float"
                nodes.append(_dequantize(graph, weights[name], 1, name, node.input[i]))
        nodes.append(node)
        if node.op_type == "Gather" and (table := weights.get(node.input[0])) and len(table.dims) == 2:
            name, node.output[0] = node.output[0], f"{node.output[0]}_int8"  # [batch, n, dimension]
            nodes.append(_dequantize(graph, table, -1, node.output[0], name))
    del graph.graph.node[:]
    graph.graph.node.extend(nodes)


def _dequantize(graph: onnx.ModelProto, weight: onnx.TensorProto, axis: int, int8: str, output: str) -> onnx.NodeProto:
    """Round `weight` in place, a scale for each index of `axis`. Return the node from tensor `int8` to `output`."""
    values = numpy_helper.to_array(weight)
    others = tuple(i for i in range(values.ndim) if i != axis % values.ndim)
    rounded, scale = quantize_int8(values, others)
    weight.CopyFrom(numpy_helper.from_array(rounded, weight.name))
    scales = numpy_helper.from_array(scale.ravel(), f"{weight.name}_scale")
    graph.graph.initializer.append(scales)
    return helper.make_node("DequantizeLinear", [int8, scales.name], [output], axis=axis)
