"""What a file computes, as a module: a task's method, behind the normalisation where asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from vmamba_deploy.preprocessing import Preprocessing
from vmamba_deploy.tasks import Task


class Deployable(nn.Module):
    """Does one task with a network, on camera bytes where the normalisation is in the graph.

    Then [B,H,W,C] uint8 become the [B,C,H,W] float32 that the network expects as
    (pixel / 255 - mean) / std, one multiply and one add per channel. Resizing and cropping stay
    with the caller: they depend on the size of each image.

    Args:
        model: the network.
        task: says which method of the network, what it takes beside pixel_values, and what of its
            outputs is given.
        normalisation: mean and std; None takes pixel_values as they are.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, model: nn.Module, task: Task, normalisation: Preprocessing | None) -> None:
        super().__init__()
        self.model, self._task = model, task
        self.takes_bytes = normalisation is not None
        if normalisation is not None:
            mean, std = torch.tensor(normalisation.mean), torch.tensor(normalisation.std)
            self.register_buffer("scale", 1.0 / (255.0 * std))
            self.register_buffer("shift", -mean / std)

    def forward(self, pixel_values: Tensor, *others: Tensor) -> tuple[Tensor, ...]:
        """Map pixel_values and the task's other inputs, in its order, to its outputs, likewise."""
        if self.takes_bytes:
            normalised = pixel_values.to(torch.float32) * self.scale + self.shift
            pixel_values = normalised.permute(0, 3, 1, 2)
        named = {each.name: other for each, other in zip(self._task.inputs, others, strict=True)}
        if self._task.method == "forward":
            # Called as a module, so that nodes are named after `model`'s own scope.
            return _in_order(self.model(pixel_values, **named), self._task)
        return _in_order(getattr(self.model, self._task.method)(pixel_values, **named), self._task)


def _in_order(
    given: Tensor | Sequence[Tensor] | Mapping[str, Tensor], task: Task
) -> tuple[Tensor, ...]:
    """What a network gives, in the order of the task's outputs; of a dict those alone."""
    if isinstance(given, Tensor):
        return (given,)
    if isinstance(given, Mapping):
        return tuple(given[name] for name in task.output_names)
    return tuple(given)
