"""A handmade graph over token ids returns the expected logits."""

import onnx
from msgspec.structs import replace
from onnx import TensorProto, helper

from sentiment import manifest
from sentiment.features import make_encoder
from sentiment.manifest import TokenIds
from sentiment.model import Model


def test_serves_graph_over_token_ids(model: Model) -> None:
    """Each text's padding is masked: the logit is the sum of the ids within its length, minus 4."""
    vocabulary = b"<pad>\n<unk>\nbad\nfine\ngood\n"
    spec = TokenIds("vocabulary.txt", max_length=8, padding=4)  # must not count
    about = replace(model.manifest, input=spec, calibration=manifest.Calibration())
    files = {"vocabulary.txt": vocabulary}
    session = type(model._session)(_sum_of_ids(), providers=["CPUExecutionProvider"])
    served = Model(about, make_encoder(spec, files), session)
    assert served.score(["good good", "bad", "fine fine fine fine"]).logit.tolist() == [4, -2, 8]


def _sum_of_ids() -> bytes:
    constants = [
        helper.make_tensor("zero", TensorProto.INT32, [], [0]),
        helper.make_tensor("one", TensorProto.INT32, [], [1]),
        helper.make_tensor("axis", TensorProto.INT64, [1], [1]),
        helper.make_tensor("four", TensorProto.FLOAT, [], [4]),
    ]
    nodes = [
        helper.make_node("Shape", ["token_ids"], ["shape"], start=1, end=2),
        helper.make_node("Squeeze", ["shape"], ["width"]),
        helper.make_node("Cast", ["width"], ["width32"], to=TensorProto.INT32),
        helper.make_node("Range", ["zero", "width32", "one"], ["position"]),
        helper.make_node("Unsqueeze", ["lengths", "axis"], ["column"]),
        helper.make_node("Less", ["position", "column"], ["inside"]),
        helper.make_node("Where", ["inside", "token_ids", "zero"], ["masked"]),
        helper.make_node("Cast", ["masked"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["float", "axis"], ["sum"], keepdims=0),
        helper.make_node("Sub", ["sum", "four"], ["logit"]),
    ]
    inputs = [
        helper.make_tensor_value_info("token_ids", TensorProto.INT32, ["batch", "n"]),
        helper.make_tensor_value_info("lengths", TensorProto.INT32, ["batch"]),
    ]
    output = helper.make_tensor_value_info("logit", TensorProto.FLOAT, ["batch"])
    graph = helper.make_graph(nodes, "sum", inputs, [output], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return model.SerializeToString()
