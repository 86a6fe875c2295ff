"""`vmamba::SelectiveScan` as data: names, dtypes and the shape rule.

The prose specification is docs/selective_scan.md. Every implementation (NumPy, PyTorch, the C
interface, ONNX Runtime, TensorRT) follows this file. It imports nothing heavy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
from vmamba_deploy.ops.selective_scan.body import body

MAX_STATE = 256
MAX_RANK = 256
ALL_ROUTES = (0, 1, 2, 3)
"""Rows, columns, rows reversed, columns reversed."""
MAX_ROUTES = 4
_FEATURES, _ALL_FEATURES = "R + 2 N", "K (R + 2 N)"


@dataclass(frozen=True)
class ScanDims:
    """Sizes and form of one call: B batch, H and W of the map, D channels, N state, R dt rank.

    Attributes:
        routes: the direction of each, one to four of those in `ALL_ROUTES`, in any order.
        x_per_route: an x for each route; else one for all.
        step_per_channel: proj has a step for each channel in place of the low-rank one; R is 1.
    """

    batch: int
    height: int
    width: int
    channels: int
    state: int
    rank: int
    routes: tuple[int, ...] = ALL_ROUTES
    x_per_route: bool = False
    step_per_channel: bool = False

    @property
    def length(self) -> int:
        """L = H * W, the number of steps of each route."""
        return self.height * self.width

    @property
    def dt_features(self) -> int:
        """Features of the step in `proj`, per pixel and route: R, or D."""
        return self.channels if self.step_per_channel else self.rank

    @property
    def route_features(self) -> int:
        """Features of `proj` per pixel and route: the step, B (N), C (N)."""
        return self.dt_features + 2 * self.state

    @property
    def proj_features(self) -> int:
        """Size of the last axis of `proj`: of one route, or of all that share their x."""
        return self.route_features if self.x_per_route else len(self.routes) * self.route_features

    @property
    def maps(self) -> tuple[int, ...]:
        """The axes of x and proj before the last."""
        pixels = self.batch, self.height, self.width
        return (len(self.routes), *pixels) if self.x_per_route else pixels


def _route_features(sizes: Mapping[str, int]) -> tuple[int, ...]:
    """R + 2 N; with R = 1 the step may also be one for each channel: D + 2 N."""
    states = 2 * sizes["N"]
    low_rank = sizes["R"] + states
    return (low_rank, sizes["D"] + states) if sizes["R"] == 1 else (low_rank,)


def _all_features(sizes: Mapping[str, int]) -> tuple[int, ...]:
    return tuple(sizes["K"] * features for features in _route_features(sizes))


def _step_per_channel(sizes: Mapping[str, int]) -> int:
    """1 or 0. Of the two formulas one is read from the call, the other has its first value."""
    low_rank = sizes["R"] + 2 * sizes["N"]
    given = sizes[_FEATURES], sizes[_ALL_FEATURES]
    return int(given != (low_rank, sizes["K"] * low_rank))


SELECTIVE_SCAN = Op(
    domain="vmamba",
    op_type="SelectiveScan",
    version=1,
    inputs=(
        Operand(
            "x",
            "T",
            ("B", "H", "W", "D"),
            "activated map, one for all routes or one for each",
            other_shapes=(("K", "B", "H", "W", "D"),),
        ),
        Operand(
            "proj",
            "T",
            ("B", "H", "W", _ALL_FEATURES),
            "per pixel and route: dt (R), B (N), C (N), in this order; with one x route by route",
            other_shapes=(("K", "B", "H", "W", _FEATURES),),
        ),
        Operand(
            "dt_weight", "float32", ("K", "R", "D"), "projects the low-rank step to the channels"
        ),
        Operand("dt_bias", "float32", ("K", "D")),
        Operand("a", "float32", ("K", "N", "D"), "A = -exp(A_logs), channels last; negative"),
        Operand("d", "float32", ("K", "D"), "skip"),
    ),
    outputs=(Operand("y", "U", ("B", "H", "W", "D"), "merged map"),),
    attributes=(
        Attribute(
            "routes",
            "ints",
            "the direction of each of the K routes, 1 to 4 of them: numbers from 0 to 3",
            size_of="K",
            most_values=MAX_ROUTES,
            largest=max(ALL_ROUTES),
        ),
        OUT_DTYPE,
        *PLUGIN_ATTRIBUTES,
    ),
    type_variables={"T": (FLOAT32, FLOAT16, BFLOAT16), "U": (FLOAT32, "T")},
    formulas={_FEATURES: _route_features, _ALL_FEATURES: _all_features},
    derived={"step_per_channel": _step_per_channel},
    limits={"N": (1, MAX_STATE), "R": (1, MAX_RANK)},
    torch_name="vmamba::selective_scan",
    torch_module="vmamba_deploy.ops.selective_scan.torch_op",
    body=body,
    body_min_opset=18,
)


def infer_dims(*shapes: Sequence[int], routes: Sequence[int]) -> ScanDims:
    """Check the six input shapes against each other and return the sizes.

    Args:
        shapes: of x, proj, dt_weight, dt_bias, a and d, in one of the forms of `SELECTIVE_SCAN`.
        routes: the direction of each.

    Raises:
        ValueError: naming the first input that does not fit, its shape and the expected one.
    """
    sizes = SELECTIVE_SCAN.read_sizes(shapes, (routes,))
    batch, height, width, channels, state, rank = (sizes[name] for name in "BHWDNR")
    return ScanDims(
        *(batch, height, width, channels, state, rank),
        routes=tuple(routes),
        x_per_route=len(shapes[0]) == 5,
        step_per_channel=bool(sizes["step_per_channel"]),
    )
