"""The networks and images of a run: published ones on a GPU, a tiny one in a rehearsal."""

from __future__ import annotations

import torch
from torch import Tensor

from vmamba_deploy.models.vmamba.config import VMambaConfig
from vmamba_deploy.models.vmamba.creation import create_model
from vmamba_deploy.models.vmamba.initialization import initialize
from vmamba_deploy.models.vmamba.network import VMamba, empty_network, freeze_scan_parameters

TINY, BASE, VANILLA = "vmamba_tiny_s1l8", "vmamba_base_s1l20", "vanilla_vmamba_tiny"
REHEARSED = "rehearsed"
IMAGE_SIDE = 224


def network(name: str, device: str) -> VMamba:
    """A preset in float32 with random weights; `rehearsed` is the smallest network there can be."""
    if name == REHEARSED:
        model = empty_network(
            VMambaConfig(depths=(1, 1, 1, 1), dims=(16, 32, 64, 128), ssm_ratio=1.0, num_classes=10)
        )
        initialize(model, seed=0)
    else:
        model = create_model(name)
    freeze_scan_parameters(model)
    # Convolutions then take and give channels last, as all layers between them do.
    return model.to(device=device, memory_format=torch.channels_last)


def images(batch: int, height: int, width: int, device: str) -> Tensor:
    """Seeded noise [batch, 3, height, width], float32."""
    generator = torch.Generator(device).manual_seed(0)
    return torch.randn(batch, 3, height, width, generator=generator, device=device)
