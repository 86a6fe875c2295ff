"""An independent float64 reference of the op, in NumPy, written as the equations read.

It shares no code with any implementation under test: explicit routes, one step at a time.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vmamba_deploy.ops.selective_scan_2d.specification import ROUTES, infer_dims

Array = npt.NDArray[np.float64]


def route_pixels(route: int, height: int, width: int) -> npt.NDArray[np.int64]:
    """Row-major pixel numbers in the order in which `route` visits them.

    0 row-major, 1 column-major, 2 and 3 their reverses (arXiv 2401.10166, section 4.2).
    """
    grid = np.arange(height * width).reshape(height, width)
    order = grid.reshape(-1) if route % 2 == 0 else grid.T.reshape(-1)
    return order if route < 2 else order[::-1]


def selective_scan_2d_float64(
    x: npt.ArrayLike,
    proj: npt.ArrayLike,
    dt_weight: npt.ArrayLike,
    dt_bias: npt.ArrayLike,
    a: npt.ArrayLike,
    d: npt.ArrayLike,
) -> Array:
    """y [B,H,W,D] in float64 from inputs of any float dtype (shapes: `infer_dims`)."""
    x, proj, dt_weight, dt_bias, a, d = (
        np.asarray(value).astype(np.float64) for value in (x, proj, dt_weight, dt_bias, a, d)
    )
    dims = infer_dims(x.shape, proj.shape, dt_weight.shape, dt_bias.shape, a.shape, d.shape)
    flat_x = x.reshape(dims.batch, dims.length, dims.channels)
    flat_proj = proj.reshape(dims.batch, dims.length, ROUTES, dims.rank + 2 * dims.state)
    merged = np.zeros_like(flat_x)
    for route in range(ROUTES):
        h = np.zeros((dims.batch, dims.state, dims.channels))
        for pixel in route_pixels(route, dims.height, dims.width):
            u = flat_x[:, pixel]
            low_rank, b, c = np.split(
                flat_proj[:, pixel, route], [dims.rank, dims.rank + dims.state], axis=-1
            )
            delta = np.logaddexp(0.0, low_rank @ dt_weight[route] + dt_bias[route])
            decay = np.exp(delta[:, None, :] * a[route])
            h = decay * h + b[:, :, None] * (delta * u)[:, None, :]
            merged[:, pixel] += (c[:, :, None] * h).sum(axis=1) + d[route] * u
    return merged.reshape(x.shape)
