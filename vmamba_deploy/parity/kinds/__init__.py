"""Kinds of outputs: what a difference from the reference means for each.

A new kind is a file here, a name in `vmamba_deploy.tasks.OutputKind`, and a line in `KINDS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from vmamba_deploy.parity.figures import Answer, Figures
from vmamba_deploy.parity.kinds.detection import compare_detections
from vmamba_deploy.parity.kinds.image import compare_images
from vmamba_deploy.parity.kinds.label_map import compare_labels
from vmamba_deploy.parity.kinds.logits import compare_logits
from vmamba_deploy.parity.kinds.map import compare_maps
from vmamba_deploy.precisions import Thresholds
from vmamba_deploy.tasks import OutputKind, Task


@dataclass(frozen=True)
class Kind:
    """How outputs of a kind are judged.

    Attributes:
        compare: measures an answer; raises ValueError for one that cannot be judged.
        together: whether all outputs of the kind are one answer, not each its own.
        shakes: how often the reference is asked again for shaken images, to see what it decides.
    """

    compare: Callable[[Answer, Thresholds], Figures]
    together: bool = False
    shakes: int = 0


KINDS: Mapping[OutputKind, Kind] = MappingProxyType(
    {
        "logits": Kind(compare_logits),
        "map": Kind(compare_maps),
        "image": Kind(compare_images),
        "label_map": Kind(compare_labels),
        "detection": Kind(compare_detections, together=True, shakes=4),
    }
)


def shakes_of(task: Task) -> int:
    """How often the reference is asked again for shaken images of a task.

    Of noise and of images of one colour nothing is decided then: photographs alone say something.
    """
    return max(KINDS[output.kind].shakes for output in task.outputs)


def answers_of(task: Task) -> dict[str, tuple[OutputKind, tuple[str, ...]]]:
    """The answers that a task's outputs make, by name: their kind and the outputs in each.

    An output alone gives its name to its answer; outputs that are judged together, their kind.
    """
    found: dict[str, tuple[OutputKind, tuple[str, ...]]] = {}
    for output in task.outputs:
        name = output.kind if KINDS[output.kind].together else output.name
        _, before = found.get(name, (output.kind, ()))
        found[name] = (output.kind, (*before, output.name))
    return found


__all__ = ["KINDS", "Kind", "answers_of", "shakes_of"]
