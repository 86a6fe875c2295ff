"""The networks of a run: published ones, a tiny one in a rehearsal; and other forms of their scans.

A form is a network of ours whose scans are computed otherwise: by plain tensor operations, or as
the public code does. What a form is measured for is held against float32 here as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.plain_chain import scan_routes
from benchmarks.triton_chain import ChainParameters, triton_chain
from vmamba_deploy.models import create_model
from vmamba_deploy.models.vmamba.config import VMambaConfig
from vmamba_deploy.models.vmamba.initialization import initialize
from vmamba_deploy.models.vmamba.layers import casting, ss2d
from vmamba_deploy.models.vmamba.network import VMamba, empty_network, freeze_scan_parameters
from vmamba_deploy.ops.selective_scan_2d.specification import ROUTES
from vmamba_deploy.precisions import precision_named

TINY, REHEARSED = "vmamba_tiny_s1l8", "rehearsed"
IMAGE_SIDE = 224
_COMPARED_IMAGES = 8


def network(name: str, device: str) -> VMamba:
    """A preset in float32 with random weights; `rehearsed` is the smallest network there can be."""
    if name == REHEARSED:
        model = empty_network(
            VMambaConfig(depths=(1, 1, 1, 1), dims=(16, 32, 64, 128), ssm_ratio=1.0, num_classes=10)
        )
        initialize(model, seed=0)
    else:
        model = create_model(name)
    return prepared(model, device)


def prepared(model: VMamba, device: str) -> VMamba:
    """The network itself, made ready to run on a device."""
    freeze_scan_parameters(model)
    # Convolutions then take and give channels last, as all layers between them do.
    return model.to(device=device, memory_format=torch.channels_last)


def images(batch: int, height: int, width: int, device: str) -> Tensor:
    """Seeded noise [batch, 3, height, width], float32."""
    generator = torch.Generator(device).manual_seed(0)
    return torch.randn(batch, 3, height, width, generator=generator, device=device)


class PlainScan(nn.Module):
    """Runs a network's forward pass with every scan computed by tensor operations."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixel_values: Tensor) -> Tensor:
        """Map pixel_values [B,3,H,W] to logits [B,classes]."""

        def plain_scan(
            _backend: str, x: Tensor, proj: Tensor, parameters: tuple[Tensor, ...]
        ) -> Tensor:
            y = scan_routes(x, proj.unflatten(-1, (ROUTES, -1)), *parameters)
            return y.to(torch.float32)

        with mock.patch.object(ss2d, "selective_scan_fp32", plain_scan):
            logits: Tensor = self.network(pixel_values)
        return logits


def recorded_scans(network: nn.Module, pixel_values: Tensor) -> list[Callable[[], Tensor]]:
    """The scans of one forward pass, each to be run again on what it was given."""
    scans: list[Callable[[], Tensor]] = []
    scan = ss2d.selective_scan_fp32

    def recorded(*arguments: Any) -> Tensor:
        scans.append(partial(scan, *arguments))
        return scan(*arguments)

    with mock.patch.object(ss2d, "selective_scan_fp32", recorded), torch.inference_mode():
        network(pixel_values)
    return scans


class PublicForm(nn.Module):
    """Runs a network's forward pass with every SS2D in the form of the public code.

    Its scans go through the reference chain in Triton; other layers are the network's own. They
    keep maps channels last, where the public networks of version 05 keep them channels first and
    convert around every LayerNorm; the chain reads the convolution's result as it lies and writes
    its own the same way, so no copy is charged that the public code would not make.

    Works in float32, with weights converted to half precision, and under autocast. Weights of the
    scans are laid out at the first pass, for each dtype; later changes to them have no effect.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self._parameters: dict[tuple[ss2d.SS2D, torch.dtype], ChainParameters] = {}

    def forward(self, pixel_values: Tensor) -> Tensor:
        """Map pixel_values [B,3,H,W] to logits [B,classes], float32."""

        def public_forward(layer: ss2d.SS2D, x: Tensor) -> Tensor:
            return self._public_ss2d(layer, x)

        with (
            mock.patch.object(ss2d.SS2D, "forward", public_forward),
            _casts_by_autocast(pixel_values.device.type),
        ):
            logits: Tensor = self.network(pixel_values)
        return logits.float()

    def _public_ss2d(self, layer: ss2d.SS2D, x: Tensor) -> Tensor:
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

    def _chain_parameters(self, layer: ss2d.SS2D, dtype: torch.dtype) -> ChainParameters:
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
    with mock.patch.object(casting, "cast", lambda x, _dtype: x):
        yield


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
        return PlainScan(model)(pixels[:_COMPARED_IMAGES]).float()


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
