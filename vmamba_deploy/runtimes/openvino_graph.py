"""What OpenVINO's plugin for the CPU fuses, where the graph is turned for it; the numbers stay."""

from __future__ import annotations

from typing import Any

_TO_CHANNELS_LAST = [0, 2, 3, 1]
_CONVOLUTIONS = ("Convolution", "GroupConvolution")


def fuse_silu_into_convolutions(model: Any) -> int:
    """Let x * sigmoid(x) of a convolution's map come before the map is made channels-last.

    There the plugin computes it within the convolution. Behind the transposition it takes it for a
    node of its own, whose layout costs a copy of the map before and one after it.

    Args:
        model: an `openvino.Model`, which is changed.

    Returns:
        How many were moved.
    """
    from openvino import opset13

    moved = 0
    for product in model.get_ordered_ops():
        turned = _silu_of_turned_map(product)
        if turned is None:
            continue
        maps = turned.input_value(0)
        silu = opset13.multiply(maps, opset13.sigmoid(maps))
        silu.set_friendly_name(product.get_friendly_name())
        result = opset13.transpose(silu, turned.input_value(1))
        for taker in product.output(0).get_target_inputs():
            taker.replace_source_output(result.output(0))
        moved += 1
    if moved:
        model.validate_nodes_and_infer_types()
    return moved


def _silu_of_turned_map(product: Any) -> Any:
    """The transposition whose x * sigmoid(x) a node is; None where it is something else."""
    if product.get_type_name() != "Multiply":
        return None
    sources = [product.input_value(index) for index in range(2)]
    for turned, gate in (sources, sources[::-1]):
        sigmoid, transpose = gate.get_node(), turned.get_node()
        if (
            sigmoid.get_type_name() == "Sigmoid"
            and sigmoid.input_value(0) == turned
            and transpose.get_type_name() == "Transpose"
            and _is_channels_last(transpose)
            and _convolution_of(transpose.input_value(0)) is not None
        ):
            return transpose
    return None


def _is_channels_last(transpose: Any) -> bool:
    order = transpose.input_value(1).get_node()
    if order.get_type_name() != "Constant":
        return False
    return [int(axis) for axis in order.get_vector()] == _TO_CHANNELS_LAST


def _convolution_of(value: Any) -> Any:
    """The convolution that gives a value, its bias added or not."""
    node = value.get_node()
    if node.get_type_name() == "Add":
        node = node.input_value(0).get_node()
    return node if node.get_type_name() in _CONVOLUTIONS else None
