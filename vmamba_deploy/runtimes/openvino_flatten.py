"""Channels-last maps [B,H,W,C] as sequences [B,L,C], which OpenVINO's plugin for the CPU is good
at: it knows a LayerNorm of them as one node, and needs no copies around it."""

from __future__ import annotations

from typing import Any

import numpy as np

from vmamba_deploy.runtimes.openvino_graph import redirect

_OF_EACH_VALUE = ("Convert", "FakeQuantize", "Gelu", "Relu", "Sigmoid", "SoftPlus", "Swish", "Tanh")
_OF_TWO_VALUES = ("Add", "Divide", "Multiply", "Subtract")
_LAST_AXIS = ([-1], [3])


def flatten_maps(model: Any) -> int:
    """Let what treats each pixel of a map by itself, LayerNorms above all, work on [B,L,C].

    These are nodes that are connected with a LayerNorm by such nodes alone, on maps of known height
    and width. Where such a map comes from another node, or goes to one, it is reshaped, which
    copies nothing.

    Args:
        model: an `openvino.Model`, which is changed.

    Returns:
        How many nodes work on [B,L,C] now.
    """
    nodes = _around_norms([node for node in model.get_ordered_ops() if _treats_each_pixel(node)])
    own = {node.get_instance_id() for node in nodes}
    extents = [_extents(node.output(0)) for node in nodes]  # as long as all are maps
    _flatten_inputs(nodes, own)
    for node, (height, width, channels) in zip(nodes, extents, strict=True):
        targets = node.output(0).get_target_inputs()
        readers = [each for each in targets if each.get_node().get_instance_id() not in own]
        if readers:
            redirect(readers, _reshaped(node.output(0), height, width, channels))
    if nodes:
        model.validate_nodes_and_infer_types()
    return len(nodes)


def _flatten_inputs(nodes: list[Any], own: set[int]) -> None:
    from openvino import opset13

    flat: dict[Any, Any] = {}
    for node in nodes:
        for reader in node.inputs():
            source = reader.get_source_output()
            if not _is_map(source) or source.get_node().get_instance_id() in own:
                continue
            if source not in flat:
                height, width, channels = _extents(source)
                flat[source] = _reshaped(source, height * width, channels)
            redirect([reader], flat[source])
        if node.get_type_name() == "MVN":
            redirect([node.input(1)], opset13.constant(np.array([-1], np.int64)))


def _reshaped(value: Any, *extents: int) -> Any:
    """A value of other extents behind the batch, which stays as it is."""
    from openvino import opset13

    return opset13.reshape(value, np.array([0, *extents], np.int64), True)


def _around_norms(nodes: list[Any]) -> list[Any]:
    """Those of some nodes that are connected with an MVN among them by them alone."""
    candidates = {node.get_instance_id() for node in nodes}
    reached: set[int] = set()
    left = [node for node in nodes if node.get_type_name() == "MVN"]
    while left:
        node = left.pop()
        identity = node.get_instance_id()
        if identity in candidates and identity not in reached:
            reached.add(identity)
            left += [source.get_node() for source in node.input_values()]
            left += [reader.get_node() for reader in node.output(0).get_target_inputs()]
    return [node for node in nodes if node.get_instance_id() in reached]


def _treats_each_pixel(node: Any) -> bool:
    """Whether a node makes a map of maps so that a pixel of it is of that pixel alone."""
    if node.get_output_size() != 1 or not _is_map(node.output(0)):
        return False
    kind, sources = node.get_type_name(), node.input_values()
    if kind in _OF_TWO_VALUES:
        return all(_is_vector(each) or _has_extents_of(each, node.output(0)) for each in sources)
    if not sources or not _is_map(sources[0]):
        return False
    if kind == "MVN":
        return _integers(sources[1]) in _LAST_AXIS
    if kind == "MatMul":
        rank = sources[1].get_partial_shape().rank
        is_matrix = rank.is_static and rank.get_length() == 2
        return is_matrix and not node.get_attributes()["transpose_a"]
    return kind in _OF_EACH_VALUE and all(_is_vector(each) for each in sources[1:])


def _is_map(value: Any) -> bool:
    """Whether a value has four axes, and all but the batch are known."""
    shape = value.get_partial_shape()
    return (
        shape.rank.is_static
        and len(shape) == 4
        and all(shape[axis].is_static for axis in (1, 2, 3))
    )


def _extents(value: Any) -> tuple[int, int, int]:
    shape = value.get_partial_shape()
    return shape[1].get_length(), shape[2].get_length(), shape[3].get_length()


def _has_extents_of(value: Any, of: Any) -> bool:
    """Whether it has the height and the width of a map: none is repeated along them."""
    return _is_map(value) and _extents(value)[:2] == _extents(of)[:2]


def _is_vector(value: Any) -> bool:
    """Whether it has no axis but that of the channels."""
    shape = value.get_partial_shape()
    return bool(shape.rank.is_static and len(shape) <= 1)


def _integers(value: Any) -> list[int]:
    """Those of a constant, or of a range between constants, as ONNX's LayerNorm has; else none."""
    node = value.get_node()
    if node.get_type_name() == "Constant":
        return [int(each) for each in node.get_vector()]
    bounds = [_integers(each) for each in node.input_values()]
    if node.get_type_name() != "Range" or any(len(each) != 1 for each in bounds):
        return []
    return list(range(*(bound for (bound,) in bounds)))
