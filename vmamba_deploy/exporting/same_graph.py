"""Whether two graphs compute the same: node for node from the outputs on, whatever their names."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy.typing as npt
import onnx_ir as ir

from vmamba_deploy.exporting.dequantize import constant

if TYPE_CHECKING:
    Array = npt.NDArray[Any]

SameConstant = Callable[[str, "Array", "Array"], str | None]
"""Told the name and the values in both graphs; returns what is wrong, None when nothing is."""


def graph_differences(wanted: ir.Model, got: ir.Model, same_constant: SameConstant) -> list[str]:
    """Where the main graphs differ: inputs, nodes, attributes, connections, constants.

    Args:
        wanted: as it should be; names in messages are its.
        got: the other.
        same_constant: judges each pair of constants that nodes read.

    Returns:
        Sentences without a full stop; empty for equal graphs. A node that differs is told once, and
        what feeds it is not looked at.
    """
    walk = _Walk(same_constant)
    pairs = (("inputs", "input"), ("outputs", "output"))
    for attribute, noun in pairs:
        ours, theirs = getattr(wanted.graph, attribute), getattr(got.graph, attribute)
        names = [value.name for value in ours], [value.name for value in theirs]
        if names[0] != names[1]:
            walk.found.append(f"the {noun}s are {names[1]}, expected {names[0]}")
    for ours, theirs in zip(wanted.graph.outputs, got.graph.outputs, strict=False):
        walk.values(ours, theirs)
    return walk.found


class _Walk:
    def __init__(self, same_constant: SameConstant) -> None:
        self._same_constant = same_constant
        self._seen: dict[ir.Value, ir.Value] = {}
        self.found: list[str] = []

    def values(self, wanted: ir.Value, got: ir.Value) -> None:
        """Compare what makes two values, and what makes that."""
        waiting = [(wanted, got)]
        while waiting:
            ours, theirs = waiting.pop()
            if ours in self._seen:
                if self._seen[ours] is not theirs and constant(ours) is None:
                    self.found.append(f"{ours.name} is made twice")
                continue
            self._seen[ours] = theirs
            waiting += self._pairs(ours, theirs)

    def _pairs(self, ours: ir.Value, theirs: ir.Value) -> list[tuple[ir.Value, ir.Value]]:
        """What two values are made of, value by value; empty where that differs or ends."""
        arrays = constant(ours), constant(theirs)
        if arrays[0] is not None and arrays[1] is not None:
            self._tell(self._same_constant(ours.name or "", arrays[0], arrays[1]))
            return []
        made = ours.producer(), theirs.producer()
        if made[0] is None or made[1] is None:
            equal = made == (None, None) and arrays == (None, None) and ours.name == theirs.name
            self._tell(None if equal else f"{ours.name} is {theirs.name} there")
            return []
        if fault := _node_fault(made[0], made[1], ours, theirs):
            self._tell(fault)
            return []
        pairs = zip(made[0].inputs, made[1].inputs, strict=True)
        return [(one, two) for one, two in pairs if one is not None and two is not None]

    def _tell(self, fault: str | None) -> None:
        if fault is not None:
            self.found.append(fault)


def _node_fault(ours: ir.Node, theirs: ir.Node, one: ir.Value, two: ir.Value) -> str | None:
    kinds = (ours.domain, ours.op_type), (theirs.domain, theirs.op_type)
    if kinds[0] != kinds[1]:
        return f"{one.name} is made by {kinds[1][1]}, expected {kinds[0][1]}"
    if one.index() != two.index():
        return f"{one.name} is another output of its {ours.op_type}"
    absent = [[value is None for value in node.inputs] for node in (ours, theirs)]
    if absent[0] != absent[1]:
        return f"the {ours.op_type} of {one.name} has other inputs"
    said = [
        {name: str(attribute.value) for name, attribute in node.attributes.items()}
        for node in (ours, theirs)
    ]
    if said[0] != said[1]:
        return f"the {ours.op_type} of {one.name} has attributes {said[1]}, expected {said[0]}"
    return None
