"""Whether a quantized file is its base: the graph once its quantization is taken out, and the
quantization itself against the record."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from vmamba_deploy.artifacts.quantization_facts import QuantizationFacts
from vmamba_deploy.exporting.dequantize import (
    DEQUANTIZE,
    QUANTIZE,
    StripQuantization,
    along_axis,
    constant,
)
from vmamba_deploy.exporting.layers import Layer, quantizable_layers
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.exporting.quantize import GRIDS, Grid, half_steps
from vmamba_deploy.exporting.same_graph import Difference, graph_differences
from vmamba_deploy.quantization.results import Check

if TYPE_CHECKING:
    Array = npt.NDArray[Any]

_NAMED = 5
# Of fp16, which a scale is rounded up in.
_ROUNDED_UP = 1 + 2.0**-9


def check_structure(base: OnnxModel, quantized: OnnxModel, facts: QuantizationFacts) -> Check:
    """Compare a quantized file with its base, node for node, and with its own record."""
    grid = GRIDS[quantized.precision]
    try:
        faults = [
            *_op_sets(base.ir, quantized.ir),
            *(one.text for one in differences(base.ir, quantized.ir)),
            *_functions_differ(base.ir, quantized.ir),
            *_record(base.ir, facts),
            *_Pairs(quantized.ir, facts, grid).faults(),
        ]
    except ValueError as error:
        faults = [str(error)]
    if faults:
        return Check("structure", "failed", listed(faults))
    count = facts.products
    return Check(
        "structure", "passed", f"the base's graph, and {count} layers within half a step of it"
    )


def listed(faults: list[str]) -> str:
    """The first of them, and how many there are more."""
    more = f", and {len(faults) - _NAMED} more" if len(faults) > _NAMED else ""
    return "; ".join(faults[:_NAMED]) + more


def differences(base: ir.Model, quantized: ir.Model) -> list[Difference]:
    """Where a graph is not its base once its quantization is taken out.

    A constant that is dequantized may be half a step off; any other is equal to the bit.

    Raises:
        ValueError: a stored constant that cannot be dequantized, for it has scales by block.
    """
    allowed = _allowed(quantized)
    stripped = StripQuantization()(quantized.clone()).model

    def fault(ours: ir.Value, theirs: ir.Value) -> str | None:
        wanted, got, name = constant(ours), constant(theirs), ours.name
        assert wanted is not None
        assert got is not None
        if wanted.shape != got.shape or wanted.dtype != got.dtype:
            return f"{name} is {got.dtype}{list(got.shape)}, not {wanted.dtype}{list(wanted.shape)}"
        if np.array_equal(_bits(wanted), _bits(got)):
            return None
        if theirs.name not in allowed:
            return f"{name} has other values"
        error = np.abs(wanted.astype(np.float64) - got.astype(np.float64))
        if not np.all(error <= allowed[theirs.name] + _rounding(wanted)):
            return f"{name} is further than half a step from the base's"
        return None

    return graph_differences(base, stripped, fault)


def _bits(values: Array) -> Array:
    return np.ascontiguousarray(values).reshape(-1).view(np.uint8)


def _rounding(values: Array) -> Array:
    """How far a stored number times its scale may be from that, in the values' own dtype."""
    numbers = np.finfo(values.dtype)
    relative = 2 * float(numbers.eps) * np.abs(values.astype(np.float64))
    return relative + float(numbers.smallest_subnormal)


def _allowed(model: ir.Model) -> dict[str, Array]:
    """By the name of each dequantized constant, how far it may be from what it was.

    Half of the distance of its neighbours; with a zero point, which is rounded itself, all of it.
    """
    found = {}
    for node in model.graph:
        if not _is(node, DEQUANTIZE):
            continue
        stored, scale = _held(node, 0), _held(node, 1)
        if stored is not None and scale is not None:
            step = along_axis(node, scale.astype(np.float64), stored.shape)
            zero = _held(node, 2)
            moved = 2 if zero is not None and np.any(zero.astype(float)) else 1
            found[node.outputs[0].name or ""] = moved * half_steps(stored) * step
    return found


def _op_sets(base: ir.Model, quantized: ir.Model) -> Iterator[str]:
    ours, theirs = dict(base.opset_imports), dict(quantized.opset_imports)
    if ours != theirs:
        yield f"its op sets are {theirs}, not {ours}"


def _functions_differ(base: ir.Model, quantized: ir.Model) -> Iterator[str]:
    if _functions(base) != _functions(quantized):
        yield "its functions are not the base's"


def _functions(model: ir.Model) -> dict[Any, bytes]:
    return {
        key: ir.serde.serialize_function(function).SerializeToString(deterministic=True)
        for key, function in model.functions.items()
    }


def _record(base: ir.Model, facts: QuantizationFacts) -> Iterator[str]:
    """What the record says of layers that the base does not have, or does not say."""
    named = [layer.name for layer in facts.layers]
    present = [layer.name for layer in quantizable_layers(base)]
    if named != present:
        other = sorted({*named} ^ {*present}) or ["their order"]
        yield f"the record has other layers than the base: {', '.join(other[:_NAMED])}"


def _is(node: ir.Node, op_type: str) -> bool:
    return node.op_type == op_type and not node.domain


def _held(node: ir.Node, place: int) -> Array | None:
    """The constant that a node reads there."""
    value = node.inputs[place] if place < len(node.inputs) else None
    return None if value is None else constant(value)


class _Pairs:
    """The nodes that quantize, against the record.

    Args:
        model: the quantized file.
        facts: its record.
        grid: of its precision.
    """

    def __init__(self, model: ir.Model, facts: QuantizationFacts, grid: Grid) -> None:
        self._model, self._facts, self._grid = model, facts, grid
        stripped = StripQuantization()(model.clone()).model
        layers = list(quantizable_layers(stripped))
        known = {(layer.node.op_type, layer.weight.name): layer for layer in layers}
        self._layers = {
            node: known[node.op_type, weight]
            for node in model.graph
            if not node.domain and (node.op_type, weight := _read(node, 1)) in known
        }
        self._largest = self._of_sources(layers)

    def _of_sources(self, layers: list[Layer]) -> dict[str, float]:
        """By layer, the largest value of what it reads, which others may read as well."""
        quantized = [layer for layer in layers if layer.name in self._facts.quantized]
        found: dict[ir.Value, float] = {}
        for layer in quantized:
            largest = self._facts.quantized[layer.name]
            found[layer.source] = max(largest, found.get(layer.source, 0.0))
        return {layer.name: found[layer.source] for layer in quantized}

    def faults(self) -> Iterator[str]:
        """What is not as the record says: which layers, their scales, their zero points."""
        done = set()
        for node in self._model.graph:
            if _is(node, DEQUANTIZE) or _is(node, QUANTIZE):
                yield from self._numbers(node)
                yield from self._readers(node)
            elif node in self._layers and any(map(_dequantizes, node.inputs[:2])):
                done.add(self._layers[node].name)
                yield from self._layer(node, self._layers[node])
        if missing := self._facts.quantized.keys() - done:
            yield f"{sorted(missing)[0]} is not quantized"

    def _numbers(self, node: ir.Node) -> Iterator[str]:
        """Of either node: its scale, its zero point, its dtype, and nothing else."""
        scale, zero = _held(node, 1), _held(node, 2)
        if scale is None or not (np.isfinite(scale).all() and (scale > 0).all()):
            yield f"{node.name} has a scale that is no positive number"
        if len(node.inputs) > 2 and (zero is None or np.any(zero.astype(float))):
            yield f"{node.name} has a zero point that is not 0"
        if said := node.attributes.keys() - {"axis"}:
            yield f"{node.name} has the attribute {sorted(said)[0]}"
        stored = _stored_dtype(node)
        if stored is not self._grid.dtype:
            name = "unknown" if stored is None else stored.name
            yield f"{node.name} has numbers of {name}, not {self._grid.dtype.name}"

    def _readers(self, node: ir.Node) -> Iterator[str]:
        """A pair stands around layers of the record, and nowhere else."""
        value = node.outputs[0]
        if self._of_a_result(node):
            return
        users = [use.node for use in value.uses()]
        if _is(node, QUANTIZE):
            strange = [user for user in users if not _is(user, DEQUANTIZE)]
        else:
            strange = [user for user in users if not self._is_quantized(user)]
        if strange or not users or value.is_graph_output():
            read = f"by {strange[0].op_type} {strange[0].name}" if strange else "by no layer"
            yield f"{node.name} is read {read}, and the record does not say so"

    def _is_quantized(self, node: ir.Node) -> bool:
        return node in self._layers and self._layers[node].name in self._facts.quantized

    def _of_a_result(self, dequantize: ir.Node) -> bool:
        """Whether a DequantizeLinear gives a convolution's result, which anything may read."""
        made = _quantized_by(dequantize)
        source = made.inputs[0].producer() if made is not None and made.inputs[0] else None
        if source is None or not self._is_quantized(source):
            return False
        return self._layers[source].convolution

    def _layer(self, node: ir.Node, layer: Layer) -> Iterator[str]:
        """Both inputs of a product are dequantized, with the scales that follow."""
        name = layer.name
        if name not in self._facts.quantized:
            yield f"{name} is quantized, and the record does not say so"
            return
        made = [value.producer() if value is not None else None for value in node.inputs[:2]]
        pair, weight = made
        if pair is None or weight is None or not all(map(_dequantizes, node.inputs[:2])):
            yield f"of {name} one input is quantized, and the other is not"
            return
        yield from self._range(pair, f"the input of {name}", self._largest[name])
        yield from self._steps(weight, layer)
        if layer.convolution:
            yield from self._result(node, name)

    def _result(self, node: ir.Node, name: str) -> Iterator[str]:
        """A convolution: what it writes is quantized, whoever reads it."""
        largest = self._facts.results.get(name)
        if largest is None:
            yield f"the record does not say what {name} writes"
            return
        quantizes = [use.node for use in node.outputs[0].uses()]
        if not quantizes or not all(_is(one, QUANTIZE) for one in quantizes):
            yield f"what {name} writes is not quantized"
            return
        for dequantize in [use.node for one in quantizes for use in one.outputs[0].uses()]:
            yield from self._range(dequantize, f"the output of {name}", largest)

    def _range(self, dequantize: ir.Node, what: str, largest: float) -> Iterator[str]:
        quantize = _quantized_by(dequantize)
        if quantize is None:
            yield f"{what} is dequantized, and nothing quantizes it"
            return
        scales = _held(quantize, 1), _held(dequantize, 1)
        if any(scale is None or scale.size != 1 for scale in scales):
            yield f"{what} has not one scale"
            return
        before, after = (scale for scale in scales if scale is not None)
        if float(before.item()) != float(after.item()):
            yield f"{what} is not dequantized with the scale that it is quantized with"
        covered = float(after.item()) * self._grid.largest
        if not covered >= largest * (1 - 2.0**-20):
            yield f"the range of {what} is less than {largest:.4g}, which it becomes"
        least = float(np.finfo(after.dtype).tiny) * self._grid.largest
        if covered > max(largest, least) * _ROUNDED_UP:
            yield f"the range of {what} is {covered:.4g}, and it becomes {largest:.4g} alone"

    def _steps(self, dequantize: ir.Node, layer: Layer) -> Iterator[str]:
        """Each channel of a weight uses the whole grid, or its steps would be wider than needed."""
        name, axis = layer.name, layer.channel_axis
        stored, scale = _held(dequantize, 0), _held(dequantize, 1)
        if stored is None or scale is None:
            yield f"the weight of {name} is not stored in 8 bits"
        elif scale.shape != stored.shape[axis : axis + 1]:
            yield f"the weight of {name} has scales {list(scale.shape)}, not one for each channel"
        else:
            others = tuple(one for one in range(stored.ndim) if one != axis)
            reached = np.abs(stored.astype(np.float64)).max(axis=others)
            tiny = scale <= 2 * np.finfo(scale.dtype).tiny
            if not np.all((reached >= self._grid.largest / _ROUNDED_UP - 0.5) | tiny):
                yield f"the steps of {name}'s weight are wider than they need be"


def _read(node: ir.Node, place: int) -> str | None:
    value = node.inputs[place] if place < len(node.inputs) else None
    return None if value is None else value.name


def _quantized_by(dequantize: ir.Node) -> ir.Node | None:
    """The QuantizeLinear of a pair."""
    stored = dequantize.inputs[0]
    made = stored.producer() if stored is not None else None
    return made if made is not None and _is(made, QUANTIZE) else None


def _dequantizes(value: ir.Value | None) -> bool:
    producer = value.producer() if value is not None else None
    return producer is not None and _is(producer, DEQUANTIZE)


def _stored_dtype(node: ir.Node) -> ir.DataType | None:
    """Of the numbers: what a DequantizeLinear reads, and what the zero point of the other is."""
    place = 0 if _is(node, DEQUANTIZE) else 2
    if place >= len(node.inputs):
        return ir.DataType.UINT8  # what ONNX says of a QuantizeLinear without a zero point
    value = node.inputs[place]
    if value is None or value.dtype is not None:
        return None if value is None else value.dtype
    zero = node.inputs[2] if len(node.inputs) > 2 else None
    return None if zero is None else zero.dtype
