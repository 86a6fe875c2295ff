"""Tiny ONNX models of one scan node, with a function body that is easily told from the kernel."""

from __future__ import annotations

from dataclasses import dataclass

import ml_dtypes
import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper

OPSET = 20
NUMPY_TYPES = {
    TensorProto.FLOAT: np.dtype(np.float32),
    TensorProto.FLOAT16: np.dtype(np.float16),
    TensorProto.BFLOAT16: np.dtype(ml_dtypes.bfloat16),
}
INPUTS = ("x", "proj", "dt_weight", "dt_bias", "a", "d")


@dataclass(frozen=True)
class ScanCase:
    batch: int
    height: int
    width: int
    channels: int
    state: int
    rank: int

    def arrays(self, in_dtype: int, seed: int) -> dict[str, np.ndarray]:
        rng = np.random.default_rng(seed)
        b, h, w, c, n, r = (
            self.batch, self.height, self.width, self.channels, self.state, self.rank,
        )  # fmt: skip
        rounded = NUMPY_TYPES[in_dtype]
        return {
            "x": rng.standard_normal((b, h, w, c)).astype(rounded),
            "proj": rng.standard_normal((b, h, w, 4 * (r + 2 * n))).astype(rounded),
            "dt_weight": (0.3 * rng.standard_normal((4, r, c))).astype(np.float32),
            "dt_bias": (rng.standard_normal((4, c)) - 2).astype(np.float32),
            "a": -np.exp(rng.standard_normal((4, n, c))).astype(np.float32),
            "d": rng.standard_normal((4, c)).astype(np.float32),
        }


def zero_body() -> onnx.FunctionProto:
    """A body whose result is all zeros: it shows which of the two ran."""
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("ConstantOfShape", ["shape"], ["zeros"]),
        helper.make_node("Cast", ["zeros"], ["y"]),
    ]
    reference = nodes[-1].attribute.add()
    reference.name, reference.ref_attr_name = "to", "out_dtype"
    reference.type = onnx.AttributeProto.INT
    return helper.make_function(
        "vmamba", "SelectiveScan2D", list(INPUTS), ["y"], nodes,
        opset_imports=[helper.make_opsetid("", OPSET)],
        attributes=["out_dtype", "plugin_namespace", "plugin_version"],
    )  # fmt: skip


def scan_model(in_dtype: int, out_dtype: int, *, body: onnx.FunctionProto | None = None) -> bytes:
    """One node between dynamic inputs and a dynamic output."""
    ranks = (4, 4, 3, 2, 3, 2)
    inputs = [
        helper.make_tensor_value_info(
            name,
            in_dtype if index < 2 else TensorProto.FLOAT,
            [f"{name}{axis}" for axis in range(ranks[index])],
        )
        for index, name in enumerate(INPUTS)
    ]
    node = helper.make_node(
        "SelectiveScan2D", list(INPUTS), ["y"], domain="vmamba",
        out_dtype=out_dtype, plugin_namespace="vmamba", plugin_version="1",
    )  # fmt: skip
    y = helper.make_tensor_value_info("y", out_dtype, ["b", "h", "w", "c"])
    graph = helper.make_graph([node], "scan", inputs, [y])
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid("vmamba", 1)]
    )
    model.ir_version = 10
    if body is not None:
        model.functions.append(body)
    return model.SerializeToString()


def open_session(model: bytes, library: object = None, *, threads: int = 1) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    if library is not None:
        options.register_custom_ops_library(str(library))
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def run(
    session: ort.InferenceSession, arrays: dict[str, np.ndarray], in_dtype: int, out_dtype: int
) -> np.ndarray:
    """Run with bfloat16 passed as its bits, which is how ONNX Runtime's Python takes it."""
    feeds = {}
    for name, array in arrays.items():
        if array.dtype == ml_dtypes.bfloat16:
            bits = np.ascontiguousarray(array).view(np.uint16)
            feeds[name] = ort.OrtValue.ortvalue_from_numpy_with_onnx_type(bits, in_dtype)
        else:
            feeds[name] = ort.OrtValue.ortvalue_from_numpy(array)
    (value,) = session.run_with_ort_values(["y"], feeds)
    if out_dtype != TensorProto.BFLOAT16:
        return value.numpy()
    import ctypes

    shape = value.shape()
    buffer = (ctypes.c_uint16 * int(np.prod(shape))).from_address(value.data_ptr())
    return np.array(buffer, dtype=np.uint16).view(ml_dtypes.bfloat16).reshape(shape)
