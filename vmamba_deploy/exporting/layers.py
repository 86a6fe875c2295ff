"""The layers of a graph that can be in 8 bits: products of a map with a constant weight."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

import onnx_ir as ir

from vmamba_deploy.ops.registry import OPS

LINEAR, CONVOLUTION = "MatMul", "Conv"
_SUFFIXES = ("_transposed", ".weight", "_weight")
_FEWEST_CHANNELS = 16
"""That a convolution reads: those of an image are few, and its product is small."""


@dataclass(frozen=True, eq=False)
class Layer:
    """A linear layer or a convolution, with K numbers of its input in each of its N outputs.

    Attributes:
        name: of its module, or of its weight.
        node: the MatMul or Conv.
        source: what it multiplies, before it was cast to the network's precision.
        weight: the initializer, [K,N] of a MatMul, [N,channels,height,width] of a Conv.
    """

    name: str
    node: ir.Node
    source: ir.Value
    weight: ir.Value

    @property
    def convolution(self) -> bool:
        """Whether it is one; runtimes compute those in 8 bits whose result is, too."""
        return self.node.op_type == CONVOLUTION

    @property
    def result(self) -> ir.Value:
        """What it writes."""
        return self.node.outputs[0]

    @property
    def channel_axis(self) -> int:
        """The weight's axis of the N outputs."""
        return 0 if self.convolution else 1

    @property
    def features(self) -> tuple[int, int]:
        """(K, N)."""
        assert self.weight.const_value is not None
        shape = self.weight.const_value.shape.numpy()
        outputs = shape[self.channel_axis]
        return prod(shape) // outputs, outputs

    @property
    def beside_scan(self) -> bool:
        """Whether an op of ours reads the same map, so that it is needed in full as well."""
        readers = [use.node for use in self.source.uses()]
        return any((node.domain, node.op_type) in OPS for node in readers)


def quantizable_layers(model: ir.Model) -> Iterator[Layer]:
    """The layers of the main graph, in its order.

    Of a Gemm, a head or a layer of a detector's, no runtime fuses a pair on the input alone. A
    depthwise convolution multiplies too little to gain, and so does one of an image. One whose
    result has several readers ONNX Runtime does not fuse either, and what the network itself gives
    is not rounded to 8 bits.

    The second of two products around a map, R x C^T with a constant R, is none either: that is how
    a map is pooled or resized, and C follows from the sizes, in float32 in every precision.
    """
    for node in model.graph:
        if node.domain or node.op_type not in (LINEAR, CONVOLUTION):
            continue
        source, weight = node.inputs[:2]
        if source is None or weight is None or not weight.is_initializer():
            continue
        if weight.const_value is None or not _can_be(node, weight.const_value.shape.numpy()):
            continue
        yield Layer(_name_of(weight), node, _before_cast(source), weight)


def _can_be(node: ir.Node, shape: Sequence[int]) -> bool:
    if node.op_type == LINEAR:
        source = node.inputs[0]
        assert source is not None
        return len(shape) == 2 and not _multiplies_rows(source.producer())
    group = node.attributes["group"].as_int() if "group" in node.attributes else 1
    result = node.outputs[0]
    if len(result.uses()) != 1 or result.is_graph_output():
        return False
    return len(shape) == 4 and group == 1 and shape[1] >= _FEWEST_CHANNELS


def _multiplies_rows(node: ir.Node | None) -> bool:
    """Whether a node is the product of a constant with a map."""
    if node is None or node.op_type != LINEAR or node.domain:
        return False
    left = node.inputs[0]
    return left is not None and left.is_initializer()


def _name_of(weight: ir.Value) -> str:
    name = weight.name or ""
    for suffix in _SUFFIXES:
        name = name.removesuffix(suffix)
    return name


def _before_cast(value: ir.Value) -> ir.Value:
    """What was cast to the network's precision: a pair takes the place of the cast."""
    producer = value.producer()
    if producer is None or producer.op_type != "Cast" or producer.domain:
        return value
    wide = producer.inputs[0]
    return wide if wide is not None and wide.dtype is ir.DataType.FLOAT else value
