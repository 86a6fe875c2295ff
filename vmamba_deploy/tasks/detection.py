"""Boxes with a class, a score and a mask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, overload

from vmamba_deploy.errors import InputFileError
from vmamba_deploy.tasks.classification import class_label
from vmamba_deploy.tasks.inputs import SIZES
from vmamba_deploy.tasks.task import Axis, Output, Task

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

MAX_DETECTIONS = 100
"""Slots of an image; the reference keeps as many."""
MASK_SIDE = 28

_SLOTS: tuple[Axis, ...] = ("batch", MAX_DETECTIONS)
DETECTION = Task(
    "detection",
    (
        Output("boxes", "detection", (*_SLOTS, 4)),
        Output("scores", "detection", _SLOTS),
        Output("labels", "detection", _SLOTS, "int32"),
        Output("count", "detection", ("batch",), "int32"),
        Output("masks", "detection", (*_SLOTS, MASK_SIDE, MASK_SIDE)),
        Output("exact", "detection", ("batch",), "int32"),
    ),
    inputs=(SIZES,),
    multiple=32,
    batches=(1,),
)
"""Detections of an image by falling score, in as many slots for every image.

`sizes` is the height and width of each image before it was padded; boxes are clipped to it.

| output   | what it is                                                                         |
|----------|------------------------------------------------------------------------------------|
| `boxes`  | x1, y1, x2, y2 in pixels of the input                                              |
| `scores` | 0 to 1                                                                             |
| `labels` | the classes                                                                        |
| `count`  | how many slots are detections; those behind are zeros with label -1                |
| `masks`  | probability of the label's class in each of 28 x 28 cells of the box               |
| `exact`  | 1: suppression was followed to its end, over all candidates; 0: another detection |
|          | may have been kept or left out                                                     |
"""


@dataclass(frozen=True, eq=False)
class Detection:
    """Something that was found in a picture.

    Attributes:
        label: its class.
        name: of the class; the number as text where nobody knows it.
        score: 0 to 1.
        box: x1, y1, x2, y2 in pixels of the picture itself.
        cells: [28,28] float32, how probably each cell of the box belongs to it.
        size: (height, width) of the picture.
    """

    label: int
    name: str
    score: float
    box: tuple[float, float, float, float]
    cells: npt.NDArray[np.float32] = field(repr=False)
    size: tuple[int, int] = field(repr=False)

    @property
    def mask(self) -> npt.NDArray[np.bool_]:
        """[h,w]: which pixels of the picture belong to it; made anew by every call."""
        from vmamba_deploy.tasks.masks import paste_mask

        return paste_mask(self.cells, self.box, self.size)


_SHOWN = 5  # of a picture in its repr


@dataclass(frozen=True, eq=False, repr=False)
class Detections(Sequence[Detection]):
    """What was found in a picture, by falling score: a sequence of `Detection`.

    Attributes:
        found: the detections.
        exact: suppression was followed to its end, over all candidates; False: another detection
            may have been kept or left out.
    """

    found: tuple[Detection, ...]
    exact: bool

    def __repr__(self) -> str:
        shown = [f"{one.name} {one.score:.2f}" for one in self.found[:_SHOWN]]
        if len(self.found) > _SHOWN:
            shown.append("...")
        return f"Detections({', '.join([str(len(self.found)), *shown])})"

    def __len__(self) -> int:
        return len(self.found)

    @overload
    def __getitem__(self, index: int) -> Detection: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Detection, ...]: ...
    def __getitem__(self, index: int | slice) -> Detection | tuple[Detection, ...]:
        return self.found[index]


def detections_of(
    outputs: Mapping[str, npt.NDArray[Any]],
    *,
    scale: tuple[float, float],
    size: tuple[int, int],
    names: Sequence[str] | None = None,
    score_threshold: float = 0.0,
) -> Detections:
    """What a network found in one picture, by falling score.

    Args:
        outputs: of the task, without the batch.
        scale: by which the picture was resized for the network, of x and of y; boxes are divided
            by it, and not clipped again.
        size: (height, width) of the picture.
        names: of the classes.
        score_threshold: those below are left out.

    Raises:
        InputFileError: outputs that are not finite.
    """
    import numpy as np

    if not all(np.isfinite(outputs[name]).all() for name in ("boxes", "scores", "masks")):
        raise InputFileError(
            "the model gave detections that are not finite",
            hint="export it in fp32 or bf16, and look at the parity report",
        )
    kept = int(np.count_nonzero(outputs["scores"][: int(outputs["count"])] >= score_threshold))
    boxes = outputs["boxes"][:kept] / np.array([*scale, *scale], np.float32)
    found = tuple(
        Detection(
            label=int(outputs["labels"][i]),
            name=class_label(int(outputs["labels"][i]), names),
            score=float(outputs["scores"][i]),
            box=(float(box[0]), float(box[1]), float(box[2]), float(box[3])),
            cells=outputs["masks"][i],
            size=size,
        )
        for i, box in enumerate(boxes)
    )
    return Detections(found, bool(outputs["exact"]))
