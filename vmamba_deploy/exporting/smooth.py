"""A pass that moves what some channels are larger by from a layer's input into its weight.

The range of a map is that of its largest channel, and what is left of 8 bits for the others may be
few steps. As x W = (x / s) (s W) for any factors s of the channels, those can be brought nearer to
each other; and dividing costs nothing where a LayerNorm gives x, for its scale and shift are
divided. The factors are powers of two here, so that both sides are exact: the network computes what
it did, but for numbers that become too small for float16.

Source: SmoothQuant (Xiao et al. 2022, arXiv:2211.10438), whose factors are any numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir
from onnx_ir.passes import InPlacePass, PassResult

from vmamba_deploy.exporting.layers import Layer, quantizable_layers

if TYPE_CHECKING:
    Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class NormedLayer:
    """A linear layer, and the norm that its input's channels are multiples of.

    Attributes:
        layer: nothing else reads what it reads.
        norm: a LayerNormalization with a constant scale [K], and shift if it has one; between the
            two there are casts and products with gates alone.
    """

    layer: Layer
    norm: ir.Node

    @property
    def parameters(self) -> list[ir.Value]:
        """Scale and shift of the norm, [K] each."""
        return [value for value in self.norm.inputs[1:] if value is not None]


def normed_layers(model: ir.Model) -> Iterator[NormedLayer]:
    """The layers of the main graph whose input can be smoothed, in its order."""
    for layer in quantizable_layers(model):
        if layer.convolution:
            continue
        norm = _norm_behind(layer.node.inputs[0])
        if norm is not None and len(layer.weight.uses()) == 1:
            normed = NormedLayer(layer, norm)
            if all(_is_own(value, layer.features[0]) for value in normed.parameters):
                yield normed


class SmoothLayers(InPlacePass):
    """Divide what layers read by powers of two, and multiply the rows of their weights.

    Args:
        exponents: of 2, one for each channel of the input, by the layer's name.
    """

    def __init__(self, exponents: Mapping[str, Sequence[int]]) -> None:
        super().__init__()
        self._exponents = exponents

    def call(self, model: ir.Model) -> PassResult:
        """Change `model`.

        Raises:
            ValueError: a layer that cannot be smoothed, or has another number of channels.
        """
        layers = {normed.layer.name: normed for normed in normed_layers(model)}
        for name, exponents in self._exponents.items():
            normed = layers.get(name)
            if normed is None or normed.layer.features[0] != len(exponents):
                raise ValueError(f"{name} has no norm of {len(exponents)} channels before it")
            factors = np.exp2(np.asarray(exponents, float))
            for value in normed.parameters:
                _multiply(value, 1 / factors)
            _multiply(normed.layer.weight, factors[:, None])
        return PassResult(model, bool(self._exponents))


def _norm_behind(value: ir.Value | None) -> ir.Node | None:
    """The norm whose channels a value's are multiples of, where it is read for that alone."""
    if value is None or value.is_graph_output() or len(value.uses()) != 1:
        return None
    node = value.producer()
    if node is None or node.domain:
        return None
    if node.op_type == "LayerNormalization":
        return node
    # Of a product either side may be divided.
    sources = {"Cast": node.inputs[:1], "Mul": node.inputs}.get(node.op_type, ())
    return next((norm for norm in map(_norm_behind, sources) if norm is not None), None)


def _is_own(value: ir.Value, channels: int) -> bool:
    """Whether it is a constant of so many numbers that nothing else reads."""
    if not value.is_initializer() or value.const_value is None or len(value.uses()) != 1:
        return False
    return value.const_value.shape.numpy() == (channels,)


def _multiply(value: ir.Value, factors: Array) -> None:
    assert value.const_value is not None
    values = value.const_value.numpy()
    product = (values.astype(np.float64) * factors).astype(values.dtype)
    value.const_value = ir.tensor(product, name=value.name)
