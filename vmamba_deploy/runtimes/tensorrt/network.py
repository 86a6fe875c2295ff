"""From an ONNX file to a parsed, strongly typed TensorRT network: each op of ours is a plugin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vmamba_deploy.errors import BuildError
from vmamba_deploy.export.onnx_model import OnnxModel, missing_attributes
from vmamba_deploy.ops.registry import OPS
from vmamba_deploy.runtimes.tensorrt.flavour import Flavour


@dataclass(frozen=True)
class ParsedNetwork:
    """A network, with the parser that owns its weights."""

    network: Any
    parser: Any
    plugin_layers: int


def parse_network(flavour: Flavour, builder: Any, logger: Any, model: OnnxModel) -> ParsedNetwork:
    """Parse the file.

    Raises:
        BuildError: all of the parser's errors in one, or a scan that did not become the plugin.
    """
    trt = flavour.module()
    # TensorRT 11 and RTX know nothing else than strongly typed; 10.x must be told.
    strongly_typed = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    network = builder.create_network(strongly_typed)
    parser = trt.OnnxParser(network, logger)
    if not parser.parse_from_file(str(model.path)):
        raise BuildError(
            f"{flavour.title} cannot parse {model.path}:\n{_parser_errors(parser, logger)}"
        )
    layers = count_plugin_layers(trt, network)
    if layers != model.scan_nodes:
        raise BuildError(_fallback_text(model, layers))
    return ParsedNetwork(network, parser, layers)


def count_plugin_layers(trt: Any, network: Any) -> int:
    """Layers of the kind PLUGIN_V3; a network of ours has no plugins but those of its ops."""
    return sum(
        network.get_layer(index).type == trt.LayerType.PLUGIN_V3
        for index in range(network.num_layers)
    )


def _parser_errors(parser: Any, logger: Any) -> str:
    lines = []
    for index in range(parser.num_errors):
        error = parser.get_error(index)
        node = f"node {error.node()} {error.node_name()!r} ({error.node_operator()}): "
        lines.append("  " + (node if error.node_operator() else "") + error.desc().strip())
    return "\n".join(lines or [f"  {line}" for line in logger.errors] or ["  (no reason given)"])


def _fallback_text(model: OnnxModel, layers: int) -> str:
    text = (
        f"{model.path} holds {model.scan_nodes} selective scans, but {layers} became our plugin: "
    )
    attribute = "plugin_namespace"
    lacking = [node for node in model.our_nodes if attribute in missing_attributes(node)]
    if lacking:
        names = ", ".join(node.name or str(node.outputs[0].name) for node in lacking[:3])
        namespace = OPS[lacking[0].domain, lacking[0].op_type].fixed_attributes[attribute]
        return text + (
            f"{len(lacking)} node(s) lack the attribute {attribute}={namespace!r} ({names}), so "
            "TensorRT took their function body, a slow loop"
        )
    return text + "the others took their function body, or the file brings plugins of its own"
