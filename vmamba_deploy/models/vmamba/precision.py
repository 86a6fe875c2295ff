"""Lower precision where it pays, float32 where accuracy needs it."""

from __future__ import annotations

import copy
from typing import Literal

import torch
from torch import nn

from vmamba_deploy.models.vmamba.layers.ss2d import SS2D
from vmamba_deploy.models.vmamba.network import VMamba
from vmamba_deploy.precisions import PRECISIONS, PrecisionName

ResidualPrecision = Literal["fp32", "half"]


def convert_precision(
    model: VMamba, precision: PrecisionName, *, residual: ResidualPrecision = "fp32"
) -> VMamba:
    """Return a copy of a network that computes in the given precision.

    Linear layers and convolutions, x_proj included, take the new dtype. LayerNorms, the scan's
    parameters, state and result, the final norm and the head stay float32.

    Args:
        model: a float32 network; it is not changed.
        precision: `fp32`, `fp16` or `bf16`.
        residual: `half` puts the residual stream in the new dtype too.
    """
    dtype: torch.dtype = getattr(torch, PRECISIONS[precision].graph_dtype)
    converted = copy.deepcopy(model)
    kept = set(converted.classifier.modules()) if hasattr(converted, "classifier") else set()
    for module in converted.modules():
        if isinstance(module, nn.Linear | nn.Conv2d) and module not in kept:
            module.to(dtype)
        elif isinstance(module, SS2D):
            module.x_proj_weight.data = module.x_proj_weight.data.to(dtype)
            if module.frozen:
                module.freeze_scan_parameters()
    converted.residual_dtype = dtype if residual == "half" else torch.float32
    return converted
