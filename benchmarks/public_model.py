"""A network run in the form of the public code: its scans through the reference chain in Triton.

Layers other than the scans are the network's own. They keep maps channels last, where the public
networks of version 05 keep them channels first and convert around every LayerNorm; the chain reads
the convolution's result as it lies and writes its own the same way, so no copy is charged that the
public code would not make.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.triton_chain import ChainParameters, triton_chain
from vmamba_deploy.models.vmamba.layers import casting
from vmamba_deploy.models.vmamba.layers.ss2d import SS2D


class PublicForm(nn.Module):
    """Runs a network's forward pass with every SS2D in the form of the public code.

    Works in float32, with weights converted to half precision, and under autocast. Weights of the
    scans are laid out at the first pass, for each dtype; later changes to them have no effect.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self._parameters: dict[tuple[SS2D, torch.dtype], ChainParameters] = {}

    def forward(self, pixel_values: Tensor) -> Tensor:
        """Map pixel_values [B,3,H,W] to logits [B,classes], float32."""

        def public_forward(layer: SS2D, x: Tensor) -> Tensor:
            return self._public_ss2d(layer, x)

        with (
            mock.patch.object(SS2D, "forward", public_forward),
            _casts_by_autocast(pixel_values.device.type),
        ):
            logits: Tensor = self.network(pixel_values)
        return logits.float()

    def _public_ss2d(self, layer: SS2D, x: Tensor) -> Tensor:
        """Map [B, H, W, C] to [B, H, W, C]."""
        x = layer.in_proj(x)
        gate = None
        if layer.gated:
            x, gate = x.chunk(2, dim=-1)
        x = F.silu(layer.conv2d(x))
        y = triton_chain(x.permute(0, 3, 1, 2), self._chain_parameters(layer, x.dtype))
        y = layer.out_norm(y.permute(0, 2, 3, 1))
        if gate is not None:
            y = y * F.silu(gate)
        return layer.out_proj(y)

    def _chain_parameters(self, layer: SS2D, dtype: torch.dtype) -> ChainParameters:
        """The layer's weights for x of a dtype; autocast would convert them at every pass."""
        key = layer, dtype
        if key not in self._parameters:
            x_proj = layer.frozen_x_proj if layer.frozen else layer.x_proj_weight.flatten(0, 1)
            with torch.no_grad():
                self._parameters[key] = ChainParameters.from_op(
                    x_proj.to(dtype), *layer.scan_parameters()
                )
        return self._parameters[key]


@contextmanager
def _casts_by_autocast(device_type: str) -> Iterator[None]:
    """Under autocast, leave all casts to it, as public layers do.

    Our layers bring their input to the dtype of their weights. Under autocast that is float32, from
    where autocast goes back to half precision: two copies of a map that the public code has not.
    """
    if not torch.is_autocast_enabled(device_type):
        yield
        return

    def unchanged(x: Tensor, _dtype: torch.dtype) -> Tensor:
        return x

    with mock.patch.object(casting, "cast", unchanged):
        yield
