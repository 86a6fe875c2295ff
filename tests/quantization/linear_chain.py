"""A chain of linear layers as an ONNX file, and the same in float64 with any of them in 8 bits.

The third layer reads a map with one channel that is large and hardly used, as behind the gate of a
vanilla VMamba: its range takes the 8 bits of the others.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.preprocessing import IMAGENET_PREPROCESSING
from vmamba_deploy.quantization.images import CalibrationImages

Array = npt.NDArray[Any]
SIDE, CLASSES = 8, 5
OUTLIER = 2
"""The layer whose input has the large channel."""
_FEATURES = ((3, 16), (16, 24), (24, 8), (8, 32), (32, CLASSES))
_LARGE = 200.0


@dataclass(frozen=True)
class Chain:
    """Layers `layers.0` and so on; between them a ReLU, at the end the mean over space.

    Attributes:
        weights: [K,N] float32 each.
        factors: of the channels of the outlier's input, [K] float32.
    """

    weights: tuple[Array, ...]
    factors: Array

    @property
    def names(self) -> list[str]:
        """Of the layers."""
        return [f"layers.{place}" for place in range(len(self.weights))]

    @property
    def multiply_adds(self) -> list[int]:
        """Of each layer, of one image."""
        return [SIDE * SIDE * weight.size for weight in self.weights]

    def write(self, path: Path) -> OnnxModel:
        """As an ONNX file that takes images [1,3,8,8] and gives logits [1,5]."""
        nodes = [helper.make_node("Transpose", ["pixel_values"], ["map"], perm=[0, 2, 3, 1])]
        constants, value = [numpy_helper.from_array(self.factors, "factors")], "map"
        for place, weight in enumerate(self.weights):
            if place == OUTLIER:
                nodes.append(helper.make_node("Mul", [value, "factors"], ["gated"]))
                value = "gated"
            name = f"layers.{place}.weight_transposed"
            constants.append(numpy_helper.from_array(weight, name))
            nodes.append(helper.make_node("MatMul", [value, name], [f"product.{place}"]))
            value = f"product.{place}"
            if place < len(self.weights) - 1:
                nodes.append(helper.make_node("Relu", [value], [f"positive.{place}"]))
                value = f"positive.{place}"
        constants.append(numpy_helper.from_array(np.array([1, 2]), "axes"))
        nodes.append(helper.make_node("ReduceMean", [value, "axes"], ["logits"], keepdims=0))
        graph = helper.make_graph(
            nodes,
            "chain",
            [helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, [1, 3, SIDE, SIDE])],
            [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, CLASSES])],
            constants,
        )
        opsets = [helper.make_opsetid("", 20)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
        onnx.save(onnx.shape_inference.infer_shapes(model), path)
        return OnnxModel.read(path)

    def inputs(self, images: Array) -> list[Array]:
        """What each layer reads, float64 [B,8,8,K]."""
        found: list[Array] = []
        self.logits(images, (), {}, found)
        return found

    def logits(
        self,
        images: Array,
        quantized: Collection[int] = (),
        largest: dict[int, float] | None = None,
        seen: list[Array] | None = None,
    ) -> Array:
        """[B,5] float64 of images [B,3,8,8], with the layers of these places in 8 bits."""
        value = np.moveaxis(np.asarray(images, float), 1, -1)
        for place, weight in enumerate(self.weights):
            if place == OUTLIER:
                value = value * self.factors.astype(float)
            if seen is not None:
                seen.append(value)
            factor = weight.astype(float)
            if place in quantized:
                assert largest is not None
                value = _rounded(value, largest[place] / 127)
                factor = _rounded(factor, np.abs(factor).max(axis=0) / 127)
            value = value @ factor
            if place < len(self.weights) - 1:
                value = np.maximum(value, 0)
        return np.asarray(value.mean(axis=(1, 2)))


def chain(rng: np.random.Generator) -> Chain:
    """A chain with random weights."""
    weights = [rng.standard_normal(each).astype(np.float32) / each[0] ** 0.5 for each in _FEATURES]
    factors = np.ones(_FEATURES[OUTLIER][0], np.float32)
    factors[0] = _LARGE
    weights[OUTLIER - 1][:, 0] = np.abs(weights[OUTLIER - 1][:, 0])  # no ReLU cuts it off
    weights[OUTLIER][0] /= 10 * _LARGE
    return Chain(tuple(weights), factors)


def pictures(rng: np.random.Generator, model: OnnxModel, count: int) -> CalibrationImages:
    """Random images of the size of a chain, for calibration."""
    sources: Sequence[Array] = rng.integers(0, 256, (count, SIDE, SIDE, 3), dtype=np.uint8)
    sized = IMAGENET_PREPROCESSING.for_size((SIDE, SIDE))
    return CalibrationImages({"random": "0" * 64}, list(sources), model, sized)


def _rounded(values: Array, scale: Any) -> Array:
    return np.asarray(np.clip(np.rint(values / scale), -127, 127) * scale)
