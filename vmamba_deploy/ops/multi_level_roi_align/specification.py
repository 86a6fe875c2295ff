"""`vmamba::MultiLevelRoiAlign` as data: names, dtypes, the shape rule and the constants.

The prose specification is docs/multi_level_roi_align.md. Every implementation (NumPy, PyTorch, the
C interface, ONNX Runtime, TensorRT) follows this file. It imports nothing heavy.
"""

from __future__ import annotations

from vmamba_deploy.ops.multi_level_roi_align.body import body
from vmamba_deploy.ops.multi_level_roi_align.constants import LEVEL_NAMES, MAX_OUTPUT_SIZE, STRIDES
from vmamba_deploy.ops.op import (
    BFLOAT16,
    FLOAT16,
    FLOAT32,
    OUT_DTYPE,
    PLUGIN_ATTRIBUTES,
    Attribute,
    Op,
    Operand,
)

_MAPS = tuple(
    Operand(name, "T", ("B", "C", f"H{name[1:]}", f"W{name[1:]}"), f"map of stride {stride}")
    for name, stride in zip(LEVEL_NAMES, STRIDES, strict=True)
)

MULTI_LEVEL_ROI_ALIGN = Op(
    domain="vmamba",
    op_type="MultiLevelRoiAlign",
    version=1,
    inputs=(
        *_MAPS,
        Operand(
            "boxes", "float32", ("B", "K", 4), "x1, y1, x2, y2 in pixels of the network's input"
        ),
    ),
    outputs=(Operand("y", "U", ("B", "K", "C", "S", "S"), "features of each box"),),
    attributes=(
        Attribute("output_size", "int", "S, bins in each direction", size_of="S"),
        OUT_DTYPE,
        *PLUGIN_ATTRIBUTES,
    ),
    type_variables={"T": (FLOAT32, FLOAT16, BFLOAT16), "U": (FLOAT32, "T")},
    formulas={},
    limits={"S": (1, MAX_OUTPUT_SIZE)},
    torch_name="vmamba::multi_level_roi_align",
    torch_module="vmamba_deploy.ops.multi_level_roi_align.torch_op",
    body=body,
    body_min_opset=18,
    body_max_opset=21,
)
