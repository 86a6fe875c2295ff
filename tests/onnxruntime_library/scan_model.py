"""Tiny ONNX models of one scan node, with a function body that is easily told from the kernel."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper

from vmamba_deploy.ops.selective_scan_2d.specification import SELECTIVE_SCAN_2D

OPSET = 20
INPUTS = SELECTIVE_SCAN_2D.input_names


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
