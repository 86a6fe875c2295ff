"""The proof of a quantized file by its structure.

Two right runs of such a file differ by half of what its error is, for one rounding that falls the
other way changes all that follows. So no limit of outputs can see one lost route of a scan. What
can be proven: the network before is right (the comparison of the base with PyTorch); the file is
the base, but for weights that are within half a step of the base's, and for the pairs of nodes that
its record names; and runtimes multiply in 8 bits where it says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import onnx_ir as ir

from vmamba_deploy import native
from vmamba_deploy.artifacts.engine_facts import EngineFacts
from vmamba_deploy.artifacts.quantization_facts import QuantizationFacts
from vmamba_deploy.exporting.dequantize import StripQuantization
from vmamba_deploy.exporting.layers import CONVOLUTION, LINEAR, Layer, quantizable_layers
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.quantization.results import Check
from vmamba_deploy.runtimes.onnxruntime import CUSTOM_OP_LIBRARY, create_session
from vmamba_deploy.runtimes.openvino import PRODUCTS, OpenVinoRuntime

FUSED = {LINEAR: "MatMulIntegerToFloat", CONVOLUTION: "QLinearConv"}
_NAMED = 5


def check_fused(quantized: OnnxModel, facts: QuantizationFacts) -> Check:
    """Count the products of 8-bit integers in the graph that ONNX Runtime makes of the file."""
    name = "onnxruntime"
    if facts.base != "fp32" or quantized.precision != "int8":
        text = f"on a CPU {quantized.precision} over {facts.base} runs unfused"
        return Check(name, "skipped", f"{text}: true, and slow")
    found = optimized_ops(quantized)
    expected = {FUSED[op_type]: count for op_type, count in _products(facts).items()}
    text = ", ".join(f"{found[op]} of {count} layers are {op}" for op, count in expected.items())
    fused = all(found[op] == count for op, count in expected.items())
    return Check(name, "passed" if fused else "failed", text)


def check_openvino(quantized: OnnxModel, facts: QuantizationFacts) -> Check:
    """Count the products of 8 bits in the network that OpenVINO makes of the file.

    Where some are missing the file is as right there, and slower: a CPU may have no such products.
    """
    name, runtime = "openvino", OpenVinoRuntime(quantized.path)
    status = runtime.status()
    if facts.base != "fp32" or quantized.precision != "int8" or not quantized.our_nodes:
        return Check(name, "skipped", "8 bits are for int8 over fp32 there, and for our ops")
    if not status.available:
        return Check(name, "skipped", status.reason)
    found = runtime.load().narrow_products()
    expected = {PRODUCTS[op_type]: count for op_type, count in _products(facts).items()}
    text = ", ".join(f"{found[kind]} of {count} are {kind}" for kind, count in expected.items())
    narrow = all(found[kind] >= count for kind, count in expected.items())
    return Check(name, "passed" if narrow else "slow", f"in 8 bits {text}")


def check_engine(quantized: OnnxModel, facts: QuantizationFacts, engine: EngineFacts) -> Check:
    """Look for each layer among the products of 8 bits that TensorRT lists of the engine."""
    if (skipped := _unlisted("engine", engine)) is not None:
        return skipped
    narrow, expected = engine.narrow_products or (), facts.products
    layers = [layer for layer in _layers(quantized) if layer.name in facts.quantized]
    found = {layer.name for layer in layers}
    wide = [layer.name for layer in layers if layer.node.name not in narrow]
    wide += [name for name in facts.quantized if name not in found]
    text = f"{expected - len(wide)} of {expected} layers multiply in {quantized.precision}"
    if not wide:
        return Check("engine", "passed", text)
    return Check("engine", "failed", f"{text}; not {_first(wide)}")


def check_launches(quantized: OnnxModel, engine: EngineFacts) -> Check:
    """Look for launches that the base's engine would not have.

    What quantizes a map is part of the layer that gives it, and the scale part of the one that
    reads the product: then no launch is of the quantization alone. Where TensorRT does not fuse
    them the file is as right, and what 8 bits save goes to one more pass over a map.
    """
    if (skipped := _unlisted("launches", engine)) is not None:
        return skipped
    lone = engine.lone_launches or ()
    if not lone:
        text = f"none of {engine.launches} does nothing but quantize"
        return Check("launches", "passed", text)
    layers = {layer.node.name: layer.name for layer in _layers(quantized)}
    named = _first([layers.get(name, name) for name in lone])
    text = f"{len(lone)} of {engine.launches} do nothing but quantize: {named}"
    return Check("launches", "slow", text)


def _unlisted(name: str, engine: EngineFacts) -> Check | None:
    """The check of an engine of whose layers nothing is known."""
    if not engine.built:
        return Check(name, "skipped", engine.reason or "there is none")
    if engine.launches is None:
        text = f"{engine.flavour} {engine.version} lists no layers in a form that we know"
        return Check(name, "skipped", text)
    return None


def _first(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _products(facts: QuantizationFacts) -> Counter[str]:
    """How many nodes of each operator are in 8 bits, by the record."""
    return Counter(
        LINEAR if layer.largest_result is None else CONVOLUTION
        for layer in facts.layers
        if layer.kept is None
    )


def _layers(quantized: OnnxModel) -> Iterator[Layer]:
    """The layers of a file as they were before."""
    return quantizable_layers(StripQuantization()(quantized.ir.clone()).model)


def optimized_ops(model: OnnxModel) -> Counter[str]:
    """How many nodes of each type the graph has that ONNX Runtime runs on a CPU."""
    with TemporaryDirectory() as folder:
        written = Path(folder) / "optimized.onnx"
        create_session(
            model, library=native.library_path(CUSTOM_OP_LIBRARY), optimized_file=written
        )
        graph = ir.load(written).graph
        return Counter(node.op_type for node in graph)
