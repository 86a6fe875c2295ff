"""A network's scans apart: through the plain PyTorch chain instead of the op, or the op alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn

from benchmarks.plain_chain import scan_routes
from vmamba_deploy.models.vmamba.layers import ss2d
from vmamba_deploy.ops.selective_scan_2d.specification import ROUTES


class PlainScan(nn.Module):
    """Runs a network's forward pass with every scan computed by tensor operations."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixel_values: Tensor) -> Tensor:
        """Map pixel_values [B,3,H,W] to logits [B,classes]."""
        with _scans_by(_plain_scan):
            logits: Tensor = self.network(pixel_values)
        return logits


def recorded_scans(network: nn.Module, pixel_values: Tensor) -> list[Callable[[], Tensor]]:
    """The scans of one forward pass, each to be run again on what it was given."""
    scans: list[Callable[[], Tensor]] = []
    scan = ss2d.selective_scan_fp32

    def recorded(*arguments: Any) -> Tensor:
        scans.append(partial(scan, *arguments))
        return scan(*arguments)

    with _scans_by(recorded), torch.inference_mode():
        network(pixel_values)
    return scans


@contextmanager
def _scans_by(function: Callable[..., Tensor]) -> Iterator[None]:
    with mock.patch.object(ss2d, "selective_scan_fp32", function):
        yield


def _plain_scan(
    _backend: str, x: Tensor, proj: Tensor, parameters: tuple[Tensor, Tensor, Tensor, Tensor]
) -> Tensor:
    return scan_routes(x, proj.unflatten(-1, (ROUTES, -1)), *parameters).to(torch.float32)
