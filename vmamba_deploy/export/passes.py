"""Small rewrites of the exported model, each named by its effect."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from vmamba_deploy.ops.onnx_forms import function_body
from vmamba_deploy.ops.registry import OPS

if TYPE_CHECKING:
    import onnx

# What the exporter writes about the source code: paths of the exporting machine among it.
_SOURCE_TRACES = {"pkg.torch.onnx.stack_trace", "pkg.torch.onnx.fx_node", "namespace"}
SCOPES_KEY = "pkg.torch.onnx.name_scopes"


def scan_nodes(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """The nodes of the main graph that are ops of ours, in order."""
    return [node for node in model.graph.node if (node.domain, node.op_type) in OPS]


def drop_source_traces(model: onnx.ModelProto) -> None:
    """Remove stack traces of the exporting machine; the module path of each node stays."""
    for holder in _with_metadata(model):
        kept = [prop for prop in holder.metadata_props if prop.key not in _SOURCE_TRACES]
        del holder.metadata_props[:]
        holder.metadata_props.extend(kept)


def carry_function_body(model: onnx.ModelProto, *, opset: int, state: int) -> None:
    """Append the op's definition in standard ops, so that any ONNX runtime can run the file.

    Args:
        model: changed in place.
        opset: the model's standard op set, which the body must share.
        state: N of every scan node.
    """
    called = {(node.domain, node.op_type) for node in scan_nodes(model)}
    for key in sorted(called):
        model.functions.append(function_body(OPS[key], opset, {"N": state}))


def name_linear_weights(model: onnx.ModelProto) -> None:
    """Give the folded, transposed weight of each MatMul its module's path instead of `val_123`.

    Refitting tools and people look weights up by name.
    """
    initializers = {tensor.name: tensor for tensor in model.graph.initializer}
    uses: dict[str, int] = {}
    for node in model.graph.node:
        for name in node.input:
            uses[name] = uses.get(name, 0) + 1
    for node in model.graph.node:
        if node.op_type != "MatMul" or uses.get(node.input[1]) != 1:
            continue
        weight, path = initializers.get(node.input[1]), module_path(node)
        # SS2D's own product is x_proj; every other one belongs to a Linear.
        weight_name = "x_proj_weight" if path.endswith(".op") else "weight"
        new_name = f"{path}.{weight_name}_transposed"
        if weight is None or not path or new_name in initializers:
            continue
        old_name = weight.name
        weight.name = node.input[1] = new_name
        initializers[new_name] = weight
        for value in model.graph.value_info:
            if value.name == old_name:
                value.name = new_name


def module_path(node: onnx.NodeProto) -> str:
    """Dotted path of the PyTorch module that a node came from, "" where unknown."""
    import ast

    for prop in node.metadata_props:
        if prop.key == SCOPES_KEY:
            scopes = ast.literal_eval(prop.value)
            return str(scopes[-2]) if len(scopes) > 1 else ""
    return ""


def _with_metadata(model: onnx.ModelProto) -> Iterable[Any]:
    graph = model.graph
    yield graph
    yield from graph.node
    yield from graph.initializer
    yield from graph.value_info
    yield from graph.input
    yield from graph.output
