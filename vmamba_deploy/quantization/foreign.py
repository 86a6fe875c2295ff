"""What can be shown of a file that another tool quantized: it has no record, and may be changed
beyond what was quantized."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import onnx_ir as ir

from vmamba_deploy.exporting.dequantize import integer_ops
from vmamba_deploy.exporting.onnx_graph import our_nodes
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.exporting.same_graph import attributes_of
from vmamba_deploy.ops.registry import OPS
from vmamba_deploy.quantization.results import Check
from vmamba_deploy.quantization.structure import differences, listed

_NAME = "structure"


def check_foreign_structure(base: OnnxModel, quantized: OnnxModel) -> Check:
    """Compare a file that another tool quantized with its base, as far as that goes.

    A weight that is another, an attribute that was changed or an op of ours that is lost is a
    fault. Where another operator stands than in the base, the tool may have rewritten it: what
    feeds it is then not looked at, and the limits of the outputs decide.
    """
    wrong = [*_our_ops(base.ir, quantized.ir), *_bodies(base.ir, quantized.ir)]
    rewritten = []
    try:
        found = differences(base.ir, quantized.ir)
    except ValueError as error:
        rewritten.append(str(error))
    else:
        wrong += [one.text for one in found if one.kind != "nodes"]
        rewritten += [one.text for one in found if one.kind == "nodes"]
    if wrong:
        return Check(_NAME, "failed", listed(wrong))
    if names := integer_ops(quantized.ir):
        text = f"{', '.join(names)} stand in the place of layers, which cannot be taken back"
        return Check(_NAME, "skipped", text)
    if rewritten:
        text = "the tool changed more than it quantized, and what feeds that is not proven: "
        return Check(_NAME, "skipped", text + listed(rewritten))
    return Check(_NAME, "passed", "the base's graph, and what was quantized within a step of it")


def _our_ops(base: ir.Model, quantized: ir.Model) -> Iterator[str]:
    """Nodes of ours, in the order in which they run, and what they were asked for."""
    ours, theirs = our_nodes(base), our_nodes(quantized)
    if len(ours) != len(theirs):
        yield f"it has {len(theirs)} nodes of ours, not {len(ours)}"
        return
    for one, two in zip(ours, theirs, strict=True):
        said = attributes_of(one), attributes_of(two)
        if (one.domain, one.op_type) != (two.domain, two.op_type) or said[0] != said[1]:
            yield f"{one.op_type} {one.name} is {two.op_type} with {said[1]}, expected {said[0]}"


def _bodies(base: ir.Model, quantized: ir.Model) -> Iterator[str]:
    """The functions of our ops; a tool may raise their op sets, and drop notes."""
    ours, theirs = (_plain_functions(model) for model in (base, quantized))
    for key in ours:
        if key not in theirs:
            yield f"it lacks the function body of {key[0]}::{key[1]}"
        elif ours[key] != theirs[key]:
            yield f"its function body of {key[0]}::{key[1]} is another one"


def _plain_functions(model: ir.Model) -> dict[tuple[str, str], Any]:
    found = {}
    for (domain, name, _), function in model.functions.items():
        if (domain, name) in OPS:
            proto = ir.serde.serialize_function(function)
            for field in ("opset_import", "metadata_props", "value_info", "doc_string"):
                proto.ClearField(field)
            for node in proto.node:
                node.ClearField("metadata_props")
                node.ClearField("doc_string")
            found[domain, name] = proto.SerializeToString(deterministic=True)
    return found
