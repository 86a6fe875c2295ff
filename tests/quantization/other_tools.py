"""Files as other tools quantize them: ONNX Runtime's own, and modelopt's form made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from tests.digits import digits_of


class DigitsReader(CalibrationDataReader):
    """Images of the training split, one at a time."""

    def __init__(self, count: int = 24) -> None:
        pixels = digits_of("train").first(count).pixel_values()
        self._feeds = iter([{"pixel_values": one[None]} for one in pixels])

    def get_next(self) -> dict[str, Any] | None:
        return next(self._feeds, None)


def by_onnxruntime(base: Path, path: Path, **options: Any) -> Path:
    """`quantize_static` with its defaults but for `options`."""
    given = {"quant_format": QuantFormat.QDQ, "per_channel": True, **options}
    quantize_static(str(base), str(path), DigitsReader(), **given)
    return path


SIGNED = {
    "activation_type": QuantType.QInt8,
    "weight_type": QuantType.QInt8,
    "extra_options": {"ActivationSymmetric": True},
}
UNSIGNED = {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8}
UNSIGNED_WEIGHTS = {
    "activation_type": QuantType.QUInt8,
    "weight_type": QuantType.QUInt8,
    "per_channel": False,
}


def as_modelopt_writes(base: ir.Model, ranges: dict[str, float]) -> ir.Model:
    """Weights in float that are quantized when the file runs; pairs on norms and residuals too.

    Args:
        base: the graph before.
        ranges: largest absolute value by the name of what is quantized.
    """
    model = base.clone()
    graph = model.graph
    for node in list(graph):
        wanted = {"MatMul": (0, 1), "LayerNormalization": (0,), "Add": (0, 1)}.get(node.op_type, ())
        for place in wanted if not node.domain else ():
            value = node.inputs[place]
            if value is None:
                continue
            if value.is_initializer() and node.op_type == "MatMul":
                assert value.const_value is not None
                scale = np.abs(value.const_value.numpy()).max(axis=0) / np.float32(127)
                _pair(graph, node, place, scale.astype(np.float32), axis=1)
            elif value.name in ranges:
                _pair(graph, node, place, np.float32(ranges[value.name] / 127))
    model.opset_imports[""] = 21
    model.producer_name = "another tool"
    return model


def _pair(graph: ir.Graph, node: ir.Node, place: int, scale: Any, axis: int | None = None) -> None:
    value = node.inputs[place]
    name = f"{node.name}_{place}"
    zero = np.zeros(np.shape(scale), np.int8)
    inputs = [
        ir.Value(name=f"{name}_{what}", const_value=ir.tensor(held), shape=ir.Shape(held.shape))
        for what, held in (("scale", np.asarray(scale)), ("zero", zero))
    ]
    for one in inputs:
        assert one.const_value is not None
        one.type = ir.TensorType(one.const_value.dtype)
        graph.register_initializer(one)
    said = {} if axis is None else {"axis": axis}
    quantize = ir.node("QuantizeLinear", [value, *inputs], said, name=f"{name}_QuantizeLinear")
    whole = ir.node(
        "DequantizeLinear",
        [quantize.outputs[0], *inputs],
        said,
        name=f"{name}_DequantizeLinear",
    )
    graph.insert_before(node, [quantize, whole])
    node.replace_input_with(place, whole.outputs[0])


def ranges_of(base: Path, images: Sequence[Any]) -> dict[str, float]:
    """The largest absolute value of each float map of a file, by running it as another would."""
    import onnxruntime as ort

    proto = onnx.shape_inference.infer_shapes(onnx.load(str(base)))
    names = [
        info.name
        for info in proto.graph.value_info
        if info.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    ]
    del proto.graph.output[:]
    proto.graph.output.extend(info for info in proto.graph.value_info if info.name in names)
    session = ort.InferenceSession(proto.SerializeToString())
    outputs = session.run(names, {"pixel_values": np.stack(images)})
    return {name: float(np.abs(out).max()) for name, out in zip(names, outputs, strict=True)}
