"""A functional Keras model becomes an ONNX graph, through tf2onnx.

tf2onnx writes a masked recurrence as a Loop of many small operators, several times slower than ONNX's own LSTM, GRU
and RNN. Here every recurrent layer is traced as the one TensorFlow operator that says all of it, CudnnRNNV3, and that
operator is then translated. It is never run, so no GPU is needed.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import onnx
import tensorflow as tf
import tf2onnx
from keras import layers
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from . import graph_builder


class Kind(NamedTuple):
    """A recurrent layer in three languages."""

    layer: type[layers.Layer]
    cudnn: str  # its rnn_mode
    onnx: str  # the operator
    gates: tuple[int, ...]  # where ONNX's gates stand in the weights of Keras
    activations: tuple[str, ...]  # Keras's defaults, in ONNX's order


KINDS = (
    Kind(layers.SimpleRNN, "rnn_tanh", "RNN", (0,), ("Tanh",)),
    Kind(layers.GRU, "gru", "GRU", (0, 1, 2), ("Sigmoid", "Tanh")),
    Kind(layers.LSTM, "lstm", "LSTM", (0, 3, 1, 2), ("Sigmoid", "Tanh", "Tanh")),
)


def write(model: keras.Model, path: Path, *, compact: bool) -> None:
    """Write `model` as `convert` has it. Compact: word vectors and recurrent weights in int8."""
    with _quiet():
        graph = convert(model)
    if compact:
        quantise(graph)
    onnx.checker.check_model(graph, full_check=True)
    graph_builder.optimise(graph, path)


def convert(model: keras.Model) -> onnx.ModelProto:
    """Ids int32 [batch, n], padded with 0 -> logit [batch, 1] becomes the graph of the `token_ids` contract.

    Its inputs are `token_ids` int32 [batch, n] and `lengths` int32 [batch], its output is `logit` float32 [batch].
    Recurrent layers must be those of KINDS, as Keras makes them but with `return_sequences`, alone or in Bidirectional.
    """
    fused = keras.models.clone_model(model, clone_function=_fuse)

    def serve(token_ids: tf.Tensor, lengths: tf.Tensor) -> dict[str, tf.Tensor]:
        inside = tf.sequence_mask(lengths, tf.shape(token_ids)[1], tf.int32)
        return {"logit": tf.reshape(fused(token_ids * inside, training=False), [-1])}

    signature = [tf.TensorSpec((None, None), tf.int32, "token_ids"), tf.TensorSpec((None,), tf.int32, "lengths")]
    graph: onnx.ModelProto
    graph, _ = tf2onnx.convert.from_function(
        tf.function(serve, input_signature=signature),
        input_signature=signature,
        opset=graph_builder.OPSET,
        custom_op_handlers={"CudnnRNNV3": (_translate, [])},
    )
    for value in (*graph.graph.input, *graph.graph.output):
        for dimension, name in zip(value.type.tensor_type.shape.dim, ("batch", "n"), strict=False):
            dimension.dim_param = name
    graph.ir_version = graph_builder.IR_VERSION
    return graph


def quantise(graph: onnx.ModelProto) -> None:
    """Store word vectors and recurrent weights as int8, with a scale for each channel; computing stays float32.

    Weights alone: the dynamic quantisation of onnxruntime rounds what goes into an LSTM as well, by the largest number
    of the batch, so that the score of a text would depend on its neighbours, and on how the processor adds int8.
    """
    weights = {each.name: each for each in graph.graph.initializer}
    recurrent = {kind.onnx for kind in KINDS}
    nodes: list[onnx.NodeProto] = []
    for node in graph.graph.node:
        if node.op_type in recurrent:  # the weights for the input and for the state: [directions, gates * units, …]
            for i, name in enumerate(node.input[1:3], 1):
                node.input[i] = f"{name}_float"
                nodes.append(_dequantised(graph, weights[name], 1, name, node.input[i]))
        nodes.append(node)
        if node.op_type == "Gather" and (table := weights.get(node.input[0])) and len(table.dims) == 2:
            name, node.output[0] = node.output[0], f"{node.output[0]}_int8"  # [batch, n, dimension]
            nodes.append(_dequantised(graph, table, -1, node.output[0], name))
    del graph.graph.node[:]
    graph.graph.node.extend(nodes)


def _dequantised(graph: onnx.ModelProto, weight: onnx.TensorProto, axis: int, int8: str, output: str) -> onnx.NodeProto:
    """Make `weight` int8 in place, with a scale for each place along `axis`; the node from `int8` to float `output`."""
    values = numpy_helper.to_array(weight)
    others = tuple(i for i in range(values.ndim) if i != axis % values.ndim)
    rounded, scale = graph_builder.int8(values, others)
    weight.CopyFrom(numpy_helper.from_array(rounded, weight.name))
    scales = numpy_helper.from_array(scale.ravel(), f"{weight.name}_scale")
    graph.graph.initializer.append(scales)
    return helper.make_node("DequantizeLinear", [int8, scales.name], [output], axis=axis)


def _fuse(layer: layers.Layer) -> layers.Layer:
    """The layer itself, or what stands for it in the trace."""
    recurrent = layer.forward_layer if isinstance(layer, layers.Bidirectional) else layer
    for kind in KINDS:
        if isinstance(recurrent, kind.layer):
            return Fused(layer, kind)
    return layer


class Fused(layers.Layer):  # type: ignore[misc]
    """A recurrent layer over [batch, n, d] with a mask [batch, n], as one operator that carries its weights."""

    def __init__(self, layer: layers.Layer, kind: Kind) -> None:
        super().__init__(name=layer.name)
        self.supports_masking = True
        both = isinstance(layer, layers.Bidirectional)
        directions = [layer.forward_layer, layer.backward_layer] if both else [layer]
        self.mode = kind.cudnn
        self.direction = "bidirectional" if both else "unidirectional"
        self.shape = len(directions), directions[0].units
        weights = zip(*(_weights(each.cell, kind) for each in directions), strict=True)
        self.parameters = np.concatenate([weight.ravel() for each in weights for weight in each])

    def call(self, x: tf.Tensor, mask: tf.Tensor = None) -> tf.Tensor:
        directions, units = self.shape
        state = tf.zeros([directions, tf.shape(x)[0], units])
        output, *_ = tf.raw_ops.CudnnRNNV3(
            input=tf.transpose(x, [1, 0, 2]),
            input_h=state,
            input_c=state,
            params=tf.constant(self.parameters),
            sequence_lengths=tf.reduce_sum(tf.cast(mask, tf.int32), 1),
            rnn_mode=self.mode,
            direction=self.direction,
            is_training=False,
        )
        return tf.ensure_shape(tf.transpose(output, [1, 0, 2]), [None, None, directions * units])


def _weights(cell: layers.Layer, kind: Kind) -> tuple[NDArray[np.float32], ...]:
    """The weights of a Keras cell as ONNX has them: [gates * units, d], [gates * units, units], [2 * gates * units]."""
    units, gates = cell.units, len(kind.gates)

    def ordered(weight: Any) -> NDArray[np.float32]:
        """[…, gates * units], the gates in ONNX's order."""
        array = np.asarray(weight, np.float32)
        return array.reshape(-1, gates, units)[:, kind.gates].reshape(array.shape)

    bias = np.zeros((2, gates * units), np.float32)  # of the input, of the state
    bias[: cell.bias.ndim] = ordered(cell.bias)  # only a GRU has both
    return ordered(cell.kernel).T, ordered(cell.recurrent_kernel).T, bias


def _translate(graph: Any, node: Any, _name: str, _arguments: Any) -> None:
    """Put ONNX's operator in the place of a CudnnRNNV3 node that `Fused` made."""
    kind = next(kind for kind in KINDS if kind.cudnn == node.get_attr_str("rnn_mode"))
    directions, _, units = graph.get_shape(node.input[1])
    parameters = node.inputs[3].get_tensor_value(as_list=False)
    rows = len(kind.gates) * units
    width = len(parameters) // (directions * rows) - units - 2
    *matrices, bias = np.split(parameters, np.cumsum([directions * rows * width, directions * rows * units]))
    weights = [matrix.reshape(directions, rows, -1) for matrix in matrices] + [bias.reshape(directions, -1)]
    constants = [graph.make_const(tf2onnx.utils.make_name(kind.onnx), weight).output[0] for weight in weights]
    attributes = {
        "hidden_size": units,
        "direction": "bidirectional" if directions == 2 else "forward",
        "activations": kind.activations * directions,
    }
    if kind.onnx == "GRU":
        attributes["linear_before_reset"] = 1
    recurrence = graph.make_node(kind.onnx, [node.input[0], *constants, node.input[4]], attr=attributes)
    sides = graph.make_node("Transpose", recurrence.output, attr={"perm": [0, 2, 1, 3]})  # to [n, batch, sides, units]
    shape = graph.make_const(tf2onnx.utils.make_name("shape"), np.array([0, -1, directions * units]))
    joined = graph.make_node("Reshape", [sides.output[0], shape.output[0]])
    graph.replace_all_inputs(node.output[0], joined.output[0])
    graph.remove_node(node.name)


@contextmanager
def _quiet() -> Iterator[None]:
    """What the converter logs that is no error stays unsaid."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
