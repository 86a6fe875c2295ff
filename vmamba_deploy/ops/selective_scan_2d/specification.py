"""`vmamba::SelectiveScan2D` as data: names, dtypes and the shape rule.

The prose specification is docs/selective_scan_2d.md. Every implementation (NumPy, PyTorch, the C
interface, ONNX Runtime, TensorRT) follows this file. It imports nothing heavy.
"""

from __future__ import annotations

from collections.abc import Sequence

from vmamba_deploy.ops.op import (
    BFLOAT16,
    FLOAT16,
    FLOAT32,
    OUT_DTYPE,
    PLUGIN_ATTRIBUTES,
    Op,
    Operand,
)
from vmamba_deploy.ops.selective_scan.specification import (
    ALL_ROUTES,
    MAX_RANK,
    MAX_STATE,
    ScanDims,
)
from vmamba_deploy.ops.selective_scan_2d.body import body

__all__ = ["ROUTES", "SELECTIVE_SCAN_2D", "ScanDims", "infer_dims"]

ROUTES = len(ALL_ROUTES)
_FEATURES = "4 (R + 2 N)"


SELECTIVE_SCAN_2D = Op(
    domain="vmamba",
    op_type="SelectiveScan2D",
    version=1,
    inputs=(
        Operand("x", "T", ("B", "H", "W", "D"), "activated feature map"),
        Operand(
            "proj",
            "T",
            ("B", "H", "W", _FEATURES),
            "per pixel and route k: dt (R), B (N), C (N), in this order, route by route",
        ),
        Operand(
            "dt_weight", "float32", (ROUTES, "R", "D"), "projects the low-rank step to the channels"
        ),
        Operand("dt_bias", "float32", (ROUTES, "D")),
        Operand("a", "float32", (ROUTES, "N", "D"), "A = -exp(A_logs), channels last; negative"),
        Operand("d", "float32", (ROUTES, "D"), "skip"),
    ),
    outputs=(Operand("y", "U", ("B", "H", "W", "D"), "merged map"),),
    attributes=(OUT_DTYPE, *PLUGIN_ATTRIBUTES),
    type_variables={"T": (FLOAT32, FLOAT16, BFLOAT16), "U": (FLOAT32, "T")},
    formulas={_FEATURES: lambda sizes: (ROUTES * (sizes["R"] + 2 * sizes["N"]),)},
    limits={"N": (1, MAX_STATE), "R": (1, MAX_RANK)},
    torch_name="vmamba::selective_scan_2d",
    torch_module="vmamba_deploy.ops.selective_scan_2d.torch_op",
    body=body,
    body_min_opset=18,
)


def infer_dims(*shapes: Sequence[int]) -> ScanDims:
    """Check the six input shapes against each other and return the sizes.

    Shapes: x [B,H,W,D], proj [B,H,W,4*(R+2N)], dt_weight [4,R,D], dt_bias [4,D], a [4,N,D],
    d [4,D].

    Raises:
        ValueError: naming the first input that does not fit, its shape and the expected one.
    """
    sizes = SELECTIVE_SCAN_2D.read_sizes(shapes)
    batch, height, width, channels, state, rank = (sizes[name] for name in "BHWDNR")
    return ScanDims(batch, height, width, channels, state, rank)
