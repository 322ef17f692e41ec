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
    """Return `values` as int8, and the scales to multiply them by: one for all values along `axis`."""
    scale = np.maximum(np.abs(values).max(axis, keepdims=True), 1e-12) / 127
    return np.rint(values / scale).astype(np.int8), scale.astype(np.float32)


def quantize_weights(model: onnx.ModelProto) -> None:
    """Store word vectors and recurrent weights of `model` as int8, with a scale for each channel.

    The graph still computes in float32.
    """
    weights = {weight.name: weight for weight in model.graph.initializer}
    nodes: list[onnx.NodeProto] = []
    for node in model.graph.node:
        if node.op_type in RECURRENT:  # the weights for the input and for the state: [directions, gates * units, …]
            for i, name in enumerate(node.input[1:3], 1):
                node.input[i] = f"{name}_float"
                scales = _quantize_in_place(model, weights[name], axis=1)
                nodes.append(helper.make_node("DequantizeLinear", [name, scales], [node.input[i]], axis=1))
        nodes.append(node)
        if node.op_type == "Gather" and (table := weights.get(node.input[0])) and len(table.dims) == 2:
            name, node.output[0] = node.output[0], f"{node.output[0]}_int8"  # [batch, n, dimension]
            scales = _quantize_in_place(model, table, axis=-1)
            nodes.append(helper.make_node("DequantizeLinear", [node.output[0], scales], [name], axis=-1))
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _quantize_in_place(model: onnx.ModelProto, weight: onnx.TensorProto, axis: int) -> str:
    """Round `weight`, with a scale for each index of `axis`. Return the name of the scales, which are added."""
    values = numpy_helper.to_array(weight)
    others = tuple(i for i in range(values.ndim) if i != axis % values.ndim)
    rounded, scale = quantize_int8(values, others)
    weight.CopyFrom(numpy_helper.from_array(rounded, weight.name))
    scales = numpy_helper.from_array(scale.ravel(), f"{weight.name}_scale")
    model.graph.initializer.append(scales)
    return str(scales.name)
