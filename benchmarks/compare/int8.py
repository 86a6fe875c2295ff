"""An ONNX file in 8 bits, calibrated on noise: for times, which do not depend on the ranges.

Linear layers, and convolutions between them, by this project's own pass, whoever made the network:
signed numbers, a scale for each output channel of a weight. Networks of convolutions by ONNX
Runtime's `quantize_static`, which fuses what stands between them as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vmamba_deploy.artifacts.atomic import atomic_write
from vmamba_deploy.errors import InputFileError

if TYPE_CHECKING:
    from benchmarks.compare.contenders import Int8

HOW: dict[Int8, str] = {
    "matmuls": "linear layers and wide convolutions, by this project's pass",
    "convolutions": "convolutions and the head, by quantize_static of ONNX Runtime",
}


@dataclass(frozen=True)
class Noise:
    """One image of a side, as what calibrates takes it: by ours and by ONNX Runtime's reader.

    Attributes:
        name: of the network's input.
        side: in pixels.
    """

    name: str
    side: int

    def __len__(self) -> int:
        return 1

    def feeds(self) -> Iterator[dict[str, Any]]:
        """Its input [1,3,side,side], by name."""
        shape = (1, 3, self.side, self.side)
        yield {self.name: np.random.default_rng(0).normal(size=shape).astype(np.float32)}


def write_int8(source: Path, target: Path, side: int, int8: Int8) -> None:
    """Quantize the file of a network that takes images [B,3,side,side].

    Raises:
        InputFileError: there is nothing in it that could be quantized.
    """
    from vmamba_deploy.exporting.onnx_model import OnnxModel

    model = OnnxModel.read(source)
    noise = Noise(model.inputs[0].name, side)
    with atomic_write(target) as partial:
        if int8 == "matmuls":
            _quantize_matmuls(model, partial, noise)
        else:
            _quantize_convolutions(source, partial, noise)


def _quantize_matmuls(model: Any, target: Path, noise: Noise) -> None:
    import onnx_ir as ir

    from vmamba_deploy.exporting.layers import quantizable_layers
    from vmamba_deploy.exporting.quantize import GRIDS, QuantizeLayers
    from vmamba_deploy.quantization.calibration import observe

    layers = list(quantizable_layers(model.ir))
    if not layers:
        raise InputFileError(f"{model.path.name} has no linear layers")
    sources = {layer.name: layer.source.name for layer in layers}
    results = {layer.name: layer.result.name for layer in layers if layer.convolution}
    seen = observe(model, [*sources.values(), *results.values()], noise, lambda *_: None)
    ranges = [
        {name: seen[value].largest for name, value in values.items()}
        for values in (sources, results)
    ]
    ir.save(QuantizeLayers(GRIDS["int8"], *ranges)(model.ir).model, target)


def _quantize_convolutions(source: Path, target: Path, noise: Noise) -> None:
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    class Reader:
        """Gives each feed once, then None."""

        feeds = noise.feeds()

        def get_next(self) -> dict[str, Any] | None:
            """The next one."""
            return next(self.feeds, None)

    # The exporter has put the normalisations into the convolutions before them.
    quantize_static(
        source,
        target,
        Reader(),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        # On x86 ONNX Runtime fuses all convolutions of unsigned maps, and not all of signed.
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )
