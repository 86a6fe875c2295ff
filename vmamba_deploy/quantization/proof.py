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
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from vmamba_deploy import native
from vmamba_deploy.artifacts.quantization_facts import QuantizationFacts
from vmamba_deploy.exporting.dequantize import (
    DEQUANTIZE,
    QUANTIZE,
    StripQuantization,
    constant,
)
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.exporting.quantize import GRIDS, Grid, linear_layers
from vmamba_deploy.exporting.same_graph import graph_differences
from vmamba_deploy.parity.results import RunResult
from vmamba_deploy.runtimes.onnxruntime import CUSTOM_OP_LIBRARY, create_session

if TYPE_CHECKING:
    Array = npt.NDArray[Any]

FUSED = "MatMulIntegerToFloat"
_NAMED = 5


@dataclass(frozen=True)
class Check:
    """One part of the proof.

    Attributes:
        name: of what was looked at.
        status: `skipped` where this machine, or the base, does not show it.
        reason: what is wrong, or what was seen.
    """

    name: str
    status: Literal["passed", "failed", "skipped"]
    reason: str


@dataclass(frozen=True)
class QuantizationProof:
    """What shows that a quantized file is right, beside the comparison of its outputs.

    Attributes:
        facts: the record.
        base: the file before against PyTorch, by the limits of its own precision.
        checks: of the file itself.
    """

    facts: QuantizationFacts
    base: tuple[RunResult, ...]
    checks: tuple[Check, ...]

    @property
    def failures(self) -> list[str]:
        """What is wrong, a sentence each."""
        runs = [f"{run.runtime} of the base: {run.reason}" for run in self.base if _failed(run)]
        return runs + [f"{check.name}: {check.reason}" for check in self.checks if _failed(check)]

    def as_json(self) -> dict[str, Any]:
        """As plain values, for JSON lines."""
        return {
            "quantized": len(self.facts.quantized),
            "linear_layers": len(self.facts.layers),
            "share": self.facts.share,
            "base": {run.runtime: run.status for run in self.base},
            "checks": [asdict(check) for check in self.checks],
        }


def _failed(one: RunResult | Check) -> bool:
    return one.status == "failed"


def check_structure(base: OnnxModel, quantized: OnnxModel, facts: QuantizationFacts) -> Check:
    """Compare a quantized file with its base, node for node, and with its own record."""
    grid = GRIDS[quantized.precision]
    faults = [*_differences(base.ir, quantized.ir, grid), *_pairs(quantized.ir, facts, grid)]
    if faults:
        more = f", and {len(faults) - _NAMED} more" if len(faults) > _NAMED else ""
        return Check("structure", "failed", "; ".join(faults[:_NAMED]) + more)
    count = len(facts.quantized)
    return Check(
        "structure", "passed", f"the base's graph, and {count} layers within half a step of it"
    )


def check_fused(quantized: OnnxModel, facts: QuantizationFacts) -> Check:
    """Count the products of 8-bit integers in the graph that ONNX Runtime makes of the file."""
    name, expected = "onnxruntime", len(facts.quantized)
    if facts.base != "fp32" or quantized.precision != "int8":
        text = f"on a CPU {quantized.precision} over {facts.base} runs unfused"
        return Check(name, "skipped", f"{text}: true, and slow")
    found = optimized_ops(quantized)[FUSED]
    text = f"{found} of {expected} layers are {FUSED}"
    return Check(name, "passed" if found == expected else "failed", text)


def optimized_ops(model: OnnxModel) -> Counter[str]:
    """How many nodes of each type the graph has that ONNX Runtime runs on a CPU."""
    with TemporaryDirectory() as folder:
        written = Path(folder) / "optimized.onnx"
        create_session(
            model, library=native.library_path(CUSTOM_OP_LIBRARY), optimized_file=written
        )
        graph = ir.load(written).graph
        return Counter(node.op_type for node in graph)


def _differences(base: ir.Model, quantized: ir.Model, grid: Grid) -> Iterator[str]:
    """What is not as in the base: its graph, its functions, its constants."""
    half_steps = _half_steps(quantized, grid)
    stripped = StripQuantization()(quantized.clone()).model

    def judged(name: str, wanted: Array, got: Array) -> str | None:
        if wanted.shape != got.shape or wanted.dtype != got.dtype:
            return f"{name} is {got.dtype}{list(got.shape)}, not {wanted.dtype}{list(wanted.shape)}"
        if np.array_equal(wanted, got, equal_nan=True):
            return None
        if name not in half_steps:
            return f"{name} has other values"
        error = np.abs(wanted.astype(np.float64) - got.astype(np.float64))
        if not np.all(error <= half_steps[name] + _rounding(wanted)):
            return f"{name} is further than half a step from the base's"
        return None

    yield from graph_differences(base, stripped, judged)
    bodies = [_functions(model) for model in (base, stripped)]
    if bodies[0] != bodies[1]:
        yield "its functions are not the base's"


def _rounding(values: Array) -> Array:
    """How far a stored number times its scale may be from that, in the values' own dtype."""
    numbers = np.finfo(values.dtype)
    relative = 2 * float(numbers.eps) * np.abs(values.astype(np.float64))
    return relative + float(numbers.smallest_subnormal)


def _functions(model: ir.Model) -> dict[Any, bytes]:
    return {
        key: ir.serde.serialize_function(function).SerializeToString(deterministic=True)
        for key, function in model.functions.items()
    }


def _half_steps(model: ir.Model, grid: Grid) -> dict[str, Array]:
    """By the name of each dequantized constant, half of the distance of its neighbours."""
    found = {}
    for node in model.graph:
        stored = constant(node.inputs[0]) if _is(node, DEQUANTIZE) and node.inputs[0] else None
        scale = constant(node.inputs[1]) if stored is not None and node.inputs[1] else None
        if stored is not None and scale is not None:
            found[node.outputs[0].name or ""] = grid.half_steps(stored) * scale.astype(np.float64)
    return found


def _is(node: ir.Node, op_type: str) -> bool:
    return node.op_type == op_type and not node.domain


def _pairs(model: ir.Model, facts: QuantizationFacts, grid: Grid) -> Iterator[str]:
    """What is not as in the record: which layers, their scales, their zero points."""
    stripped = StripQuantization()(model.clone()).model
    names = {layer.weight.name: layer.name for layer in linear_layers(stripped)}
    found = set()
    for node in model.graph:
        if _is(node, DEQUANTIZE) or _is(node, QUANTIZE):
            yield from _numbers(node, grid)
        if _is(node, "MatMul") and (made := _dequantizes(node)) is not None:
            name = names.get(node.inputs[1].name if node.inputs[1] else None, "")
            found.add(name)
            largest = facts.quantized.get(name)
            scale = constant(made.inputs[1]) if made.inputs[1] else None
            if largest is None or scale is None:
                yield f"{name or node.name} is quantized, and the record does not say so"
            elif float(scale) * grid.largest < largest * (1 - 2.0**-20):
                yield f"the range of {name} is less than {largest:.4g}, which its input becomes"
    if missing := facts.quantized.keys() - found:
        yield f"{sorted(missing)[0]} is not quantized"


def _dequantizes(node: ir.Node) -> ir.Node | None:
    """The DequantizeLinear of a MatMul's map, where both of its inputs have one."""
    made = [value.producer() if value is not None else None for value in node.inputs]
    pair = [one for one in made if one is not None and _is(one, DEQUANTIZE)]
    return pair[0] if len(pair) == 2 else None


def _numbers(node: ir.Node, grid: Grid) -> Iterator[str]:
    scale = constant(node.inputs[1]) if node.inputs[1] is not None else None
    if scale is None or not (np.isfinite(scale).all() and (scale > 0).all()):
        yield f"{node.name} has a scale that is no positive number"
    zero = node.inputs[2] if len(node.inputs) > 2 else None
    if zero is not None and ((held := constant(zero)) is None or np.any(held.astype(float))):
        yield f"{node.name} has a zero point that is not 0"
    stored = node.outputs[0].dtype if _is(node, QUANTIZE) else node.inputs[0]
    dtype = stored.dtype if isinstance(stored, ir.Value) else stored
    if dtype is not None and dtype is not grid.dtype:
        yield f"{node.name} has numbers of {dtype.name}, not {grid.dtype.name}"
