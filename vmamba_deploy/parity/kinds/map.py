"""Maps: how far the activations are from the reference's."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from vmamba_deploy.parity.metrics import Metrics, measure
from vmamba_deploy.precisions import Thresholds


def compare_maps(
    reference: npt.NDArray[Any], candidate: npt.NDArray[Any], _limits: Thresholds, unit: float
) -> Metrics:
    """Compare maps [B, C, H, W] with the reference's, each image's as one vector.

    Raises:
        ValueError: shapes differ, or the reference is not finite.
    """
    r, c = np.asarray(reference, dtype=np.float64), np.asarray(candidate, dtype=np.float64)
    if r.ndim != 4 or r.shape != c.shape:
        raise ValueError(f"maps have shape {list(c.shape)}, the reference's {list(r.shape)}")
    measured = measure(r.reshape(len(r), -1), c.reshape(len(c), -1), unit)
    if measured["non_finite"]:
        return Metrics.unknown(len(r), measured["non_finite"])
    return Metrics(**measured)
