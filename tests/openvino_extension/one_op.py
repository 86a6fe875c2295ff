"""One node of ours in OpenVINO: by the plugin for the CPU, and by the node itself."""

from __future__ import annotations

from collections.abc import Mapping

import ml_dtypes
import numpy as np
import openvino as ov
from onnx import ModelProto

_DTYPES = {ov.Type.f32: np.float32, ov.Type.f16: np.float16, ov.Type.bf16: ml_dtypes.bfloat16}


def read(core: ov.Core, model: ModelProto) -> ov.Model:
    return core.read_model(model.SerializeToString())


def free(model: ModelProto) -> ModelProto:
    """The same with inputs of which no extent is known, each by a name of its own."""
    for value in model.graph.input:
        for axis, dim in enumerate(value.type.tensor_type.shape.dim):
            dim.dim_param = f"{value.name}{axis}"
    return model


def compiled(core: ov.Core, model: ov.Model, *, threads: int = 2) -> ov.CompiledModel:
    """With one thread OpenVINO 2026.4 loses what is thrown while shapes are inferred."""
    options = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
    return core.compile_model(model, "CPU", options)


def run(network: ov.CompiledModel, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    request = network.create_infer_request()
    for name, array in arrays.items():
        request.set_tensor(name, _tensor(array))
    request.infer()
    return _array(request.get_output_tensor(0))


def evaluate(model: ov.Model, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """What the node's own `evaluate` gives, in its own dtypes: no plugin widens anything."""
    y = ov.Tensor(model.outputs[0].element_type, ov.Shape([0]))
    ordered = [_tensor(arrays[each.any_name]) for each in model.inputs]
    assert model.evaluate([y], ordered)
    return _array(y)


def _tensor(array: np.ndarray) -> ov.Tensor:
    whole = np.ascontiguousarray(array)
    if array.dtype != ml_dtypes.bfloat16:
        return ov.Tensor(whole)
    tensor = ov.Tensor(ov.Type.bf16, ov.Shape(array.shape))
    tensor.data.view(np.uint16)[...] = whole.view(np.uint16)  # seen as another type of 16 bits
    return tensor


def _array(tensor: ov.Tensor) -> np.ndarray:
    return np.array(tensor.data).view(_DTYPES[tensor.element_type])
