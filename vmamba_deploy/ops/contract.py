"""The contract of `vmamba::SelectiveScan2D` as data: names, ranks, dtypes and the shape rule.

The prose specification is docs/selective_scan_2d.md. Every implementation (NumPy, PyTorch, the C
interface, ONNX Runtime, TensorRT) follows this file. It imports nothing heavy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

OP_DOMAIN = "vmamba"
OP_TYPE = "SelectiveScan2D"
OP_VERSION = 1
PLUGIN_NAMESPACE = "vmamba"
PLUGIN_VERSION = "1"

ROUTES = 4
MAX_STATE = 256
MAX_RANK = 256

INPUT_NAMES = ("x", "proj", "dt_weight", "dt_bias", "a", "d")
OUTPUT_NAME = "y"

# ONNX TensorProto.DataType codes: the one numbering that every layer of the stack uses.
FLOAT32, FLOAT16, BFLOAT16 = 1, 10, 16
DTYPE_NAMES = {FLOAT32: "float32", FLOAT16: "float16", BFLOAT16: "bfloat16"}


@dataclass(frozen=True)
class ScanDims:
    """Sizes of one call: B batch, H and W of the map, D channels, N state, R dt rank."""

    batch: int
    height: int
    width: int
    channels: int
    state: int
    rank: int

    @property
    def length(self) -> int:
        """L = H * W, the number of steps of each route."""
        return self.height * self.width

    @property
    def proj_features(self) -> int:
        """Features of `proj` per pixel: for each route dt (R), B (N), C (N)."""
        return proj_features(self.rank, self.state)


def proj_features(rank: int, state: int) -> int:
    """Size of the last axis of `proj`: 4 * (R + 2 N)."""
    return ROUTES * (rank + 2 * state)


def infer_dims(
    x: Sequence[int],
    proj: Sequence[int],
    dt_weight: Sequence[int],
    dt_bias: Sequence[int],
    a: Sequence[int],
    d: Sequence[int],
) -> ScanDims:
    """Check the six input shapes against each other and return the sizes.

    Shapes: x [B,H,W,D], proj [B,H,W,4*(R+2N)], dt_weight [4,R,D], dt_bias [4,D], a [4,N,D],
    d [4,D].

    Raises:
        ValueError: naming the first input that does not fit, its shape and the expected one.
    """
    if len(x) != 4 or len(dt_weight) != 3 or len(a) != 3:
        raise ValueError(
            "x must be [B,H,W,D], dt_weight [4,R,D] and a [4,N,D]; "
            f"got ranks {len(x)}, {len(dt_weight)} and {len(a)}"
        )
    dims = ScanDims(x[0], x[1], x[2], x[3], state=a[1], rank=dt_weight[1])
    if not 1 <= dims.state <= MAX_STATE or not 1 <= dims.rank <= MAX_RANK:
        raise ValueError(
            f"N must be in 1..{MAX_STATE} and R in 1..{MAX_RANK}; got N={dims.state}, R={dims.rank}"
        )
    channels = dims.channels
    expected = {
        "proj": (proj, (dims.batch, dims.height, dims.width, dims.proj_features)),
        "dt_weight": (dt_weight, (ROUTES, dims.rank, channels)),
        "dt_bias": (dt_bias, (ROUTES, channels)),
        "a": (a, (ROUTES, dims.state, channels)),
        "d": (d, (ROUTES, channels)),
    }
    for name, (got, want) in expected.items():
        if tuple(got) != want:
            raise ValueError(f"{name} has shape {tuple(got)}, expected {want}")
    return dims
