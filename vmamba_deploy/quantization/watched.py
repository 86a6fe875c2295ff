"""At which values of a network the error of a quantization is measured, by kind of output.

Outputs that are numbers are measured themselves. Labels are not: a class is another one or it is
not, so the error is taken of what they are the largest of. Nor are detections, which rounding alone
may let come and go: there it is taken of the maps that the heads read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType

import onnx_ir as ir

from vmamba_deploy.errors import UsageError
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.ops.multi_level_roi_align.constants import LEVEL_NAMES
from vmamba_deploy.ops.multi_level_roi_align.specification import MULTI_LEVEL_ROI_ALIGN
from vmamba_deploy.tasks import OutputKind

_FLOATS = (ir.DataType.FLOAT, ir.DataType.FLOAT16, ir.DataType.BFLOAT16)

Watched = Callable[[ir.Model, ir.Value], Sequence[ir.Value]]
"""Told a graph and one of its outputs; returns the values to measure."""


def watched_values(model: OnnxModel) -> list[str]:
    """Names of the values whose error counts, each once, in the order of the outputs.

    Raises:
        UsageError: an output whose error cannot be measured.
    """
    kinds = {output.name: output.kind for output in model.task.outputs}
    outputs = [value for value in model.ir.graph.outputs if value.name in kinds]
    found = [
        value.name or ""
        for output in outputs
        for value in WATCHED[kinds[output.name or ""]](model.ir, output)
    ]
    return list(dict.fromkeys(found))


def _itself(model: ir.Model, output: ir.Value) -> Sequence[ir.Value]:
    return [output]


def _before_labels(model: ir.Model, output: ir.Value) -> Sequence[ir.Value]:
    """The nearest values in floating point that a value in integers is made of."""
    if output.dtype in _FLOATS:
        return [output]
    producer = output.producer()
    inputs = [value for value in producer.inputs if value is not None] if producer else []
    return [value for one in inputs for value in _before_labels(model, one) if _computed(value)]


def _computed(value: ir.Value) -> bool:
    producer = value.producer()
    return producer is not None and producer.op_type != "Constant"


def _maps_of_heads(model: ir.Model, output: ir.Value) -> Sequence[ir.Value]:
    """The maps that boxes are pooled from.

    Raises:
        UsageError: the file has no op of ours for that.
    """
    found = list(_pooled(model))
    if not found:
        raise UsageError(
            "the error of detections is measured at the maps of MultiLevelRoiAlign, and the file "
            "has no such node",
            hint="export it without --inline",
        )
    return found


def _pooled(model: ir.Model) -> Iterator[ir.Value]:
    for node in model.graph:
        if (node.domain, node.op_type) == MULTI_LEVEL_ROI_ALIGN.key:
            yield from (value for value in node.inputs[: len(LEVEL_NAMES)] if value is not None)


WATCHED: Mapping[OutputKind, Watched] = MappingProxyType(
    {
        "logits": _itself,
        "map": _itself,
        "image": _itself,
        "label_map": _before_labels,
        "detection": _maps_of_heads,
    }
)
