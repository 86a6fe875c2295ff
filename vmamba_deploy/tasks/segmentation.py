"""A class for every pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmamba_deploy.tasks.classification import class_label
from vmamba_deploy.tasks.palette import Palette
from vmamba_deploy.tasks.task import Output, Task

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt

LABELS = Output("labels", "label_map", ("batch", "height", "width"), "int32")
HEAD_LOGITS = Output("logits", "map", ("batch", "classes", None, None))
SEGMENTATION = Task(
    "segmentation", (LABELS,), optional=(HEAD_LOGITS,), batches=(1,), fewest_classes=2
)
"""Labels [B,H,W] int32 of the pixels of the input: the head's logits, resized bilinearly to the
input's size, have their largest there. A single logit stands for two classes, no and yes: 1 where
it is above 0. Where asked for, `logits` [B,classes,h,w] as the head gives them: 1/4 of the input
from an UperNet, as large as the input from a VM-UNet."""


_SHOWN = 5  # classes of a picture in its repr


@dataclass(frozen=True)
class ClassShare:
    """How much of a picture is of a class.

    Attributes:
        label: the class.
        name: its name; the number as text where nobody knows it.
        pixels: that are of it.
        share: of the picture, 0 to 1.
    """

    label: int
    name: str
    pixels: int
    share: float


@dataclass(frozen=True, eq=False, repr=False)
class Segmentation:
    """The classes of a picture's pixels.

    Attributes:
        labels: [h,w] int32 of the picture itself, as large as it was given, upright.
        exact: found as the published evaluation does, from logits, or without a resize; False:
            the nearest labels of the network's input, which differ at borders.
        names: of the classes, where they are known.
        palette: a colour for each class, where it is known.
    """

    labels: npt.NDArray[np.int32]
    exact: bool
    names: Sequence[str] | None = None
    palette: Palette | None = None

    def __repr__(self) -> str:
        height, width = self.labels.shape
        shares = [f"{one.name} {one.share:.0%}" for one in self.classes()]
        more = ", ..." if len(shares) > _SHOWN else ""
        return f"Segmentation({height} x {width}: {', '.join(shares[:_SHOWN])}{more})"

    def classes(self) -> list[ClassShare]:
        """The classes that the picture has, the largest first; equal ones by their number."""
        import numpy as np

        labels, counts = np.unique(self.labels, return_counts=True)
        order = np.argsort(-counts, kind="stable")
        return [
            ClassShare(
                label=int(labels[i]),
                name=class_label(int(labels[i]), self.names),
                pixels=int(counts[i]),
                share=float(counts[i] / self.labels.size),
            )
            for i in order
        ]
