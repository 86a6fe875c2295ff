"""The float64 reference of the op: that of `vmamba::SelectiveScan` along all four routes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vmamba_deploy.ops.selective_scan.float64_reference import Array, selective_scan_float64
from vmamba_deploy.ops.selective_scan.specification import ALL_ROUTES
from vmamba_deploy.ops.selective_scan_2d.specification import infer_dims


def selective_scan_2d_float64(
    x: npt.ArrayLike,
    proj: npt.ArrayLike,
    dt_weight: npt.ArrayLike,
    dt_bias: npt.ArrayLike,
    a: npt.ArrayLike,
    d: npt.ArrayLike,
) -> Array:
    """y [B,H,W,D] in float64 from inputs of any float dtype (shapes: `infer_dims`)."""
    infer_dims(*(np.shape(value) for value in (x, proj, dt_weight, dt_bias, a, d)))
    return selective_scan_float64(x, proj, dt_weight, dt_bias, a, d, ALL_ROUTES)
