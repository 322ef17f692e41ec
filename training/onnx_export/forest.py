"""The graph of a random forest: the trees as skl2onnx writes them, between an adapter for sparse input and log-odds."""

import numpy as np
import onnx
from onnx import TensorProto, compose, parser
from skl2onnx import to_onnx
from sklearn.ensemble import RandomForestClassifier

from .graph_builder import IR_VERSION, OPSET

ML_OPSET = 3  # of ai.onnx.ml, the domain of trees


def forest_graph(classifier: RandomForestClassifier, epsilon: float) -> onnx.ModelProto:
    """Return the graph `ids` int32 [batch, n], `counts` float32 [batch, n] -> `logit` float32 [batch].

    The logit is that of a probability clipped to epsilon … 1 - epsilon. The id after the last is padding.
    """
    features = classifier.n_features_in_
    row = np.zeros((1, features), np.float32)
    trees = to_onnx(classifier, row, options={"zipmap": False}, target_opset={"": OPSET, "ai.onnx.ml": ML_OPSET})
    dense = _dense_features(features)
    trees.ir_version = IR_VERSION
    del trees.opset_import[:]  # the converter names a domain twice
    trees.opset_import.extend(dense.opset_import)
    trees = compose.add_prefix(trees, "trees_")
    probability = compose.merge_models(dense, trees, io_map=[("dense", "trees_X")], outputs=["trees_probabilities"])
    return compose.merge_models(probability, _log_odds(epsilon), io_map=[("trees_probabilities", "probability")])


def _dense_features(features: int) -> onnx.ModelProto:
    """Return a graph that scatters the counts into the dense row that skl2onnx's trees take."""
    return parser.parse_model(f"""
        <ir_version: {IR_VERSION}, opset_import: ["" : {OPSET}, "ai.onnx.ml" : {ML_OPSET}]>
        front (int32[batch, n] ids, float[batch, n] counts) => (float[batch, {features}] dense) {{
            batch_size = Shape <start = 0, end = 1> (ids)
            width_and_padding = Constant <value_ints = [{features + 1}]> ()
            shape = Concat <axis = 0> (batch_size, width_and_padding)
            empty = ConstantOfShape (shape)
            wide_ids = Cast <to = {TensorProto.INT64}> (ids)
            filled = ScatterElements <axis = 1, reduction = "add"> (empty, wide_ids, counts)
            start = Constant <value_ints = [0]> ()
            end = Constant <value_ints = [{features}]> ()
            axis = Constant <value_ints = [1]> ()
            dense = Slice (filled, start, end, axis)
        }}""")


def _log_odds(epsilon: float) -> onnx.ModelProto:
    """Return a graph that clips probabilities and turns them into log-odds."""
    return parser.parse_model(f"""
        <ir_version: {IR_VERSION}, opset_import: ["" : {OPSET}, "ai.onnx.ml" : {ML_OPSET}]>
        back (float[batch, 2] probability) => (float[batch] logit) {{
            one = Constant <value_int = 1> ()
            positive = Gather <axis = 1> (probability, one)
            low = Constant <value_float = {epsilon:.9f}> ()
            high = Constant <value_float = {1 - epsilon:.9f}> ()
            inside = Clip (positive, low, high)
            whole = Constant <value_float = 1.0> ()
            rest = Sub (whole, inside)
            odds = Div (inside, rest)
            logit = Log (odds)
        }}""")
