"""Write an ONNX graph node by node, where a converter would be inexact or slow: see `linear` and `bert`."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, ValueInfoProto, helper, numpy_helper

OPSET = 18
IR_VERSION = 9
CONTRIB = "com.microsoft"  # onnxruntime's own operators; every CPU build has them


class GraphBuilder:
    """Collects the nodes and constants of a graph. Methods that add a tensor return its name."""

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
        """Cut `x` into equal parts along its last axis."""
        outputs = [f"{x}/{i}" for i in range(parts)]
        self._nodes.append(helper.make_node("Split", [x], outputs, axis=-1, num_outputs=parts))
        return outputs

    def model(self, name: str, *inputs: ValueInfoProto) -> onnx.ModelProto:
        """Return the model, whose output is the tensor `logit` [batch]. Raises onnx.checker.ValidationError."""
        output = helper.make_tensor_value_info("logit", TensorProto.FLOAT, ["batch"])
        graph = helper.make_graph(self._nodes, name, inputs, [output], self._constants)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(CONTRIB, 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
        onnx.checker.check_model(model)
        return model


def save_optimized(model: onnx.ModelProto, path: Path) -> None:
    """Write `model` as onnxruntime would rewrite it on load, so that a cold start does not have to."""
    options = ort.SessionOptions()
    # Not ALL: its layouts only suit the CPU that it runs on.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(path)
    options.log_severity_level = 3
    ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
