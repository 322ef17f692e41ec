"""Convert a functional Keras model to an ONNX graph with tf2onnx.

tf2onnx writes a masked recurrence as a Loop of many small operators, several times slower than ONNX's own LSTM, GRU
and RNN. So every recurrent layer is traced here as one TensorFlow operator, CudnnRNNV3, which is then translated. That
operator never runs, so no GPU is needed.
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

from . import graph_builder
from .quantize import quantize_weights


class RecurrentType(NamedTuple):
    """A recurrent layer in Keras, cuDNN and ONNX."""

    layer: type[layers.Layer]
    cudnn: str  # rnn_mode
    onnx: str  # operator
    gates: tuple[int, ...]  # the index in Keras's weights of each of ONNX's gates
    activations: tuple[str, ...]  # Keras's defaults, in ONNX's order


RECURRENT_TYPES = (
    RecurrentType(layers.SimpleRNN, "rnn_tanh", "RNN", (0,), ("Tanh",)),
    RecurrentType(layers.GRU, "gru", "GRU", (0, 1, 2), ("Sigmoid", "Tanh")),
    RecurrentType(layers.LSTM, "lstm", "LSTM", (0, 3, 1, 2), ("Sigmoid", "Tanh", "Tanh")),
)


def export(model: keras.Model, path: Path, *, compact: bool) -> None:
    """Write the graph of `model`, see `convert`. Compact: word vectors and recurrent weights in int8."""
    with _warnings_disabled():
        onnx_model = convert(model)
    if compact:
        quantize_weights(onnx_model)
    onnx.checker.check_model(onnx_model, full_check=True)
    graph_builder.save_optimized(onnx_model, path)


def convert(model: keras.Model) -> onnx.ModelProto:
    """Convert a model from ids int32 [batch, n], padded with 0, to logit [batch, 1].

    The inputs of the graph are `token_ids` int32 [batch, n] and `lengths` int32 [batch], its output is `logit` float32
    [batch]. Recurrent layers must be of RECURRENT_TYPES, with `return_sequences` and otherwise Keras's defaults, alone
    or in Bidirectional.
    """
    fused = keras.models.clone_model(model, clone_function=_fuse)

    def serve(token_ids: tf.Tensor, lengths: tf.Tensor) -> dict[str, tf.Tensor]:
        mask = tf.sequence_mask(lengths, tf.shape(token_ids)[1], tf.int32)
        return {"logit": tf.reshape(fused(token_ids * mask, training=False), [-1])}

    signature = [tf.TensorSpec((None, None), tf.int32, "token_ids"), tf.TensorSpec((None,), tf.int32, "lengths")]
    onnx_model: onnx.ModelProto
    onnx_model, _ = tf2onnx.convert.from_function(
        tf.function(serve, input_signature=signature),
        input_signature=signature,
        opset=graph_builder.OPSET,
        custom_op_handlers={"CudnnRNNV3": (_translate, [])},
    )
    for value in (*onnx_model.graph.input, *onnx_model.graph.output):
        for dimension, name in zip(value.type.tensor_type.shape.dim, ("batch", "n"), strict=False):
            dimension.dim_param = name
    onnx_model.ir_version = graph_builder.IR_VERSION
    return onnx_model


def _fuse(layer: layers.Layer) -> layers.Layer:
    """Return the layer, or the `FusedRecurrent` that replaces it in the trace."""
    recurrent = layer.forward_layer if isinstance(layer, layers.Bidirectional) else layer
    for recurrent_type in RECURRENT_TYPES:
        if isinstance(recurrent, recurrent_type.layer):
            return FusedRecurrent(layer, recurrent_type)
    return layer


class FusedRecurrent(layers.Layer):  # type: ignore[misc]
    """A recurrent layer over [batch, n, d] with a mask [batch, n], as one operator that carries its weights."""

    def __init__(self, layer: layers.Layer, recurrent_type: RecurrentType) -> None:
        super().__init__(name=layer.name)
        self.supports_masking = True
        bidirectional = isinstance(layer, layers.Bidirectional)
        directions = [layer.forward_layer, layer.backward_layer] if bidirectional else [layer]
        self.mode = recurrent_type.cudnn
        self.direction = "bidirectional" if bidirectional else "unidirectional"
        self.shape = len(directions), directions[0].units
        weights = zip(*(_onnx_weights(each.cell, recurrent_type) for each in directions), strict=True)
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


def _onnx_weights(cell: layers.Layer, recurrent_type: RecurrentType) -> tuple[NDArray[np.float32], ...]:
    """Return kernel [gates * units, d], recurrent kernel [gates * units, units] and bias [2, gates * units]."""
    units, gates = cell.units, len(recurrent_type.gates)

    def reorder_gates(weight: Any) -> NDArray[np.float32]:
        """Reorder [..., gates * units] from Keras's gates to ONNX's."""
        array = np.asarray(weight, np.float32)
        return array.reshape(-1, gates, units)[:, recurrent_type.gates].reshape(array.shape)

    bias = np.zeros((2, gates * units), np.float32)  # of the input, of the state
    bias[: cell.bias.ndim] = reorder_gates(cell.bias)  # only a GRU has both
    return reorder_gates(cell.kernel).T, reorder_gates(cell.recurrent_kernel).T, bias


def _translate(graph: Any, node: Any, _name: str, _arguments: Any) -> None:
    """Replace a CudnnRNNV3 node of `FusedRecurrent` with ONNX's operator. tf2onnx calls this."""
    recurrent_type = next(each for each in RECURRENT_TYPES if each.cudnn == node.get_attr_str("rnn_mode"))
    directions, _, units = graph.get_shape(node.input[1])
    parameters = node.inputs[3].get_tensor_value(as_list=False)
    rows = len(recurrent_type.gates) * units
    width = len(parameters) // (directions * rows) - units - 2
    *matrices, bias = np.split(parameters, np.cumsum([directions * rows * width, directions * rows * units]))
    weights = [matrix.reshape(directions, rows, -1) for matrix in matrices] + [bias.reshape(directions, -1)]
    constants = [graph.make_const(tf2onnx.utils.make_name(recurrent_type.onnx), each).output[0] for each in weights]
    attributes = {
        "hidden_size": units,
        "direction": "bidirectional" if directions == 2 else "forward",
        "activations": recurrent_type.activations * directions,
    }
    if recurrent_type.onnx == "GRU":
        attributes["linear_before_reset"] = 1
    recurrence = graph.make_node(recurrent_type.onnx, [node.input[0], *constants, node.input[4]], attr=attributes)
    # [n, directions, batch, units] -> [n, batch, directions, units] -> [n, batch, directions * units]
    transposed = graph.make_node("Transpose", recurrence.output, attr={"perm": [0, 2, 1, 3]})
    shape = graph.make_const(tf2onnx.utils.make_name("shape"), np.array([0, -1, directions * units]))
    joined = graph.make_node("Reshape", [transposed.output[0], shape.output[0]])
    graph.replace_all_inputs(node.output[0], joined.output[0])
    graph.remove_node(node.name)


@contextmanager
def _warnings_disabled() -> Iterator[None]:
    """Silence the converter, which logs warnings about every graph."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
