"""bfloat16 graphs on ONNX Runtime's CPU provider, which has no bfloat16 arithmetic.

ONNX Runtime itself widens float16 ops that its CPU provider lacks; for bfloat16 it refuses the
model instead. This does the same for bfloat16: an op reads its inputs as float32 and its result is
rounded to bfloat16, so that the numbers are those of bfloat16 storage with float32 accumulation, as
on a GPU's tensor cores. Only the session sees the widened graph: the file stays as it is.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vmamba_deploy.errors import InputFileError
from vmamba_deploy.ops.op import BFLOAT16, FLOAT32
from vmamba_deploy.ops.registry import OPS

if TYPE_CHECKING:
    import onnx

# These run on bfloat16 as they are: they move or convert bits.
_NATIVE = {"Cast", "Constant", "Identity", "Reshape", "Shape", "Squeeze", "Transpose", "Unsqueeze"}


def widened_for_cpu(model: Path | bytes) -> str | bytes:
    """What to give to `InferenceSession`: the model itself, or its widened form for bfloat16.

    Raises:
        InputFileError: the model cannot be read.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        graph = (
            onnx.load(str(model), load_external_data=False)
            if isinstance(model, Path)
            else onnx.load_from_string(model)
        )
    except (DecodeError, OSError) as error:
        name = model if isinstance(model, Path) else "the model"
        raise InputFileError(f"{name} cannot be read as an ONNX file: {error}") from error
    if not _uses_bfloat16(graph):
        return str(model) if isinstance(model, Path) else model
    if isinstance(model, Path):
        graph = onnx.load(str(model))
    widen_bfloat16(graph)
    return bytes(graph.SerializeToString())


def widen_bfloat16(model: onnx.ModelProto) -> int:
    """Wrap every bfloat16 op of the main graph in casts, in place; returns how many there were."""
    import onnx

    bfloat16 = _bfloat16_values(onnx.shape_inference.infer_shapes(model))
    nodes: list[onnx.NodeProto] = []
    widened: dict[str, str] = {}
    wrapped = 0
    for node in model.graph.node:
        outputs = [name for name in node.output if name in bfloat16]
        inputs = [name for name in node.input if name in bfloat16]
        if node.op_type in _NATIVE or (node.domain, node.op_type) in OPS or not (inputs or outputs):
            nodes.append(node)
            continue
        wrapped += 1
        for name in dict.fromkeys(inputs):
            if name not in widened:
                widened[name] = f"{name}__float32"
                nodes.append(_cast(name, widened[name], FLOAT32))
        node.input[:] = [widened.get(name, name) if name in inputs else name for name in node.input]
        node.output[:] = [f"{name}__wide" if name in outputs else name for name in node.output]
        nodes.append(node)
        nodes.extend(_cast(f"{name}__wide", name, BFLOAT16) for name in outputs)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return wrapped


def _cast(source: str, target: str, dtype: int) -> onnx.NodeProto:
    from onnx import helper

    return helper.make_node("Cast", [source], [target], name=f"widen_{target}", to=dtype)


def _uses_bfloat16(model: onnx.ModelProto) -> bool:
    if any(tensor.data_type == BFLOAT16 for tensor in model.graph.initializer):
        return True
    return any(
        attribute.name == "to" and attribute.i == BFLOAT16
        for node in model.graph.node
        for attribute in node.attribute
    )


def _bfloat16_values(model: onnx.ModelProto) -> set[str]:
    graph = model.graph
    values = {
        value.name
        for value in (*graph.value_info, *graph.input, *graph.output)
        if value.type.tensor_type.elem_type == BFLOAT16
    }
    return values | {tensor.name for tensor in graph.initializer if tensor.data_type == BFLOAT16}
