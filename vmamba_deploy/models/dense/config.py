"""What the dense networks are made of, as data. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

LEVELS = 4
"""Maps that a backbone gives, at strides 4, 8, 16, 32."""


@dataclass(frozen=True)
class UperNetConfig:
    """A UperNet.

    Args:
        backbone: its family's configuration, without a classifier.
        num_classes: that a pixel may have.
        channels: of the head's maps.
    """

    backbone: Any
    num_classes: int = 150
    channels: int = 512


@dataclass(frozen=True)
class DetectorConfig:
    """A Mask R-CNN or a Cascade Mask R-CNN.

    Args:
        backbone: its family's configuration, without a classifier.
        num_classes: that a box may have, without the background.
        channels: of the pyramid's maps and of the mask head.
        fc_channels: of the box head.
    """

    backbone: Any
    num_classes: int = 80
    channels: int = 256
    fc_channels: int = 1024
