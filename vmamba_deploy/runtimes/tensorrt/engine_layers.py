"""What an engine runs, as TensorRT lists it at the end of a build: which products are of 8 bits,
and what is launched for them alone.

The list is in the log at its most verbose level, on a machine without a GPU too, where no engine
can be loaded and inspected. With `ProfilingVerbosity.DETAILED` it says of every layer what it reads
and which nodes of the ONNX file went into it. Its form is that of IEngineInspector's ONELINE
(TensorRT's Developer Guide, "Engine Inspector").
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx_ir as ir

    from vmamba_deploy.exporting.onnx_model import OnnxModel

_PRODUCTS = {"MatMul", "Gemm", "Conv"}
_LIST_STARTS = re.compile(r"^\s*Layers:\s*$", re.MULTILINE)
_LAYER = re.compile(r"^Name: (?P<name>.*?), LayerType: (?P<kind>[^,]*), (?P<rest>.*)$")
_PART = re.compile(r"(Inputs|Constants|Weights|Outputs): ")
_DTYPE = re.compile(r"(?:Data)?[Tt]ype: ([^,}\]]*)")
_NODE = re.compile(r"\[ONNX Layer: ([^\]]*)\]")
_NARROW = re.compile(r"\b(int8|fp8)", re.IGNORECASE)


@dataclass(frozen=True)
class EngineLayer:
    """One step of an engine, a kernel launch for all but the computation of shapes.

    Attributes:
        name: TensorRT's.
        kind: TensorRT's: `gemm`, `correlation`, `kgen`, `custom_layer`, ...
        inputs: dtypes of the maps that it reads, as TensorRT names them: `Half`, `Int8`.
        constants: likewise of its weights and scales.
        nodes: names of the ONNX nodes that went into it.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    constants: tuple[str, ...]
    nodes: frozenset[str]

    @property
    def narrow(self) -> bool:
        """Whether a map and, where the list has them, a weight of 8 bits are read."""
        weights = not self.constants or any(map(_NARROW.search, self.constants))
        return weights and self.reads_narrow

    @property
    def reads_narrow(self) -> bool:
        """Whether a map of 8 bits is read."""
        return any(map(_NARROW.search, self.inputs))


def is_layer_list(message: str) -> bool:
    """Whether a message of TensorRT's log is the list of an engine's layers."""
    return _LIST_STARTS.search(message) is not None


def listed_layers(lists: Sequence[str]) -> list[EngineLayer]:
    """The layers of an engine; none where TensorRT lists them in a form that we do not know.

    Args:
        lists: messages of a build's log for which `is_layer_list` holds; the last one counts.
    """
    lines = lists[-1].splitlines() if lists else []
    return [_layer(match) for match in map(_LAYER.match, lines) if match is not None]


def _layer(match: re.Match[str]) -> EngineLayer:
    # [before, heading, text, heading, text, ...]
    texts = _PART.split(match["rest"])
    parts = dict(zip(texts[1::2], texts[2::2], strict=True))
    constants = parts.get("Constants", "") + parts.get("Weights", "")
    return EngineLayer(
        name=match["name"],
        kind=match["kind"],
        inputs=tuple(_DTYPE.findall(parts.get("Inputs", ""))),
        constants=tuple(_DTYPE.findall(constants)),
        nodes=frozenset(_NODE.findall(match["rest"])),
    )


def narrow_products(model: OnnxModel, layers: Iterable[EngineLayer]) -> tuple[str, ...]:
    """Names of the products of a file's main graph that an engine computes in 8 bits."""
    found = {node for layer in layers if layer.narrow for node in layer.nodes}
    return tuple(node.name for node in _products(model) if node.name and node.name in found)


def lone_launches(model: OnnxModel, layers: Iterable[EngineLayer]) -> tuple[str, ...]:
    """What an engine launches for the quantization alone.

    A layer that quantizes, or that scales what a layer before it multiplied, and into which no
    other node of the file went; or one of no node at all that reads numbers of 8 bits.

    Args:
        model: the file.
        layers: of its engine.

    Returns:
        A name for each such layer: of a product of 8 bits that it is part of, else of a node in
        it, else TensorRT's own.
    """
    layers = list(layers)
    products = set(narrow_products(model, layers))
    pairs = {node.name or "" for node in model.ir.graph if node.op_type in _quantizing()}
    return tuple(
        min(layer.nodes & products or layer.nodes, default=layer.name)
        for layer in layers
        if _is_lone(layer, products | pairs)
    )


def _is_lone(layer: EngineLayer, quantized: set[str]) -> bool:
    """Whether a layer is of these nodes alone, and no product."""
    if not layer.nodes:
        return layer.reads_narrow
    return layer.nodes <= quantized and not layer.narrow


def _quantizing() -> tuple[str, str]:
    # Here, for a machine that runs engines imports this module and has no onnx_ir.
    from vmamba_deploy.exporting.dequantize import DEQUANTIZE, QUANTIZE

    return QUANTIZE, DEQUANTIZE


def quantized_products(model: OnnxModel) -> Iterator[str]:
    """Names of the products of the main graph whose map and weight are both dequantized."""
    _, dequantize = _quantizing()
    for node in _products(model):
        made = [value.producer() if value is not None else None for value in node.inputs[:2]]
        if node.name and all(one is not None and one.op_type == dequantize for one in made):
            yield node.name


def _products(model: OnnxModel) -> list[ir.Node]:
    return [node for node in model.ir.graph if node.op_type in _PRODUCTS and not node.domain]
