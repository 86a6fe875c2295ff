"""A network whose scans run through the plain PyTorch chain instead of the op."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import torch
from torch import Tensor, nn

from benchmarks.plain_chain import scan_routes
from vmamba_deploy.models.layers import ss2d
from vmamba_deploy.ops.contract import ROUTES


class PlainScan(nn.Module):
    """Runs a network's forward pass with every scan computed by tensor operations."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixel_values: Tensor) -> Tensor:
        """Map pixel_values [B,3,H,W] to logits [B,classes]."""
        with _plain_scans():
            logits: Tensor = self.network(pixel_values)
        return logits


@contextmanager
def _plain_scans() -> Iterator[None]:
    with mock.patch.object(ss2d, "selective_scan_fp32", _plain_scan):
        yield


def _plain_scan(
    _backend: str, x: Tensor, proj: Tensor, parameters: tuple[Tensor, Tensor, Tensor, Tensor]
) -> Tensor:
    return scan_routes(x, proj.unflatten(-1, (ROUTES, -1)), *parameters).to(torch.float32)
