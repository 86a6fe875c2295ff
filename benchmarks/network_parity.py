"""Logits against those of the same network in float32 through plain tensor operations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from benchmarks.plain_model import PlainScan
from vmamba_deploy.models.vmamba.network import VMamba
from vmamba_deploy.precisions import precision_named

_IMAGES = 8


@contextmanager
def full_float32() -> Iterator[None]:
    """Let cuDNN keep all bits of float32: by default it rounds a convolution's inputs to ten."""
    allowed = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = allowed


def expected_logits(model: VMamba, pixels: Tensor) -> Tensor:
    """Logits of the first images [at most 8, classes]: no kernel of ours, float32 throughout."""
    with full_float32():
        return PlainScan(model)(pixels[:_IMAGES]).float()


def parity(logits: Tensor, expected: Tensor, precision: str) -> dict[str, Any]:
    """NMSE of the first images' logits, and the most that the project allows.

    Args:
        logits: [B, classes], of any precision.
        expected: what `expected_logits` gave for the same images.
        precision: `fp32`, `fp16` or `bf16`, maybe after a word such as `AMP`.
    """
    difference = logits[: len(expected)].double() - expected.double()
    nmse = (difference.square().sum() / expected.double().square().sum()).item()
    limit = precision_named(precision.split()[-1]).thresholds.nmse
    return {"nmse": float(nmse), "largest_nmse": limit, "agrees": bool(nmse <= limit)}
