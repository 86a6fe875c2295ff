"""An ONNX file in 8 bits, calibrated on noise: for times, which do not depend on the ranges.

Linear layers by this project's own pass, whoever made the network: signed numbers, a scale for
each output channel of a weight, pairs of QuantizeLinear and DequantizeLinear on the inputs of
MatMuls. Networks of convolutions by ONNX Runtime's `quantize_static`: that pass leaves them alone.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vmamba_deploy.artifacts.atomic import atomic_write
from vmamba_deploy.errors import InputFileError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import onnx_ir as ir
    from vmamba_deploy.exporting.quantize import LinearLayer

    from benchmarks.compare.contenders import Int8

HOW: dict[Int8, str] = {
    "matmuls": "linear layers, this project's pass",
    "convolutions": "convolutions and the head, quantize_static of ONNX Runtime",
}


def write_int8(source: Path, target: Path, side: int, int8: Int8) -> None:
    """Quantize the file of a network that takes images [B,3,side,side].

    Raises:
        InputFileError: there is nothing in it that could be quantized.
    """
    noise = np.random.default_rng(0).normal(size=(1, 3, side, side)).astype(np.float32)
    with atomic_write(target) as partial:
        if int8 == "matmuls":
            _quantize_matmuls(source, partial, noise)
        else:
            _quantize_convolutions(source, partial, noise)


def _quantize_matmuls(source: Path, target: Path, noise: Any) -> None:
    import onnx_ir as ir
    from vmamba_deploy.exporting.quantize import GRIDS, QuantizeLayers, linear_layers

    from vmamba_deploy.exporting.onnx_model import OnnxModel

    model = OnnxModel.read(source).ir
    layers = list(linear_layers(model))
    if not layers:
        raise InputFileError(f"{source.name} has no linear layers")
    QuantizeLayers(GRIDS["int8"], largest_inputs(model, layers, noise))(model)
    ir.save(model, target)


def largest_inputs(model: ir.Model, layers: Sequence[LinearLayer], noise: Any) -> dict[str, float]:
    """The largest absolute value that each layer multiplies, by the layer's name."""
    import onnx_ir as ir

    from vmamba_deploy import native
    from vmamba_deploy.runtimes.onnxruntime import CUSTOM_OP_LIBRARY, create_session

    probed = model.clone()
    values = {value.name: value for node in probed.graph for value in node.outputs}
    values |= {value.name: value for value in probed.graph.inputs}
    outputs = {}
    for number, layer in enumerate(layers):
        magnitude = ir.node("Abs", [values[layer.source.name]])
        largest = ir.node("ReduceMax", [magnitude.outputs[0]], {"keepdims": 0})
        largest.outputs[0].name = outputs[layer.name] = f"largest_{number}"
        largest.outputs[0].type, largest.outputs[0].shape = layer.source.type, ir.Shape(())
        probed.graph.extend([magnitude, largest])
        probed.graph.outputs.append(largest.outputs[0])
    library = native.library_path(CUSTOM_OP_LIBRARY) if model.functions else None
    session = create_session(probed, library=library)
    found = session.run([*outputs.values()], {session.get_inputs()[0].name: noise})
    return {name: float(largest) for name, largest in zip(outputs, found, strict=True)}


class _OneImage:
    """What `quantize_static` reads: the noise, once."""

    def __init__(self, name: str, noise: Any) -> None:
        self._feeds = [{name: noise}]

    def get_next(self) -> dict[str, Any] | None:
        """The next feed; None at the end."""
        return self._feeds.pop() if self._feeds else None


def _quantize_convolutions(source: Path, target: Path, noise: Any) -> None:
    import onnx
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory() as folder:
        folded = Path(folder) / "folded.onnx"
        # Normalisations go into the convolutions before them.
        quant_pre_process(source, folded, skip_symbolic_shape=True)
        quantize_static(
            folded,
            target,
            _OneImage(onnx.load(folded).graph.input[0].name, noise),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            # On x86 ONNX Runtime fuses all convolutions of unsigned maps, and not all of signed.
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
