"""An op in ONNX: its schema, its definition in standard ops, and how the exporter writes it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vmamba_deploy.ops.op import DTYPE_NAMES, Op

if TYPE_CHECKING:
    import onnx

_TYPE_NAMES = {"float32": "tensor(float)", "float16": "tensor(float16)"}
_TYPE_NAMES["bfloat16"] = "tensor(bfloat16)"


def function_body(op: Op, opset: int, sizes: Mapping[str, int] | None = None) -> onnx.FunctionProto:
    """The op's definition as a model-local function.

    Args:
        op: of `OPS`.
        opset: version of the standard op set of the model that will carry it.
        sizes: those that are the same in every node of that model, by their names in the op's
            shapes; they may make the body shorter.

    Raises:
        ValueError: the body cannot be written in this op set.
    """
    import onnx.parser

    if opset < op.body_min_opset:
        raise ValueError(f"the function body needs opset {op.body_min_opset} or newer, got {opset}")
    if op.body_max_opset is not None and opset > op.body_max_opset:
        raise ValueError(f"the function body needs opset {op.body_max_opset} or older, got {opset}")
    arguments = ", ".join(each.name for each in op.arguments)
    attributes = f" <{arguments}>" if arguments else ""
    inputs, outputs = ", ".join(op.input_names), ", ".join(each.name for each in op.outputs)
    header = f'<domain: "{op.domain}", opset_import: ["" : {opset}]>'
    signature = f"{op.op_type}{attributes} ({inputs}) => ({outputs})"
    return onnx.parser.parse_function(f"{header}\n{signature} {{{op.body(sizes or {})}}}")


def op_schema(op: Op) -> Any:
    """The op's `onnx.defs.OpSchema`."""
    from onnx.defs import OpSchema

    def parameter(operand: Any) -> Any:
        return OpSchema.FormalParameter(
            operand.name, _TYPE_NAMES.get(operand.dtype, operand.dtype), operand.meaning
        )

    kinds = {
        "int": OpSchema.AttrType.INT,
        "ints": OpSchema.AttrType.INTS,
        "string": OpSchema.AttrType.STRING,
    }
    return OpSchema(
        op.op_type,
        op.domain,
        op.version,
        inputs=[parameter(each) for each in op.inputs],
        outputs=[parameter(each) for each in op.outputs],
        type_constraints=[
            (variable, [_TYPE_NAMES[DTYPE_NAMES[code]] for code in op.dtypes_of(variable)], "")
            for variable in op.type_variables
        ],
        attributes=[
            OpSchema.Attribute(
                each.name, kinds[each.kind], each.meaning, required=each.value is None
            )
            for each in op.attributes
        ],
    )


def translation_table(ops: Iterable[Op]) -> dict[Callable[..., Any], Callable[..., Any]]:
    """`custom_translation_table` for `torch.onnx.export(dynamo=True)`; registers the operators."""
    import torch

    table: dict[Callable[..., Any], Callable[..., Any]] = {}
    for op in ops:
        op.register_torch()
        namespace, name = op.torch_name.split("::")
        table[getattr(getattr(torch.ops, namespace), name).default] = _translation(op)
    return table


def _translation(op: Op) -> Callable[..., Any]:
    import onnxscript

    opset = onnxscript.values.Opset(op.domain, op.version)
    node = onnxscript.values.Op(opset, op.op_type, op_schema(op))

    def translate(*arguments: Any, **named: Any) -> Any:
        call = signature.bind(*arguments, **named).arguments
        inputs = [call.pop(name) for name in op.input_names]
        return node(*inputs, **call, **op.fixed_attributes)

    # The exporter maps arguments by name and tells attributes from inputs by annotation.
    names = (*op.input_names, *(each.name for each in op.arguments))
    kinds = {"int": int, "ints": Sequence[int], "string": str}
    signature = inspect.Signature(
        [inspect.Parameter(each, inspect.Parameter.POSITIONAL_OR_KEYWORD) for each in names]
    )
    translate.__name__ = op.op_type
    translate.__annotations__ = {each.name: kinds[each.kind] for each in op.arguments}
    translate.__signature__ = signature  # type: ignore[attr-defined]
    return translate
