"""From an ONNX file to TensorRT's network, and TensorRT's refusals in words that help."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vmamba_deploy.errors import BuildError, printable
from vmamba_deploy.exporting.onnx_graph import missing_attributes
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.ops.op import PluginKey
from vmamba_deploy.ops.registry import OPS
from vmamba_deploy.runtimes.tensorrt.flavour import Flavour

_SIGNED = (
    "TensorRT takes symmetric quantization alone: quantize to signed integers with the zero point "
    "0; in ONNX Runtime's quantization, QuantType.QInt8 with "
    "extra_options={'ActivationSymmetric': True, 'WeightSymmetric': True}"
)
# What TensorRT says of a quantized file that it does not take, and what to do.
_REMEDIES: Mapping[str, str] = {
    "Non-zero zero point": _SIGNED,
    "unsupported input type of UINT8": _SIGNED,
    "input has type Int32 but must have": "TensorRT takes no bias in 32-bit integers: leave biases "
    "in floating point; in ONNX Runtime's quantization, extra_options={'QuantizeBias': False}",
    "DynamicQuantizeLinear": "TensorRT takes static quantization alone, QuantizeLinear and "
    "DequantizeLinear with constant scales: export with --int8, or use quantize_static",
    "HW-specific datatypes: fp8": "float8 is for GPUs of compute capability 8.9 and newer: take "
    "--int8, or name such GPUs with --target-sm",
    "HW-specific datatypes: fp4": "float4 is for GPUs of compute capability 10.0 and newer: take "
    "--int8, or name such GPUs with --target-sm",
}


@dataclass(frozen=True)
class ParsedNetwork:
    """A network, with the parser that owns its weights."""

    network: Any
    parser: Any
    plugin_layers: int


def parse_network(flavour: Flavour, builder: Any, logger: Any, model: OnnxModel) -> ParsedNetwork:
    """Parse the file.

    Raises:
        BuildError: all of the parser's errors in one, or a node of ours that did not become its
            plugin.
    """
    trt = flavour.module()
    # TensorRT 11 and RTX know nothing else than strongly typed; 10.x must be told.
    strongly_typed = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    network = builder.create_network(strongly_typed)
    parser = trt.OnnxParser(network, logger)
    if not parser.parse_from_file(str(model.path)):
        raise refusal(
            f"{flavour.title} cannot parse {model.path}", _parser_errors(parser) or logger.errors
        )
    plugins = _plugins_of(trt, network)
    if plugins != model.plugins:
        raise BuildError(_fallback_text(model, plugins))
    _check_interface(trt, network, model)
    return ParsedNetwork(network, parser, plugins.total())


def _plugins_of(trt: Any, network: Any) -> Counter[PluginKey]:
    """How many layers each plugin has, those of others among them."""
    plugins: Counter[PluginKey] = Counter()
    for index in range(network.num_layers):
        layer = network.get_layer(index)
        if layer.type != trt.LayerType.PLUGIN_V3:
            continue
        layer.__class__ = trt.IPluginV3Layer  # the binding gives layers as their base class
        core = layer.plugin.get_capability_interface(trt.PluginCapabilityType.CORE)
        plugins[PluginKey(core.plugin_name, core.plugin_version, core.plugin_namespace)] += 1
    return plugins


def _check_interface(trt: Any, network: Any, model: OnnxModel) -> None:
    """Names and dtypes as the file has them, and the input's free and fixed axes."""

    def told(name: str, dtype: str, shape: Sequence[int | str]) -> str:
        return f"{name} {dtype} {[axis if isinstance(axis, int) else -1 for axis in shape]}"

    inputs = [network.get_input(index) for index in range(network.num_inputs)]
    outputs = [network.get_output(index) for index in range(network.num_outputs)]
    parsed = [told(each.name, trt.nptype(each.dtype).__name__, each.shape) for each in inputs]
    parsed += [told(each.name, trt.nptype(each.dtype).__name__, ()) for each in outputs]
    read = [told(each.name, each.dtype, each.shape) for each in model.inputs]
    read += [told(each.name, each.dtype, ()) for each in model.outputs]
    if parsed != read:
        raise BuildError(f"{model.path} has {', '.join(read)}; parsed was {', '.join(parsed)}")


def _parser_errors(parser: Any) -> list[str]:
    lines = []
    for index in range(parser.num_errors):
        error = parser.get_error(index)
        node = f"node {error.node()} {error.node_name()!r} ({error.node_operator()}): "
        lines.append((node if error.node_operator() else "") + error.desc())
    return lines


def refusal(what: str, reasons: Sequence[str]) -> BuildError:
    """An error with TensorRT's words, a line each, and the remedy where it is known.

    Names in the words are those of a file.
    """
    lines = [line for reason in reasons for line in reason.strip().splitlines()]
    told = "\n".join(f"  {printable(line)}" for line in lines or ["(no reason given)"])
    known = [hint for words, hint in _REMEDIES.items() if any(words in line for line in lines)]
    return BuildError(f"{what}:\n{told}", hint=known[0] if known else None)


def _fallback_text(model: OnnxModel, plugins: Counter[PluginKey]) -> str:
    counts = [
        f"{wanted} nodes {plugin.namespace}::{plugin.name}, but {plugins[plugin]} became its plugin"
        for plugin, wanted in model.plugins.items()
    ]
    text = f"{model.path} holds {' and '.join(counts)}: "
    attribute = "plugin_namespace"
    lacking = [node for node in model.our_nodes if attribute in missing_attributes(node)]
    if lacking:
        names = ", ".join(node.name or str(node.outputs[0].name) for node in lacking[:3])
        namespace = OPS[lacking[0].domain, lacking[0].op_type].fixed_attributes[attribute]
        return text + (
            f"{len(lacking)} node(s) lack the attribute {attribute}={namespace!r} ({names}), so "
            "TensorRT took their function body, which is slow"
        )
    return text + "the others took their function body, or the file brings plugins of its own"
