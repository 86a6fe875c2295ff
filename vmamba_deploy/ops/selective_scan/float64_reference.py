"""An independent float64 reference of the op, in NumPy, written as the equations read.

It shares no code with any implementation under test: explicit routes, one step at a time.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from vmamba_deploy.ops.selective_scan.specification import ScanDims, infer_dims

Array = npt.NDArray[np.float64]


def route_pixels(direction: int, height: int, width: int) -> npt.NDArray[np.int64]:
    """Row-major pixel numbers in the order in which a route of this direction visits them.

    0 row-major, 1 column-major, 2 and 3 their reverses (arXiv 2401.10166, section 4.2).
    """
    grid = np.arange(height * width).reshape(height, width)
    order = grid.reshape(-1) if direction % 2 == 0 else grid.T.reshape(-1)
    return order if direction < 2 else order[::-1]


def selective_scan_float64(
    x: npt.ArrayLike,
    proj: npt.ArrayLike,
    dt_weight: npt.ArrayLike,
    dt_bias: npt.ArrayLike,
    a: npt.ArrayLike,
    d: npt.ArrayLike,
    routes: Sequence[int],
) -> Array:
    """y [B,H,W,D] in float64 from inputs of any float dtype (shapes: `infer_dims`)."""
    x, proj, dt_weight, dt_bias, a, d = (
        np.asarray(value).astype(np.float64) for value in (x, proj, dt_weight, dt_bias, a, d)
    )
    shapes = (value.shape for value in (x, proj, dt_weight, dt_bias, a, d))
    dims = infer_dims(*shapes, routes=routes)
    merged = np.zeros((dims.batch, dims.length, dims.channels))
    for route, direction in enumerate(routes):
        inputs, features = _of_route(dims, route, x, proj)
        h = np.zeros((dims.batch, dims.state, dims.channels))
        for pixel in route_pixels(direction, dims.height, dims.width):
            u = inputs[:, pixel]
            ends = [dims.dt_features, dims.dt_features + dims.state]
            dt, b, c = np.split(features[:, pixel], ends, axis=-1)
            step = dt * dt_weight[route, 0] if dims.step_per_channel else dt @ dt_weight[route]
            delta = np.logaddexp(0.0, step + dt_bias[route])
            decay = np.exp(delta[:, None, :] * a[route])
            h = decay * h + b[:, :, None] * (delta * u)[:, None, :]
            merged[:, pixel] += (c[:, :, None] * h).sum(axis=1) + d[route] * u
    return merged.reshape(dims.batch, dims.height, dims.width, dims.channels)


def _of_route(dims: ScanDims, route: int, x: Array, proj: Array) -> tuple[Array, Array]:
    """The route's x [B,L,D] and features [B,L,F]."""
    pixels, channels, features = (dims.batch, dims.length), dims.channels, dims.route_features
    if dims.x_per_route:
        return x[route].reshape(*pixels, channels), proj[route].reshape(*pixels, features)
    by_route = proj.reshape(*pixels, len(dims.routes), features)
    return x.reshape(*pixels, channels), by_route[:, :, route]
