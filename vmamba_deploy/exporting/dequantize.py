"""A pass that takes QuantizeLinear and DequantizeLinear out of a graph, whoever put them in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir
from onnx_ir.passes import InPlacePass, PassResult

from vmamba_deploy.exporting.quantize import GridName

if TYPE_CHECKING:
    Array = npt.NDArray[Any]

QUANTIZE, DEQUANTIZE = "QuantizeLinear", "DequantizeLinear"
_INTEGER_OPS = ("MatMulInteger", "ConvInteger", "QLinearMatMul", "QLinearConv")


def quantized_as(model: ir.Model) -> GridName | None:
    """The quantized precision of a graph by what it dequantizes, or multiplies in integers.

    Returns:
        None of a graph without such nodes.
    """
    stored = [
        value.dtype
        for node in model.graph
        if node.op_type == DEQUANTIZE and not node.domain and (value := node.inputs[0]) is not None
    ]
    if not stored:
        return "int8" if integer_ops(model) else None
    return "fp8" if ir.DataType.FLOAT8E4M3FN in stored else "int8"


def integer_ops(model: ir.Model) -> list[str]:
    """The operators of a graph that multiply integers, and whose layer cannot be told any more."""
    present = {node.op_type for node in model.graph if not node.domain}
    return [name for name in _INTEGER_OPS if name in present]


class StripQuantization(InPlacePass):
    """Leave the graph that was quantized.

    A pair on a map is replaced by what it quantizes, with a cast where its two nodes have scales of
    different dtypes; a stored weight by its values in floating point.
    """

    def call(self, model: ir.Model) -> PassResult:
        """Change `model`."""
        graph, modified = model.graph, False
        for node in [one for one in graph if one.op_type == DEQUANTIZE and not one.domain]:
            whole = node.outputs[0]
            plain = _weight(graph, node) if _constant(node.inputs[0]) else _source(graph, node)
            if plain is None:
                continue
            given, name = whole.is_graph_output(), whole.name
            ir.convenience.replace_all_uses_with(whole, plain, replace_graph_outputs=True)
            graph.remove(node, safe=True)
            if given:
                plain.type, plain.shape = whole.type, whole.shape
            if given or plain.is_initializer():
                plain.name = name
            modified = True
        for node in [one for one in graph if one.op_type == QUANTIZE and not one.domain]:
            if not node.outputs[0].uses():
                graph.remove(node, safe=True)
        for name, value in list(graph.initializers.items()):
            if not value.uses() and not value.is_graph_output():
                del graph.initializers[name]
        return PassResult(model, modified)


def _constant(value: ir.Value | None) -> bool:
    return value is not None and constant(value) is not None


def constant(value: ir.Value) -> Array | None:
    """What an initializer or a Constant holds; None of any other value."""
    if value.is_initializer() and value.const_value is not None:
        return value.const_value.numpy()
    producer = value.producer()
    if producer is not None and producer.op_type == "Constant" and "value" in producer.attributes:
        return producer.attributes["value"].as_tensor().numpy()
    return None


def _source(graph: ir.Graph, node: ir.Node) -> ir.Value | None:
    stored, scale = node.inputs[0], node.inputs[1]
    assert stored is not None
    assert scale is not None
    quantize = stored.producer()
    if quantize is None or quantize.op_type != QUANTIZE:
        return None
    source = quantize.inputs[0]
    assert source is not None
    if source.dtype is None or scale.dtype is None or source.dtype is scale.dtype:
        return source
    cast = ir.Value(
        name=f"{node.outputs[0].name}_cast", type=ir.TensorType(scale.dtype), shape=source.shape
    )
    graph.insert_before(node, ir.node("Cast", [source], {"to": int(scale.dtype)}, outputs=[cast]))
    return cast


def _weight(graph: ir.Graph, node: ir.Node) -> ir.Value:
    values = dequantized(node)
    tensor = ir.tensor(values)
    value = ir.Value(
        name=f"{node.outputs[0].name}_stripped",
        type=ir.TensorType(tensor.dtype),
        shape=ir.Shape(values.shape),
        const_value=tensor,
    )
    graph.register_initializer(value)
    return value


def dequantized(node: ir.Node) -> Array:
    """The values of a DequantizeLinear of constants, computed in float32, in its scale's dtype.

    Source: the operator's text in ONNX, y = (x - zero_point) * scale; `block_size` is not for
    weights of 8 bits and is refused.

    Raises:
        ValueError: blocks of scales, a scale that is no constant, or others than one a channel.
    """
    arrays = [constant(value) if value is not None else None for value in node.inputs]
    stored, scale, *rest = arrays
    if stored is None or scale is None or "block_size" in node.attributes:
        raise ValueError(f"node {node.name} has no constant scales, one a channel")
    zero = rest[0] if rest else None
    shifted = stored.astype(np.float32)
    if zero is not None:
        shifted = shifted - along_axis(node, zero.astype(np.float32), stored.shape)
    whole = shifted * along_axis(node, scale.astype(np.float32), stored.shape)
    return whole.astype(scale.dtype)


def along_axis(node: ir.Node, values: Array, meets: tuple[int, ...]) -> Array:
    """Scales or zero points of a node, shaped to meet what it dequantizes.

    Raises:
        ValueError: there are others than one for each place along its axis.
    """
    axis = node.attributes["axis"].as_int() if "axis" in node.attributes else 1
    if values.size == 1:
        return values.reshape(())
    ndim = len(meets)
    if not -ndim <= axis < ndim or values.shape != (meets[axis],):
        raise ValueError(
            f"node {node.name} has other scales than one for each place along its axis"
        )
    shape = [1] * ndim
    shape[axis] = values.size
    return values.reshape(shape)
