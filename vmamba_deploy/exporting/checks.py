"""What an export must pass: of the weights little is lost, and the file is what was asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmamba_deploy.errors import BuildError, InputFileError
from vmamba_deploy.exporting.onnx_graph import missing_attributes
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.exporting.options import ExportOptions, taken_inputs
from vmamba_deploy.ops.registry import OPS
from vmamba_deploy.tasks import Output, Task

if TYPE_CHECKING:
    from torch import Tensor

    from vmamba_deploy.artifacts.manifest import TensorFacts
    from vmamba_deploy.models import LoadedModel
    from vmamba_deploy.models.family import OpCalls
    from vmamba_deploy.precisions import BaseName

_NAMED = 5
# Of the values of a tensor: fewer that become 0 are the tail of any trained tensor.
_FEW = 1e-3
_LEAST_NORMAL_FLOAT32 = 2.0**-126

_ANY = -1
_Axis = int | str | None
"""Of a shape that was asked for: so many; free, under a name; None: fixed to whatever fits; or
`_ANY`: free or fixed, as the network has it."""
_Wanted = tuple[str, str, tuple[_Axis, ...]]
"""Name, dtype and shape of a tensor."""


_HINTS = {
    False: "this is a fault of the exporter: try another --image-size or --opset, or another "
    "release of PyTorch",
    True: "a free axis that became fixed is a number in the network's own code: leave it out of "
    "--dynamic",
}


@dataclass(frozen=True)
class Asked:
    """What a file is asked to be.

    Attributes:
        options: of the export.
        task: whose outputs it gives.
        calls: of ops of ours, by its network; the file has their nodes unless it is inlined.
        classes: of its logits; None for a backbone.
    """

    options: ExportOptions
    task: Task
    calls: Sequence[OpCalls]
    classes: int | None

    @property
    def op_sets(self) -> dict[str, int]:
        """The version of each op set by its domain."""
        called = [OPS[domain, op_type] for domain, op_type in self.nodes]
        return {"ai.onnx": self.options.target_opset} | {op.domain: op.version for op in called}

    @property
    def nodes(self) -> Counter[tuple[str, str]]:
        """How many nodes of each op of ours the file has."""
        calls = () if self.options.inline else self.calls
        return Counter({each.op: each.count for each in calls})

    def shape_of(self, output: Output) -> tuple[_Axis, ...]:
        """The shape of an output in the file."""
        if self.task.first is not None:
            return tuple(_ANY if axis is None else axis for axis in output.shape)
        height, width = ("height", "width") if self.options.dynamic_size else self.options.size
        follows: _Axis = height if isinstance(height, str) else None
        known: dict[str | int | None, _Axis] = {
            "batch": self.options.input_shape[0],
            "classes": self.classes,
            "channels": None,
            "height": height,
            "width": width,
            None: follows,
        }
        return tuple(known.get(axis, axis) for axis in output.shape)


def check_exported(model: OnnxModel, asked: Asked) -> None:
    """Check the file as it lies on disk.

    Runs onnx.checker (full, which includes strict shape inference), and compares what was written
    with what was asked for: op sets; name, dtype, free and fixed axes of every input and output;
    the nodes of ours, each with the attributes that make TensorRT take the plugin, and the function
    bodies of their ops.

    Raises:
        BuildError: with all that differs.
    """
    try:
        model.check(strictly=True)
    except InputFileError as error:
        raise BuildError(
            f"the exported file does not pass onnx.checker: {error.__cause__}"
        ) from error
    if differences := [*_op_sets(model, asked), *_interface(model, asked), *_nodes(model, asked)]:
        raise BuildError(
            f"the exported file is not what was asked for: {'; '.join(differences)}",
            hint=_HINTS[asked.task.first is not None],
        )


def _op_sets(model: OnnxModel, asked: Asked) -> Iterator[str]:
    if model.op_sets != asked.op_sets:
        yield f"it uses the op sets {model.op_sets}, asked for {asked.op_sets}"
    for function in model.ir.functions.values():
        imports = {
            domain or "ai.onnx": version for domain, version in function.opset_imports.items()
        }
        if not imports.items() <= model.op_sets.items():
            yield f"the function {function.name} uses the op sets {imports}"


def _interface(model: OnnxModel, asked: Asked) -> Iterator[str]:
    taken = taken_inputs(asked.options, asked.task)
    given = [(each.name, each.dtype, asked.shape_of(each)) for each in asked.task.outputs]
    yield from _tensors("input", model.inputs, [(e.name, e.dtype, e.shape) for e in taken])
    yield from _tensors("output", model.outputs, given)


def _tensors(
    kind: str,
    written: Sequence[TensorFacts],
    wanted: Sequence[_Wanted],
) -> Iterator[str]:
    names = [tensor.name for tensor in written]
    if names != [name for name, _, _ in wanted]:
        yield f"its {kind}s are {', '.join(names)}, asked for {', '.join(w[0] for w in wanted)}"
        return
    for tensor, (name, dtype, shape) in zip(written, wanted, strict=True):
        fits = len(shape) == len(tensor.shape) and all(map(_fits, tensor.shape, shape))
        if not fits or tensor.dtype != dtype:
            yield (
                f"{kind} {name} is {tensor.dtype} {_text(tensor.shape)}, "
                f"asked for {dtype} {_text(shape)}"
            )


def _fits(written: int | str, wanted: _Axis) -> bool:
    """Whether an axis is the number that was asked for, or free or fixed as it should be."""
    if isinstance(wanted, int):
        return wanted in (_ANY, written)
    return isinstance(written, type(wanted or 0))


def _text(shape: Sequence[_Axis]) -> str:
    texts: dict[_Axis, str] = {None: "fixed", _ANY: "any"}
    return f"[{','.join(texts.get(axis, str(axis)) for axis in shape)}]"


def _nodes(model: OnnxModel, asked: Asked) -> Iterator[str]:
    nodes = model.our_nodes
    written = Counter((node.domain, node.op_type) for node in nodes)
    for domain, op_type in sorted(written.keys() | asked.nodes.keys()):
        count, expected = written[domain, op_type], asked.nodes[domain, op_type]
        if count != expected:
            yield f"it has {count} nodes {domain}::{op_type}, expected {expected}"
    if asked.options.inline and model.ir.functions:
        yield f"it has {len(model.ir.functions)} functions, expected none"
    for node in nodes:
        if missing_attributes(node):
            yield f"node {node.name} lacks an attribute that its plugin needs"
    lacking = written.keys() - {identifier[:2] for identifier in model.ir.functions}
    yield from (f"it lacks the function body of {'::'.join(key)}" for key in sorted(lacking))


def check_weights(loaded: LoadedModel, precision: BaseName) -> str | None:
    """Compare the float32 weights with what the precision makes of those that it casts.

    Returns:
        A warning that names the tensors of which more is lost than a rounding to the precision's
        digits: values too small for it become 0 or keep a few digits. None where there are none.

    Raises:
        InputFileError: NaN or infinity in a weight, or a value that would become infinite.
    """
    stored = loaded.model.state_dict()
    broken = {
        name: int((~one.isfinite()).sum())
        for name, one in stored.items()
        if name not in loaded.model.masks
    }
    _refuse(broken, "weights hold NaN or infinity", "the file is damaged, or its training failed")
    # As they are computed with: a cast may put a normalisation into the layer before it.
    weights = loaded.family.cast(loaded.model, "fp32").state_dict()
    cast = loaded.family.cast(loaded.model, precision).state_dict()
    narrowed = {name: one for name, one in cast.items() if one.dtype != weights[name].dtype}
    large = {name: int((~one.isfinite()).sum()) for name, one in narrowed.items()}
    _refuse(
        large,
        f"weights are too large for {precision} and would become infinite",
        "export in fp32, or in bf16, which has the range of fp32",
    )
    lost = [text for name, one in narrowed.items() for text in _lost(name, weights[name], one)]
    if not lost:
        return None
    return f"{precision} loses weights that are too small for it: {_listed(lost)}"


def _lost(name: str, weight: Tensor, narrow: Tensor) -> Iterator[str]:
    import torch

    kept, exact = narrow.double(), weight.double()
    zeroed = (kept == 0) & (exact != 0)
    denormal = int((zeroed & (exact.abs() < _LEAST_NORMAL_FLOAT32)).sum())
    digits = torch.finfo(narrow.dtype).eps / 2
    imprecise = (kept - exact).norm() > digits * exact.norm()
    if denormal or imprecise or int(zeroed.sum()) > _FEW * exact.numel():
        yield f"{name} ({int(zeroed.sum())} of {exact.numel()} become 0)"


def _refuse(counts: dict[str, int], what: str, hint: str) -> None:
    named = [f"{name} ({count} values)" for name, count in counts.items() if count]
    if named:
        raise InputFileError(f"{what}: {_listed(named)}", hint=hint)


def _listed(named: list[str]) -> str:
    rest = len(named) - _NAMED
    return ", ".join(named[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")
