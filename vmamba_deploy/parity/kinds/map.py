"""Maps, or tensors of any shape: how far the activations are from the reference's."""

from __future__ import annotations

import numpy as np

from vmamba_deploy.parity.figures import Answer
from vmamba_deploy.parity.metrics import Metrics, measure
from vmamba_deploy.precisions import Thresholds


def compare_maps(answer: Answer, _limits: Thresholds) -> Metrics:
    """Compare maps [B, ...] with the reference's, each image's as one vector.

    Raises:
        ValueError: shapes differ, or the reference is not finite.
    """
    r, c = (np.asarray(one, dtype=np.float64) for one in answer.pair())
    if r.ndim < 1 or r.shape != c.shape:
        raise ValueError(f"maps have shape {list(c.shape)}, the reference's {list(r.shape)}")
    measured = measure(r.reshape(len(r), -1), c.reshape(len(c), -1), answer.unit)
    if measured["non_finite"]:
        return Metrics.unknown(len(r), measured["non_finite"])
    return Metrics(**measured)
