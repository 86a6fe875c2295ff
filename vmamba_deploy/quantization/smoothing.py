"""By which powers of two the channels of a layer's input are divided, before it is quantized.

An estimate says what a layer gains; where that is little, it stays as it is. What all of them
gain together is then measured (`pipeline.quantize`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir
from msgspec.structs import replace
from onnx_ir.passes import InPlacePass, PassResult

from vmamba_deploy import native
from vmamba_deploy.artifacts.quantization_facts import (
    LARGEST_EXPONENT,
    LayerFacts,
    QuantizationFacts,
    letters_of,
)
from vmamba_deploy.errors import InputFileError
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.exporting.smooth import NormedLayer, normed_layers
from vmamba_deploy.quantization.arrays import CalibrationArrays
from vmamba_deploy.quantization.calibration import Progress
from vmamba_deploy.quantization.images import CalibrationImages
from vmamba_deploy.runtimes.onnxruntime import CUSTOM_OP_LIBRARY, create_session, explained

if TYPE_CHECKING:
    Array = npt.NDArray[Any]

_GAIN = 2.0
"""What a layer's expected error must fall by."""
_STRENGTHS = (0.3, 0.4, 0.5, 0.6, 0.7)
_OFFSETS = tuple(place / 8 for place in range(8))
"""Of the exponents before they are rounded: which way that falls for each decides a lot."""
_LEAST = 1e-5
_LARGEST, _SQUARE = "channel_largest__", "channel_square__"


@dataclass(frozen=True)
class Channels:
    """Of the input of a layer, over all images.

    Attributes:
        largest: absolute value in each channel, [K].
        square: mean of the squares in each channel, [K].
    """

    largest: Array
    square: Array


def smooth(
    base: OnnxModel,
    facts: QuantizationFacts,
    images: CalibrationImages | CalibrationArrays,
    progress: Progress,
) -> QuantizationFacts:
    """Choose factors for those layers that gain by them.

    Args:
        base: the file before.
        facts: of its calibration.
        images: that it was calibrated on.
        progress: told the fraction done.

    Returns:
        The record with factors, and with the ranges that the inputs then have.

    Raises:
        InputFileError: an image cannot be read, or the network not run on it.
    """
    layers = [one for one in normed_layers(base.ir) if one.layer.name in facts.quantized]
    if not layers:
        return facts
    seen = _observed(base, layers, images, progress)
    found: dict[str, LayerFacts] = {}
    told = {layer.name: layer for layer in facts.layers}
    for normed, channels in zip(layers, seen, strict=True):
        assert normed.layer.weight.const_value is not None
        exponents = best_exponents(channels, normed.layer.weight.const_value.numpy())
        if exponents is not None:
            largest = float(np.max(channels.largest / np.exp2(exponents)))
            found[normed.layer.name] = replace(
                told[normed.layer.name], largest=largest, smoothed=letters_of(exponents)
            )
    return replace(facts, layers=tuple(found.get(one.name, one) for one in facts.layers))


def best_exponents(channels: Channels, weight: Array) -> tuple[int, ...] | None:
    """Exponents of 2, one a channel, with which a layer's expected error is least.

    Candidates are log2(a^t / w^(1-t)) for strengths t, with a and w the largest absolute values of
    a channel and of its row of the weight, rounded to whole numbers.

    Args:
        channels: of the input.
        weight: [K,N].

    Returns:
        None where the error falls by less than a factor of `_GAIN`, or the weight would be beyond
        its dtype.
    """
    values = np.asarray(weight, np.float64)
    rows = np.maximum(np.abs(values).max(axis=1), _LEAST)
    logs = np.log2(np.maximum(channels.largest, _LEAST)), np.log2(rows)
    best, least = None, expected_error(channels, values, np.ones(len(rows))) / _GAIN
    for exponents in _candidates(*logs):
        factors = np.exp2(exponents)
        error = expected_error(channels, values, factors)
        if error < least and np.max(rows * factors) < np.finfo(weight.dtype).max:
            best, least = exponents, error
    return None if best is None else tuple(map(int, best))


def _candidates(largest: Array, rows: Array) -> Iterator[Array]:
    for strength, offset in product(_STRENGTHS, _OFFSETS):
        wanted = strength * largest - (1 - strength) * rows
        exponents = np.rint(wanted - wanted.mean() + offset)
        yield np.clip(exponents, -LARGEST_EXPONENT, LARGEST_EXPONENT)


def expected_error(channels: Channels, weight: Array, factors: Array) -> float:
    """Up to a constant, the mean square of what rounding changes a layer's result by.

    The steps of the input are as wide as its largest channel says, and each row of the weight
    multiplies their errors; the steps of a column of the weight as its largest number says, and
    each channel of the input multiplies theirs.

    Args:
        channels: of the input, before it is divided.
        weight: [K,N], before its rows are multiplied.
        factors: [K].
    """
    scaled = np.abs(weight) * factors[:, None]
    of_input = np.max(channels.largest / factors) ** 2 * np.sum(scaled**2)
    of_weight = np.sum(scaled.max(axis=0) ** 2) * np.sum(channels.square / factors**2)
    return float(of_input + of_weight)


class ObserveChannels(InPlacePass):
    """Make the largest absolute value and the mean square of channels outputs of the main graph.

    Args:
        names: of values [..., K] in floating point.
    """

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self._names = names

    def call(self, model: ir.Model) -> PassResult:
        """Change `model`."""
        values = ir.convenience.create_value_mapping(model.graph)
        for index, name in enumerate(self._names):
            wide = ir.node("Cast", [values[name]], {"to": int(ir.DataType.FLOAT)})
            # [everything, K], whatever axes there are before the last.
            flat = ir.node("Flatten", wide.outputs, {"axis": -1})
            axes = ir.Value(
                name=f"channel_axes__{index}",
                type=ir.TensorType(ir.DataType.INT64),
                shape=ir.Shape([1]),
                const_value=ir.tensor([0], dtype=ir.DataType.INT64),
            )
            model.graph.register_initializer(axes)
            absolute = ir.node("Abs", flat.outputs)
            squared = ir.node("Mul", [flat.outputs[0], flat.outputs[0]])
            reduced = [
                _reduced("ReduceMax", absolute, axes, f"{_LARGEST}{index}"),
                _reduced("ReduceMean", squared, axes, f"{_SQUARE}{index}"),
            ]
            model.graph.extend([wide, flat, absolute, squared, *reduced])
            model.graph.outputs.extend(node.outputs[0] for node in reduced)
        return PassResult(model, bool(self._names))


def _reduced(op_type: str, node: ir.Node, axes: ir.Value, name: str) -> ir.Node:
    output = ir.Value(name=name, type=ir.TensorType(ir.DataType.FLOAT))
    return ir.node(op_type, [node.outputs[0], axes], {"keepdims": 0}, outputs=[output])


def _observed(
    base: OnnxModel,
    layers: Sequence[NormedLayer],
    images: CalibrationImages | CalibrationArrays,
    progress: Progress,
) -> list[Channels]:
    """What each layer reads, channel by channel."""
    names = [one.layer.source.name or "" for one in layers]
    probed = ObserveChannels(names)(base.ir.clone()).model
    session = create_session(probed, library=native.library_path(CUSTOM_OP_LIBRARY))
    largest, square = ([f"{kind}{i}" for i in range(len(names))] for kind in (_LARGEST, _SQUARE))
    found = [Channels(np.zeros(()), np.zeros(())) for _ in layers]
    for place, feed in enumerate(images.feeds()):
        progress("smoothing", place / len(images))
        with explained("run a calibration image", InputFileError):
            most, mean = session.run(largest, dict(feed)), session.run(square, dict(feed))
        found = [
            Channels(np.maximum(one.largest, a), one.square + b / len(images))
            for one, a, b in zip(found, most, mean, strict=True)
        ]
    return found


def exponents_of(facts: QuantizationFacts) -> Mapping[str, tuple[int, ...]]:
    """By name, of the layers that are smoothed."""
    return {one.name: one.exponents for one in facts.layers if one.exponents is not None}
