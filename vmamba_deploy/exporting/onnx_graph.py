"""What is in the graph of an ONNX file: its nodes, ours among them, its tensors and its texts."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from vmamba_deploy.errors import InputFileError
from vmamba_deploy.ops.registry import OPS

if TYPE_CHECKING:
    import onnx_ir

_MODULE_SCOPES = "pkg.torch.onnx.name_scopes"


def scopes(model: onnx_ir.Model) -> Iterator[onnx_ir.Graph | onnx_ir.Function]:
    """Everything that holds nodes: the main graph, the functions, and the graphs in their nodes."""
    outer: list[onnx_ir.Graph | onnx_ir.Function] = [model.graph, *model.functions.values()]
    for scope in outer:
        yield scope
        yield from scope.subgraphs()


def our_nodes(model: onnx_ir.Model) -> list[onnx_ir.Node]:
    """The nodes that are ops of ours, wherever they are."""
    return [node for scope in scopes(model) for node in scope if (node.domain, node.op_type) in OPS]


def missing_attributes(node: onnx_ir.Node) -> list[str]:
    """What a node of ours must have so that TensorRT takes the plugin, and lacks."""
    op = OPS[node.domain, node.op_type]
    arguments = [each.name for each in op.arguments if each.name not in node.attributes]
    fixed = op.fixed_attributes.items()
    return arguments + [name for name, value in fixed if _text(node, name) != value]


def module_scopes(node: onnx_ir.Node) -> list[str]:
    """Dotted paths of the PyTorch modules around a node, outermost first, as the exporter noted.

    Raises:
        InputFileError: the note cannot be read.
    """
    text = node.metadata_props.get(_MODULE_SCOPES)
    if not text:
        return []
    try:
        named = ast.literal_eval(text)
    except (SyntaxError, ValueError) as error:
        raise InputFileError(
            f"node {node.name}: unreadable metadata {_MODULE_SCOPES}: {error}"
        ) from error
    # The last entry is the name of the operation itself.
    return [str(scope) for scope in named[:-1]]


def texts_of(model: onnx_ir.Model) -> Iterator[object]:
    """Names and metadata, which protobuf gives as bytes where they are not UTF-8."""
    yield from (*model.metadata_props, *model.metadata_props.values(), *model.opset_imports)
    yield from (value.name for value in (*model.graph.inputs, *model.graph.outputs))
    for node in model.graph.all_nodes():
        yield from (node.name or "", node.domain, node.op_type)
        yield from (*node.metadata_props, *node.metadata_props.values())


def tensors_of(model: onnx_ir.Model) -> Iterator[onnx_ir.TensorProtocol]:
    """Every tensor of the file: weights of all graphs, and those in attributes of nodes."""
    import onnx_ir

    for scope in scopes(model):
        if isinstance(scope, onnx_ir.Graph):
            weights = scope.initializers.values()
            yield from (weight.const_value for weight in weights if weight.const_value is not None)
        for node in scope:
            for attribute in node.attributes.values():
                if attribute.type == onnx_ir.AttributeType.TENSOR and not attribute.is_ref():
                    yield attribute.as_tensor()
                elif attribute.type == onnx_ir.AttributeType.TENSORS and not attribute.is_ref():
                    yield from attribute.as_tensors()


def _text(node: onnx_ir.Node, name: str) -> str | None:
    attribute = node.attributes.get(name)
    return None if attribute is None else str(attribute.value)
