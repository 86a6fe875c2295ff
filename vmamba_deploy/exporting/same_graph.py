"""Whether two graphs compute the same: node for node from the outputs on, whatever their names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import onnx_ir as ir

from vmamba_deploy.exporting.dequantize import constant

SameConstant = Callable[[ir.Value, ir.Value], str | None]
"""Told a constant of both graphs; returns what is wrong, None when nothing is."""


@dataclass(frozen=True)
class Difference:
    """Where two graphs part.

    Attributes:
        kind: `interface`, of inputs and outputs; `nodes`, where another operator stands or
            something else is read; `attributes`, of the same operator; `constants`.
        text: a sentence without a full stop.
    """

    kind: Literal["interface", "nodes", "attributes", "constants"]
    text: str


def graph_differences(
    wanted: ir.Model, got: ir.Model, same_constant: SameConstant
) -> list[Difference]:
    """Where the main graphs differ: inputs, nodes, attributes, connections, constants.

    Args:
        wanted: as it should be; names in messages are its.
        got: the other.
        same_constant: judges each pair of constants that nodes read.

    Returns:
        Empty for equal graphs. A node that differs is told once, and what feeds it is not looked
        at.
    """
    walk = _Walk(same_constant)
    for attribute, noun in (("inputs", "input"), ("outputs", "output")):
        ours, theirs = getattr(wanted.graph, attribute), getattr(got.graph, attribute)
        said = [[_described(value) for value in values] for values in (ours, theirs)]
        if said[0] != said[1]:
            text = f"the {noun}s are {', '.join(said[1])}, expected {', '.join(said[0])}"
            walk.found.append(Difference("interface", text))
    for ours, theirs in zip(wanted.graph.outputs, got.graph.outputs, strict=False):
        walk.values(ours, theirs)
    return walk.found


def _described(value: ir.Value) -> str:
    shape = "" if value.shape is None else str(value.shape)
    return f"{value.name} {value.dtype}{shape}"


class _Walk:
    def __init__(self, same_constant: SameConstant) -> None:
        self._same_constant = same_constant
        self._seen: set[tuple[ir.Value, ir.Value]] = set()
        self.found: list[Difference] = []

    def values(self, wanted: ir.Value, got: ir.Value) -> None:
        """Compare what makes two values, and what makes that.

        Two nodes of one graph that compute the same may meet one of the other: a cast that a
        quantized layer no longer shares, a constant that is stored once.
        """
        waiting = [(wanted, got)]
        while waiting:
            pair = waiting.pop()
            if pair not in self._seen:
                self._seen.add(pair)
                waiting += self._pairs(*pair)

    def _pairs(self, ours: ir.Value, theirs: ir.Value) -> list[tuple[ir.Value, ir.Value]]:
        """What two values are made of, value by value; empty where that differs or ends."""
        if constant(ours) is not None and constant(theirs) is not None:
            self._tell("constants", self._same_constant(ours, theirs))
            return []
        made = ours.producer(), theirs.producer()
        if made[0] is None or made[1] is None:
            inputs = ours.is_graph_input() and theirs.is_graph_input()
            equal = inputs and ours.name == theirs.name
            self._tell("nodes", None if equal else f"{ours.name} is {theirs.name} there")
            return []
        if fault := _node_fault(made[0], made[1], ours, theirs):
            self.found.append(fault)
            return []
        pairs = zip(made[0].inputs, made[1].inputs, strict=True)
        return [(one, two) for one, two in pairs if one is not None and two is not None]

    def _tell(self, kind: Literal["nodes", "constants"], fault: str | None) -> None:
        if fault is not None:
            self.found.append(Difference(kind, fault))


def _node_fault(ours: ir.Node, theirs: ir.Node, one: ir.Value, two: ir.Value) -> Difference | None:
    kinds = (ours.domain, ours.op_type), (theirs.domain, theirs.op_type)
    if kinds[0] != kinds[1]:
        return Difference("nodes", f"{one.name} is made by {kinds[1][1]}, expected {kinds[0][1]}")
    if one.index() != two.index():
        return Difference("nodes", f"{one.name} is another output of its {ours.op_type}")
    absent = [[value is None for value in node.inputs] for node in (ours, theirs)]
    if absent[0] != absent[1]:
        return Difference("nodes", f"the {ours.op_type} of {one.name} has other inputs")
    said = attributes_of(ours), attributes_of(theirs)
    if said[0] != said[1]:
        text = f"the {ours.op_type} of {one.name} has attributes {said[1]}, expected {said[0]}"
        return Difference("attributes", text)
    return None


def attributes_of(node: ir.Node) -> dict[str, str]:
    """Of a node, as text by name."""
    return {name: _text(attribute) for name, attribute in sorted(node.attributes.items())}


def _text(attribute: ir.Attr) -> str:
    if attribute.type is ir.AttributeType.TENSOR and not attribute.is_ref():
        tensor = attribute.as_tensor()  # whose own text leaves out the middle of a large one
        return f"{tensor.dtype}{tensor.shape}{tensor.numpy().tolist()}"
    return str(attribute.value)
