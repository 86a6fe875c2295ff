"""What the dense networks have in common: a backbone of another family."""

from __future__ import annotations

from torch import Tensor

from vmamba_deploy.models.network import Network
from vmamba_deploy.tasks import FEATURES, Task


class DenseNetwork(Network):
    """A head over a backbone's four maps.

    Args:
        task: that it was made for; it can also give the backbone's maps.
        backbone: with the method `forward_features`.
    """

    backbone: Network

    def __init__(self, task: Task, backbone: Network) -> None:
        super().__init__()
        self.tasks = (task.name, FEATURES.name)
        self.backbone = backbone
        self.in_chans, self.image_size = backbone.in_chans, backbone.image_size

    def forward_features(self, pixel_values: Tensor) -> list[Tensor]:
        """The backbone's four maps [B, C, H, W] at 1/4, 1/8, 1/16 and 1/32 of the size.

        Args:
            pixel_values: [B, I, H, W], normalised.
        """
        maps: list[Tensor] = getattr(self.backbone, FEATURES.method)(pixel_values)
        return maps
