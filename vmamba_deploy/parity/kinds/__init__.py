"""Kinds of outputs: what a difference from the reference means for each.

A new kind is a file here, a name in `vmamba_deploy.tasks.OutputKind`, and a line in `KINDS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy.typing as npt

from vmamba_deploy.parity.kinds.logits import compare_logits
from vmamba_deploy.parity.kinds.map import compare_maps
from vmamba_deploy.parity.metrics import Metrics
from vmamba_deploy.precisions import Thresholds
from vmamba_deploy.tasks import OutputKind

Compare = Callable[[npt.NDArray[Any], npt.NDArray[Any], Thresholds, float], Metrics]
"""Measures a candidate, of the reference's shape, against it, with the output's unit
(`parity.metrics`); raises ValueError for an unusable shape or a reference that is not finite."""

KINDS: Mapping[OutputKind, Compare] = MappingProxyType(
    {"logits": compare_logits, "map": compare_maps}
)

__all__ = ["KINDS", "Compare"]
