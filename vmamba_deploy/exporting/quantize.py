"""Layers in 8 bits: a pass that puts QuantizeLinear and DequantizeLinear around them.

Static and symmetric: the zero point is 0, the scale of a layer's input is one number from
calibration, that of its weight one for each output channel. Nothing stands behind a MatMul: a
runtime fuses the input's pair, the weight's DequantizeLinear and the MatMul into one product of
8-bit numbers. A convolution is one only where its result is in 8 bits as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import onnx_ir as ir
from onnx_ir.passes import InPlacePass, PassResult

from vmamba_deploy.exporting.layers import Layer, quantizable_layers

if TYPE_CHECKING:
    Array = npt.NDArray[Any]

GridName = Literal["int8", "fp8"]
_MANTISSA_BITS = 3
_LEAST_SUBNORMAL = 2.0**-9


@dataclass(frozen=True)
class Grid:
    """The numbers that a quantized value can have, times its scale.

    Attributes:
        name: of the precision.
        dtype: of the stored numbers.
        largest: of them; the scale makes it the largest value seen.
    """

    name: GridName
    dtype: ir.DataType
    largest: float

    def scale(self, largest: Array, dtype: ir.DataType) -> Array:
        """Scales for the largest absolute values, rounded up to what `dtype` can hold.

        So no value is clipped, and both nodes of a pair have the same scale, whatever their dtypes.
        """
        narrow = dtype.numpy()
        least = np.finfo(narrow).tiny
        wanted = np.maximum(np.asarray(largest, np.float64) / self.largest, float(least))
        scale = wanted.astype(narrow)
        return np.where(scale < wanted, np.nextafter(scale, np.asarray(np.inf, narrow)), scale)

    def rounded(self, values: Array, scale: Array) -> Array:
        """The stored numbers nearest to values, with scales of a shape that meets theirs."""
        exact = np.clip(
            np.asarray(values, np.float64) / np.asarray(scale, np.float64),
            -self.largest,
            self.largest,
        )
        if self.dtype is ir.DataType.INT8:
            exact = np.rint(exact)
        return exact.astype(self.dtype.numpy())


def half_steps(stored: Array) -> Array:
    """How far a value may be from a stored number that is nearest to it, in scales."""
    if np.issubdtype(stored.dtype, np.integer):
        return np.full(stored.shape, 0.5)
    magnitude = np.abs(stored.astype(np.float64))
    # Above a power of two the next number is further away than below it.
    power = np.exp2(np.floor(np.log2(np.maximum(magnitude, _LEAST_SUBNORMAL))))
    return np.maximum(power * 2.0**-_MANTISSA_BITS, _LEAST_SUBNORMAL) / 2


GRIDS: Mapping[str, Grid] = {
    grid.name: grid
    for grid in (
        Grid("int8", ir.DataType.INT8, 127.0),
        Grid("fp8", ir.DataType.FLOAT8E4M3FN, 448.0),
    )
}


class QuantizeLayers(InPlacePass):
    """Put the pair before each layer that is named, and store its weight in the grid's numbers.

    Args:
        grid: of the numbers.
        largest: absolute value of each layer's input, by the layer's name.
        results: likewise of what each convolution among them writes.
    """

    def __init__(
        self, grid: Grid, largest: Mapping[str, float], results: Mapping[str, float] | None = None
    ) -> None:
        super().__init__()
        self._grid, self._largest, self._results = grid, largest, results or {}

    def call(self, model: ir.Model) -> PassResult:
        """Change `model`."""
        graph = model.graph
        chosen = [layer for layer in quantizable_layers(model) if layer.name in self._largest]
        casts = {layer.node.inputs[0] for layer in chosen}
        pairs: dict[tuple[ir.Value, int], ir.Value] = {}
        weights: dict[ir.Value, ir.Value] = {}
        shared, places = self._largest_of_sources(chosen), _places(chosen)
        for layer, place in zip(chosen, places, strict=True):
            if (layer.source, place) not in pairs:
                pair = self._before(graph, layer, shared[layer.source], place)
                pairs[layer.source, place] = pair
            if layer.weight not in weights:
                weights[layer.weight] = self._weight(graph, layer)
        for layer, place in zip(chosen, places, strict=True):
            layer.node.replace_input_with(0, pairs[layer.source, place])
            layer.node.replace_input_with(1, weights[layer.weight])
        for layer in chosen:
            if layer.convolution:
                self._behind(graph, layer)
        _drop_unused(graph, [*casts], [*weights])
        return PassResult(model, bool(chosen))

    def _largest_of_sources(self, layers: list[Layer]) -> dict[ir.Value, float]:
        """Of layers that read the same map there is one scale."""
        found: dict[ir.Value, float] = {}
        for layer in layers:
            largest = max(found.get(layer.source, 0.0), self._largest[layer.name])
            found[layer.source] = largest
        return found

    def _before(self, graph: ir.Graph, layer: Layer, largest: float, place: int) -> ir.Value:
        """What a layer reads in place of its input."""
        product = layer.node.inputs[0]
        assert product is not None
        assert product.dtype is not None
        scale = self._grid.scale(np.asarray(largest), product.dtype)
        for _ in range(place):
            scale = np.nextafter(scale, np.asarray(np.inf, scale.dtype))
        name = f"{layer.source.name}__reader{place}" if place else f"{layer.source.name}"
        nodes = self._pair(graph, layer.source, scale, name)
        graph.insert_before(layer.node, nodes)
        return nodes[-1].outputs[0]

    def _behind(self, graph: ir.Graph, layer: Layer) -> None:
        """Let what reads a layer's result read it in 8 bits."""
        result, name = layer.result, layer.result.name
        assert result.dtype is not None
        scale = self._grid.scale(np.asarray(self._results[layer.name]), result.dtype)
        # What is read keeps its name.
        result.name = f"{name}_before"
        (reader,) = result.uses()
        nodes = self._pair(graph, result, scale, result.name)
        graph.insert_after(layer.node, nodes)
        whole = nodes[-1].outputs[0]
        whole.name = name
        reader.node.replace_input_with(reader.idx, whole)

    def _pair(self, graph: ir.Graph, source: ir.Value, scale: Array, name: str) -> list[ir.Node]:
        """The two nodes, of a map: the second gives it in the scale's dtype."""
        dtype = ir.DataType.from_numpy(scale.dtype)
        assert source.dtype is not None
        zero = self._initializer(
            graph, f"{name}_zero_point", np.zeros((), self._grid.dtype.numpy())
        )
        scales = [
            self._initializer(graph, f"{name}_scale", scale.astype(source.dtype.numpy())),
            self._initializer(graph, f"{name}_scale_out", scale)
            if dtype is not source.dtype
            else None,
        ]
        stored = ir.Value(
            name=f"{name}_quantized", type=ir.TensorType(self._grid.dtype), shape=source.shape
        )
        out = ir.Value(name=f"{name}_dequantized", type=ir.TensorType(dtype), shape=source.shape)
        nodes = [
            ir.node("QuantizeLinear", [source, scales[0], zero], outputs=[stored]),
            ir.node("DequantizeLinear", [stored, scales[1] or scales[0], zero], outputs=[out]),
        ]
        for node in nodes:
            node.name = f"{node.op_type}_{name}"
        return nodes

    def _weight(self, graph: ir.Graph, layer: Layer) -> ir.Value:
        weight = layer.weight
        assert weight.const_value is not None
        assert weight.dtype is not None
        assert weight.name is not None
        values, axis = weight.const_value.numpy(), layer.channel_axis
        others = tuple(one for one in range(values.ndim) if one != axis)
        largest = np.abs(values.astype(np.float64)).max(axis=others, keepdims=True)
        scales = self._grid.scale(largest, weight.dtype)
        name, dtype, shape = weight.name, weight.dtype, weight.shape
        stored = self._initializer(graph, f"{name}_quantized", self._grid.rounded(values, scales))
        inputs = [stored, self._initializer(graph, f"{name}_scale", scales.reshape(-1))]
        # The whole weight keeps its name, by which people and tools know it.
        weight.name = f"{name}_before"
        whole = ir.Value(name=name, type=ir.TensorType(dtype), shape=shape)
        node = ir.node("DequantizeLinear", inputs, {"axis": axis}, outputs=[whole])
        node.name = f"DequantizeLinear_{name}"
        graph.insert_before(layer.node, node)
        return whole

    @staticmethod
    def _initializer(graph: ir.Graph, name: str, values: Array) -> ir.Value:
        tensor = ir.tensor(values, name=name)
        value = ir.Value(
            name=name,
            type=ir.TensorType(tensor.dtype),
            shape=ir.Shape(values.shape),
            const_value=tensor,
        )
        graph.register_initializer(value)
        return value


def _places(layers: list[Layer]) -> list[int]:
    """For each layer, which pair of its map it reads.

    ONNX Runtime fuses a pair on a CPU that has one reader. It makes one of equal pairs first, so
    that theirs differ in the last bit of the scale. Over float16, which is for GPUs, all share one:
    TensorRT makes it a part of what gives the map.
    """
    readers: dict[ir.Value, int] = {}
    places = []
    for layer in layers:
        product = layer.node.inputs[0]
        alone = product is not None and product.dtype is ir.DataType.FLOAT
        places.append(readers.get(layer.source, 0) if alone else 0)
        readers[layer.source] = readers.get(layer.source, 0) + 1
    return places


def _drop_unused(graph: ir.Graph, values: list[ir.Value | None], weights: list[ir.Value]) -> None:
    for value in values:
        producer = value.producer() if value is not None else None
        unused = value is not None and not value.uses() and not value.is_graph_output()
        if producer is not None and producer.op_type == "Cast" and unused:
            graph.remove(producer, safe=True)
    for weight in weights:
        assert weight.name is not None
        if not weight.uses():
            del graph.initializers[weight.name]
