"""Boxes with a class, a score and a mask."""

from __future__ import annotations

from vmamba_deploy.tasks.inputs import SIZES
from vmamba_deploy.tasks.task import Axis, Output, Task

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
