"""How the exporter writes our op: one `vmamba::SelectiveScan2D` node with its attributes."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from vmamba_deploy.ops.contract import (
    INPUT_NAMES,
    OP_DOMAIN,
    OP_TYPE,
    OP_VERSION,
    OUTPUT_NAME,
    PLUGIN_NAMESPACE,
    PLUGIN_VERSION,
)

_FLOATS = ["tensor(float)", "tensor(float16)", "tensor(bfloat16)"]


@cache
def op_schema() -> Any:
    """The op's `onnx.defs.OpSchema` (docs/selective_scan_2d.md)."""
    from onnx.defs import OpSchema

    inputs = [
        OpSchema.FormalParameter(name, "T" if name in {"x", "proj"} else "tensor(float)")
        for name in INPUT_NAMES
    ]
    attributes = [
        OpSchema.Attribute("out_dtype", OpSchema.AttrType.INT, "element type of y", required=True),
        OpSchema.Attribute("plugin_namespace", OpSchema.AttrType.STRING, "for TensorRT"),
        OpSchema.Attribute("plugin_version", OpSchema.AttrType.STRING, "for TensorRT"),
    ]
    return OpSchema(
        OP_TYPE,
        OP_DOMAIN,
        OP_VERSION,
        inputs=inputs,
        outputs=[OpSchema.FormalParameter(OUTPUT_NAME, "U")],
        type_constraints=[("T", _FLOATS, "map and projections"), ("U", _FLOATS, "result")],
        attributes=attributes,
    )


def translation_table() -> dict[Callable[..., Any], Callable[..., Any]]:
    """`custom_translation_table` for `torch.onnx.export(dynamo=True)`."""
    import onnxscript
    import torch

    import vmamba_deploy.ops.torch_op  # noqa: F401  registers torch.ops.vmamba

    op = onnxscript.values.Op(onnxscript.values.Opset(OP_DOMAIN, OP_VERSION), OP_TYPE, op_schema())

    # The exporter maps arguments by name and tells attributes from inputs by annotation.
    def selective_scan_2d(
        x: Any, proj: Any, dt_weight: Any, dt_bias: Any, a: Any, d: Any, out_dtype: int
    ) -> Any:
        # TensorRT takes the plugin only where both plugin attributes stand on the node; with the
        # domain alone it would silently build the slow function body.
        return op(
            *(x, proj, dt_weight, dt_bias, a, d),
            out_dtype=out_dtype,
            plugin_namespace=PLUGIN_NAMESPACE,
            plugin_version=PLUGIN_VERSION,
        )

    return {torch.ops.vmamba.selective_scan_2d.default: selective_scan_2d}
