"""A network of ours as the analyses take it: its last map, its ONNX file, its training's start."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from vmamba_deploy.errors import UsageError
from vmamba_deploy.exporting.options import ExportOptions
from vmamba_deploy.models.loading import RANDOM
from vmamba_deploy.preprocessing.specification import IMAGENET_PREPROCESSING, Preprocessing
from vmamba_deploy.tasks import CLASSIFICATION, FEATURES

if TYPE_CHECKING:
    from torch import Tensor, nn

    from vmamba_deploy.models import LoadedModel


@dataclass(frozen=True, eq=False)
class OurNetwork:
    """A network of ours with its weights.

    Attributes:
        name: for tables and figures.
        loaded: float32.
    """

    name: str
    loaded: LoadedModel

    @property
    def weights(self) -> str:
        """Where they are from."""
        return self.loaded.source

    @property
    def random(self) -> bool:
        """Whether the weights are random ones."""
        return self.loaded.source.startswith(RANDOM)

    def before_training(self, seed: int) -> OurNetwork:
        """The same layers as the published training starts with them."""
        from vmamba_deploy.models.vmamba.initialization import training_start

        network = copy.deepcopy(self.loaded.model)
        training_start(network, seed)
        loaded = replace(self.loaded, model=network, source=f"{RANDOM} (seed {seed})", origin=None)
        return replace(self, loaded=loaded)

    def build(self, size: tuple[int, int]) -> nn.Module:
        """The network for images of (height, width).

        Raises:
            UsageError: it takes no such images.
        """
        least = self.loaded.model.least_side
        if min(size) < least:
            raise UsageError(
                f"{self.name} takes images of at least {least} pixels a side, got "
                f"{size[0]}x{size[1]}"
            )
        return self.loaded.family.for_size(self.loaded.model, size)

    def require_maps(self) -> None:
        """Refuse a network without feature maps; raises UsageError."""
        able = self.loaded.model.tasks
        if FEATURES.name not in able:
            raise UsageError(
                f"a {self.loaded.family.name} has no feature maps whose centre could be looked at: "
                f"it is for {' and '.join(able)}",
                hint="a backbone of VMamba has them, and a network of yours through "
                "vmamba_deploy.analysis.receptive_field.receptive_field",
            )

    def last_map(self, network: nn.Module, pixel_values: Tensor) -> Tensor:
        """The map [B, K, h, w] of the last stage, through its output norm where it has one."""
        maps: list[Tensor] = network.forward_features(pixel_values)  # type: ignore[operator]
        return maps[-1]

    def preprocessing(self, size: tuple[int, int]) -> Preprocessing:
        """How an image file becomes pixel_values of (height, width)."""
        return (self.loaded.preprocessing or IMAGENET_PREPROCESSING).for_size(size)

    @property
    def any_size(self) -> bool:
        """Whether one file can take images of every size."""
        model = self.loaded.model
        return model.image_size is None and model.size_multiple == 1

    def export(self, network: nn.Module, size: tuple[int, int], path: Path) -> None:
        """Write the classifier as ONNX in fp32, for images of any size where there can be such.

        Raises:
            UsageError: it is no classifier.
            BuildError: the export failed.
        """
        from vmamba_deploy.exporting.onnx_file import export_onnx

        options = ExportOptions(
            image_size=size, dynamic_size=self.any_size, task=CLASSIFICATION.name
        )
        export_onnx(self.loaded, path, options)
