"""What every family's network is, beside its layers."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from vmamba_deploy.tasks import TASKS, Task


class Network(nn.Module):
    """A network that takes pixel_values [B,C,H,W], normalised.

    Each of its tasks names the method that gives the task's outputs.

    Attributes:
        config: the architecture, the family's own dataclass.
        in_chans: C, the channels of its input.
        tasks: names of what the network can do, the one it was made for first.
        optional_outputs: names of the optional outputs of its first task that it gives as well.
        axes: of a network with inputs of its own, its free axes and the size that each is traced
            at.
        image_size: (height, width) of the only images that it takes; None: of any size.
        least_side: of an image, in pixels.
        size_multiple: of which height and width are multiples.
        preset_name: name of the preset with this architecture; None if there is none.
        class_labels: names of the classes, where they are known.
        palette: (red, green, blue) of each class, 0 to 255, where it is known.
    """

    config: Any
    in_chans: int = 3
    tasks: tuple[str, ...]
    optional_outputs: tuple[str, ...] = ()
    axes: Mapping[str, int] = MappingProxyType({})
    image_size: tuple[int, int] | None = None
    least_side: int = 32
    size_multiple: int = 1
    preset_name: str | None = None
    class_labels: tuple[str, ...] | None = None
    palette: tuple[tuple[int, int, int], ...] | None = None

    @property
    def classes(self) -> int | None:
        """How many classes its first task tells apart; None where it tells none."""
        logits = self.config.num_classes
        return None if logits is None else TASKS[self.tasks[0]].classes(logits)

    @property
    def masks(self) -> frozenset[str]:
        """Names of buffers that hold infinities on purpose."""
        return frozenset()

    @property
    def output_names(self) -> tuple[str, ...]:
        """Of what `forward` gives, in its order."""
        task = self.task_named(self.tasks[0])
        return task.with_optional(self.optional_outputs).output_names

    def task_named(self, name: str) -> Task:
        """One of its tasks."""
        return TASKS[name]


def pixel_labels(logits: Tensor) -> Tensor:
    """The classes [B, H, W] int32 of logits [B, K, H, W]: the first of the largest.

    A single logit stands for two classes, no and yes: 1 where it is above 0, which is where its
    sigmoid is above one half.
    """
    if logits.shape[1] == 1:
        return (logits[:, 0] > 0).to(torch.int32)
    return logits.argmax(dim=1).to(torch.int32)
