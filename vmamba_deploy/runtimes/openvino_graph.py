"""What OpenVINO's plugin for the CPU computes faster where the graph is written otherwise; the
numbers stay, but for their rounding.

A rewrite changes what it knows to be right for inputs of every shape, and leaves all else alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

_TO_CHANNELS_LAST = [0, 2, 3, 1]
_CONVOLUTIONS = ("Convolution", "GroupConvolution")


def rewrite(model: Any) -> None:
    """Do what is right for every shape of the inputs.

    Args:
        model: an `openvino.Model`, which is changed.
    """
    fuse_silu_into_convolutions(model)
    fold_norms_into_products(model)


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
        redirect(product.output(0).get_target_inputs(), result)
        moved += 1
    if moved:
        model.validate_nodes_and_infer_types()
    return moved


def fold_norms_into_products(model: Any) -> int:
    """Multiply scale and shift of a LayerNorm into the weights of the products that read it.

    (n * scale + shift) W is n (diag(scale) W) + shift W; the plugin computes that last addition
    within the product, and has no node for the scale and the shift any more. Done where nothing but
    products with float32 weights reads the LayerNorm.

    Args:
        model: an `openvino.Model`, which is changed.

    Returns:
        How many LayerNorms lost their scale and shift.
    """
    folded = 0
    for shifted in model.get_ordered_ops():
        affine = _affine_of_norm(shifted)
        if affine is None:
            continue
        readers = shifted.output(0).get_target_inputs()
        if not all(_is_linear(reader, len(affine[1])) for reader in readers):
            continue
        for reader in readers:
            _fold(reader.get_node(), *affine)
        folded += 1
    if folded:
        model.validate_nodes_and_infer_types()
    return folded


def redirect(readers: Iterable[Any], node: Any) -> None:
    """Let inputs of nodes read another one's output."""
    for reader in readers:
        reader.replace_source_output(node.output(0))


def _affine_of_norm(shifted: Any) -> tuple[Any, npt.NDArray[Any], npt.NDArray[Any]] | None:
    """The MVN's value, the scale [C] and the shift [C] that a node makes a LayerNorm of [..., C]
    from; None of any other node."""
    scaled, shift = _split_vector(shifted, "Add")
    if scaled is None or len(scaled.get_target_inputs()) != 1:
        return None
    norm, scale = _split_vector(scaled.get_node(), "Multiply")
    if norm is None or norm.get_node().get_type_name() != "MVN":
        return None
    channels = norm.get_partial_shape()[-1]
    is_whole = channels.is_static and channels.get_length() == len(scale) == len(shift)
    return (norm, scale, shift) if is_whole else None


def _split_vector(node: Any, kind: str) -> tuple[Any, Any]:
    """What a node of a type combines with a float32 vector, and the vector; or None twice."""
    if node.get_type_name() == kind:
        values = node.input_values()
        for value, other in (values, values[::-1]):
            vector = _float32(other)
            if vector is not None and vector.ndim == 1:
                return value, vector
    return None, None


def _float32(value: Any) -> npt.NDArray[Any] | None:
    """The data of a float32 constant; None of any other value."""
    node = value.get_node()
    if node.get_type_name() != "Constant" or node.data.dtype != np.float32:
        return None
    data: npt.NDArray[Any] = node.data
    return data


def _is_linear(reader: Any, channels: int) -> bool:
    """Whether who reads a value [..., C] multiplies it by a float32 matrix of C rows."""
    product = reader.get_node()
    if product.get_type_name() != "MatMul" or reader.get_index() != 0:
        return False
    matrix = _float32(product.input_value(1))
    flags = product.get_attributes()
    if matrix is None or matrix.ndim != 2 or flags["transpose_a"]:
        return False
    return bool(matrix.shape[1 if flags["transpose_b"] else 0] == channels)


def _fold(product: Any, norm: Any, scale: npt.NDArray[Any], shift: npt.NDArray[Any]) -> None:
    from openvino import opset13

    data = product.input_value(1).get_node().data
    matrix = data.T if product.get_attributes()["transpose_b"] else data
    matrix = matrix.astype(np.float64)  # for one rounding, not several
    weight, bias = scale.astype(np.float64)[:, None] * matrix, shift.astype(np.float64) @ matrix
    folded = opset13.matmul(norm, weight.astype(np.float32), False, False)
    folded.set_friendly_name(product.get_friendly_name())
    readers = product.output(0).get_target_inputs()
    redirect(readers, opset13.add(folded, bias.astype(np.float32)))


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
