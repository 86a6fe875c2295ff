"""The networks of the samples: modern VMambas small enough for two cores, and their files."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from vmamba_deploy.artifacts.atomic import atomic_write
from vmamba_deploy.models.vmamba.config import VMambaConfig
from vmamba_deploy.models.vmamba.initialization import initialize
from vmamba_deploy.models.vmamba.layers.ss2d import SS2D
from vmamba_deploy.models.vmamba.network import (
    VMamba,
    empty_network,
    selective_scans,
    set_scan_backend,
)

FIRST_STEPS = (0.1, 1.0)
"""Range of the scans' step sizes before training: a memory of one to ten pixels."""


def new_network(config: VMambaConfig, seed: int) -> VMamba:
    """A network with random weights that depend on the seed alone, ready to be trained.

    Linear layers, convolutions and norms start as PyTorch's do, whose spread fits a network this
    narrow better than the published 0.02. The scans start with larger steps than published and
    without skip: a network this small can learn digits through skips and convolutions alone, and
    would then not tell a broken scan from a good one (train_digits/README.md has the figures).
    """
    network = empty_network(config)
    initialize(network, seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for layer in network.modules():
            if isinstance(layer, nn.Linear | nn.Conv2d | nn.LayerNorm):
                layer.reset_parameters()
        for scan in selective_scans(network):
            _start_with_memory(scan)
    # The native kernel has no gradient of its own: PyTorch's loop would run once more behind it.
    set_scan_backend(network, "reference")
    return network


@torch.no_grad()
def _start_with_memory(scan: SS2D) -> None:
    """Steps log-uniform in FIRST_STEPS, no skip; the projections stay as they are."""
    low, high = (math.log(step) for step in FIRST_STEPS)
    steps = torch.empty_like(scan.dt_projs_bias).uniform_(low, high).exp()
    scan.dt_projs_bias.copy_(torch.log(torch.expm1(steps)))  # softplus gives the steps back
    scan.Ds.zero_()


def save_network(
    network: nn.Module, class_labels: Sequence[str], image_size: tuple[int, int], path: Path
) -> None:
    """Write the weights, float32, with what an export has to know of them.

    The file appears whole or not at all.

    Args:
        network: that was trained.
        class_labels: name of each class.
        image_size: (height, width) in pixels of the images that it was trained on.
        path: safetensors.

    Raises:
        UsageError: the place is not writable.
        ResourceError: the disk is full.
    """
    from safetensors.torch import save

    weights = {name: weight.contiguous() for name, weight in network.state_dict().items()}
    known = {"input_size": (3, *image_size), "label_names": class_labels}
    # One key, as timm has it: safetensors writes several in an order that changes.
    content = save(weights, metadata={"pretrained_cfg": json.dumps(known)})
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)
