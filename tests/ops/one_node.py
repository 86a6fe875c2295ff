"""An ONNX model of one node of an op of ours, between dynamic inputs and a dynamic output."""

from __future__ import annotations

import onnx
from onnx import TensorProto, helper

from vmamba_deploy.ops.op import Op


def one_node_model(
    op: Op,
    dtype: int,
    out_dtype: int,
    *,
    opset: int = 20,
    body: onnx.FunctionProto | None = None,
    form: int = 0,
    **attributes: int | list[int],
) -> onnx.ModelProto:
    """Inputs of type T are of `dtype`; `attributes` are those beside `out_dtype`.

    `form` is that of the op whose shapes the inputs have.
    """
    names = op.input_names
    node = helper.make_node(
        op.op_type, names, ["y"], domain=op.domain, out_dtype=out_dtype, **attributes
    )
    node.attribute.extend(
        helper.make_attribute(name, value) for name, value in op.fixed_attributes.items()
    )
    inputs = [
        helper.make_tensor_value_info(
            each.name, dtype if each.dtype == "T" else TensorProto.FLOAT, list(each.shape_in(form))
        )
        for each in op.inputs
    ]
    output = helper.make_tensor_value_info("y", out_dtype, list(op.outputs[0].shape))
    return helper.make_model(
        helper.make_graph([node], "one", inputs, [output]),
        functions=[] if body is None else [body],
        opset_imports=[helper.make_opsetid("", opset), helper.make_opsetid(op.domain, op.version)],
        ir_version=10,
    )
