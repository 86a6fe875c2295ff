"""What an engine runs, as TensorRT lists it at the end of a build: which products are of 8 bits.

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
        return weights and any(map(_NARROW.search, self.inputs))


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


def quantized_products(model: OnnxModel) -> Iterator[str]:
    """Names of the products of the main graph whose map and weight are both dequantized."""
    # Here, for a machine that runs engines imports this module and has no onnx_ir.
    from vmamba_deploy.exporting.dequantize import DEQUANTIZE

    for node in _products(model):
        made = [value.producer() if value is not None else None for value in node.inputs[:2]]
        if node.name and all(one is not None and one.op_type == DEQUANTIZE for one in made):
            yield node.name


def _products(model: OnnxModel) -> list[ir.Node]:
    return [node for node in model.ir.graph if node.op_type in _PRODUCTS and not node.domain]
