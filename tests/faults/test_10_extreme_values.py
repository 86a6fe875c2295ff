"""Values at the ends of their range into the scan: what float64 says of them, in every form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper

from benchmarks.c_interface import ScanArgs, ScanDesc, load_native
from vmamba_deploy import native
from vmamba_deploy.ops.onnx_forms import function_body
from vmamba_deploy.ops.op import FLOAT32
from vmamba_deploy.ops.selective_scan_2d.float64_reference import selective_scan_2d_float64
from vmamba_deploy.ops.selective_scan_2d.specification import SELECTIVE_SCAN_2D, ScanDims
from vmamba_deploy.ops.selective_scan_2d.torch_reference import selective_scan_2d_reference
from vmamba_deploy.testing import random_case

Array = np.ndarray[Any, Any]
Inputs = dict[str, Array]

DIMS = ScanDims(2, 4, 5, 19, 2, 3)  # channels beyond a whole number of vectors
OPSET = 20


def filled(name: str, value: float) -> Callable[[Inputs], None]:
    return lambda inputs: inputs[name].fill(value)


def at_a_pixel(value: float) -> Callable[[Inputs], None]:
    def put(inputs: Inputs) -> None:
        inputs["x"][1, 2, 3, 4] = value

    return put


def scaled(name: str, factor: float) -> Callable[[Inputs], None]:
    def scale(inputs: Inputs) -> None:
        inputs[name] *= np.float32(factor)

    return scale


CASES: dict[str, Callable[[Inputs], None]] = {
    "steps of 10^4": filled("dt_bias", 1e4),
    "steps of 10^20": filled("dt_bias", 1e20),
    "steps that underflow": filled("dt_bias", -1e4),
    "steps of exactly nothing": filled("dt_bias", -np.inf),
    "steps at the knee of softplus": filled("dt_bias", 20.0),
    "a decay of -inf": filled("a", -np.inf),
    "a decay of -3e38": filled("a", -3e38),
    "a decay of -0": filled("a", -0.0),
    "a denormal decay": filled("a", -1e-42),
    "a decay that is a growth": filled("a", 0.25),
    "x of 10^30": scaled("x", 1e30),
    "x of 10^-30": scaled("x", 1e-30),
    "denormal x": scaled("x", 1e-40),
    "x of nothing": filled("x", 0.0),
    "NaN at one pixel": at_a_pixel(np.nan),
    "inf at one pixel": at_a_pixel(np.inf),
    "-inf at one pixel": at_a_pixel(-np.inf),
    "the largest number at one pixel": at_a_pixel(3e38),
    "a skip of inf": filled("d", np.inf),
    "a skip of NaN": filled("d", np.nan),
    "a skip of 10^30": filled("d", 1e30),
    "a projection of 10^4": scaled("proj", 1e4),
    "a projection of nothing": filled("proj", 0.0),
    "a projection that is NaN": filled("proj", np.nan),
    "weights of steps of 10^6": scaled("dt_weight", 1e6),
}


def kernel(inputs: Inputs) -> Array:
    library, y = load_native("vmamba_cpu"), np.full_like(inputs["x"], 7.0)
    sizes = (DIMS.batch, DIMS.height, DIMS.width, DIMS.channels, DIMS.state, DIMS.rank)
    args = ScanArgs(*(array.ctypes.data for array in (*inputs.values(), y)))
    library.check(
        library.function("vmamba_scan_cpu")(ScanDesc(*sizes, FLOAT32, FLOAT32), args, None)
    )
    return y


def reference(inputs: Inputs) -> Array:
    tensors = [torch.from_numpy(array) for array in inputs.values()]
    return np.asarray(selective_scan_2d_reference(*tensors, FLOAT32).numpy())


def in_onnxruntime(inputs: Inputs, *, library: bool) -> Array:
    import onnxruntime as ort

    shapes = {name: list(array.shape) for name, array in inputs.items()}
    graph = helper.make_graph(
        [
            helper.make_node(
                "SelectiveScan2D", list(inputs), ["y"], domain="vmamba",
                out_dtype=FLOAT32, plugin_namespace="vmamba", plugin_version="1",
            )
        ],
        "scan",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in shapes.items()],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shapes["x"])],
    )  # fmt: skip
    imports = [helper.make_opsetid("", OPSET), helper.make_opsetid("vmamba", 1)]
    model = helper.make_model(
        graph, opset_imports=imports, functions=[function_body(SELECTIVE_SCAN_2D, OPSET)]
    )
    model.ir_version = 10
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    if library:
        options.register_custom_ops_library(str(native.library_path("vmamba_ort")))
    session = ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return np.asarray(session.run(["y"], inputs)[0])


FORMS: dict[str, Callable[[Inputs], Array]] = {
    "C interface": kernel,
    "PyTorch": reference,
    "ONNX Runtime, library": lambda inputs: in_onnxruntime(inputs, library=True),
    "ONNX Runtime, body": lambda inputs: in_onnxruntime(inputs, library=False),
}


@pytest.mark.parametrize("case", list(CASES))
@pytest.mark.parametrize("form", list(FORMS))
def test_the_scan_says_what_float64_says(form: str, case: str) -> None:
    inputs: Inputs = {name: array.copy() for name, array in random_case(DIMS).by_name.items()}
    CASES[case](inputs)
    with np.errstate(all="ignore"):
        exact = selective_scan_2d_float64(*inputs.values())
        expected = exact.astype(np.float32)
        y = FORMS[form](inputs)
    np.testing.assert_array_equal(np.isnan(y), np.isnan(expected))
    np.testing.assert_array_equal(np.isinf(y), np.isinf(expected))
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(np.sign(y)[~finite], np.sign(expected)[~finite])
    # Kernels may take a denormal for zero, each of the terms of a sum.
    flushed = 100 * float(np.finfo(np.float32).tiny)
    near = max(flushed, 1e-5 * float(np.abs(expected[finite]).max(initial=0)))
    np.testing.assert_allclose(y[finite], expected[finite], rtol=0, atol=near)
