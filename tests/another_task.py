"""A family whose networks take a second input and give integers: all the way through, as a toy.

The backbone is a small VMamba's, so that engines have a plugin to hold.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from contextlib import contextmanager
from types import MappingProxyType
from unittest.mock import patch

import torch
from torch import Tensor, nn

from vmamba_deploy.models import FAMILIES, Network, Preset
from vmamba_deploy.models.vmamba.config import VMambaConfig
from vmamba_deploy.models.vmamba.family import VMambaFamily
from vmamba_deploy.models.vmamba.network import VMamba, convert_precision, freeze_scan_parameters
from vmamba_deploy.precisions import PrecisionName
from vmamba_deploy.preprocessing import Preprocessing
from vmamba_deploy.tasks import TASKS, Output, Task
from vmamba_deploy.tasks.inputs import SIZES

REGIONS = Task(
    "regions",
    (
        Output("labels", "label_map", ("batch", "height", "width"), "int32"),
        Output("scores", "logits", ("batch", "classes")),
    ),
    optional=(Output("logits", "map", ("batch", "classes", None, None)),),
    inputs=(SIZES,),
    multiple=32,
)
"""Labels of the pixels, -1 outside of the picture, and the mean logits of the picture."""

FITTED = Preprocessing(crop_pixels=(64, 96), interpolation="opencv_bilinear", fit=(96, 64), pad=32)
CONFIG = VMambaConfig(depths=(1, 1, 1, 1), dims=(12, 24, 48, 96), ssm_ratio=1.0, num_classes=3)


class Regions(Network):
    def __init__(self, config: VMambaConfig) -> None:
        super().__init__()
        self.config, self.tasks = config, ("regions",)
        self.class_labels, self.palette = ("a", "b", "c"), ((1, 2, 3), (4, 5, 6), (7, 8, 9))
        self.backbone = VMamba(config)
        self.head = nn.Conv2d(config.dims[0], config.num_classes or 0, 1)
        self.whole = nn.Conv2d(config.dims[-1], config.num_classes or 0, 1)

    def forward(self, pixel_values: Tensor, sizes: Tensor | None = None) -> dict[str, Tensor]:
        height, width = pixel_values.shape[2:]
        first, *_, last = self.backbone.forward_features(pixel_values)
        logits = self.head(first) + self.whole(last).mean((2, 3), keepdim=True)
        full = nn.functional.interpolate(logits, size=(height, width), mode="bilinear")
        if sizes is None:
            sizes = torch.tensor([[height, width]]).expand(len(pixel_values), 2)
        rows = torch.arange(height)[None, :, None] < sizes[:, 0, None, None]
        columns = torch.arange(width)[None, None, :] < sizes[:, 1, None, None]
        inside = rows & columns
        outputs = {
            "labels": torch.where(inside, full.argmax(1), -1).to(torch.int32),
            "scores": (full * inside[:, None]).sum((2, 3)) / inside.sum((1, 2))[:, None],
        }
        return outputs | ({"logits": logits} if self.optional_outputs else {})


class RegionsFamily(VMambaFamily):
    name = "Regions"
    presets = MappingProxyType({"regions_net": Preset("regions_net", CONFIG, FITTED)})
    aliases = MappingProxyType({"regions": "regions_net"})
    layers = re.compile(r"backbone\.(patch_embed|layers\.\d+\.(blocks\.\d+|downsample))|head")

    def build(self, config: VMambaConfig) -> Network:
        return Regions(config)

    def initialize(self, network: Network, seed: int) -> None:
        assert isinstance(network, Regions)
        super().initialize(network.backbone, seed)
        generator = torch.Generator().manual_seed(seed)
        for parameter in (*network.head.parameters(), *network.whole.parameters()):
            nn.init.normal_(parameter, generator=generator)

    def cast(self, network: Network, precision: PrecisionName) -> Network:
        assert isinstance(network, Regions)
        converted = copy.copy(network)
        converted._modules = dict(network._modules)
        converted.backbone = convert_precision(network.backbone, precision)
        return converted

    def freeze(self, network: Network) -> None:
        freeze_scan_parameters(network)


@contextmanager
def registered() -> Iterator[None]:
    """The task and the family are there."""
    with patch.dict(FAMILIES, {"Regions": RegionsFamily()}), patch.dict(TASKS, regions=REGIONS):
        yield
