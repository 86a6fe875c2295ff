"""Artefact folders for segmentation and detection around networks of a few standard operators.

What they find is plain to see: the classes of colours, and boxes that hang on the picture's size.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from tests.inference.dense_folders import dense_manifest
from vmamba_deploy.artifacts.manifest import Description, write_manifest
from vmamba_deploy.preprocessing import (
    DETECTION_PREPROCESSING,
    SEGMENTATION_PREPROCESSING,
    Preprocessing,
)

SEGMENTATION_FIT = replace(SEGMENTATION_PREPROCESSING, fit=(160, 96), crop_pixels=(96, 128))
DETECTION_FIT = replace(DETECTION_PREPROCESSING, fit=(160, 96), crop_pixels=(96, 128))

_HEADER = '<ir_version: 10, opset_import: ["" : 20]>\n'

# The mean of 4 x 4 pixels, mixed to classes, as a head gives them; enlarged; the largest. Of one
# logit the picture's labels are made of that alone: the largest is of no use.
_SEGMENTATION = """
segmentation (float[batch,3,h,w] pixel_values)
    => (int32[batch,height,width] labels, float[batch,classes,a,b] logits)
{
    means = AveragePool<kernel_shape = [4, 4], strides = [4, 4], ceil_mode = 1>(pixel_values)
    logits = Conv(means, mixing)
    known = Shape<end = 2>(logits)
    size = Shape<start = 2>(pixel_values)
    full_size = Concat<axis = 0>(known, size)
    full = Resize<mode = "linear", coordinate_transformation_mode = "half_pixel">
        (logits, , , full_size)
    places = ArgMax<axis = 1, keepdims = 0>(full)
    labels = Cast<to = 6>(places)
}
"""

# A box in each quarter of the picture and one around all, the surest by the picture's brightness.
_DETECTION = """
detection (float[batch,3,h,w] pixel_values, int64[batch,2] sizes)
    => (float[batch,100,4] boxes, float[batch,100] scores, int32[batch,100] labels,
        int32[batch] count, float[batch,100,28,28] masks, int32[batch] exact)
{
    floats = Cast<to = 1>(sizes)
    four = Gather<axis = 1>(floats, x_y_x_y)
    wide = Unsqueeze(four, one)
    boxes = Mul(wide, shares)
    mean = ReduceMean<keepdims = 0>(pixel_values, last_three)
    tenth = Mul(mean, small)
    column = Unsqueeze(tenth, one)
    shaken = Mul(column, filled)
    scores = Add(shaken, likely)
    batch = Shape<end = 1>(pixel_values)
    rows = Concat<axis = 0>(batch, slots)
    labels = Expand(classes, rows)
    count = Expand(five, batch)
    exact = Expand(yes, batch)
    cells = Concat<axis = 0>(batch, mask_sides)
    masks = Expand(blobs, cells)
}
"""


def _of_segmentation(logits: int) -> dict[str, np.ndarray]:
    mixing = np.random.default_rng(3).standard_normal((logits, 3, 1, 1))
    return {"mixing": mixing.astype(np.float32)}


def _of_detection(_logits: int) -> dict[str, np.ndarray]:
    shares, likely = np.zeros((1, 100, 4), np.float32), np.zeros((1, 100), np.float32)
    shares[0, :5] = [
        [0, 0, 1, 1], [0, 0, 0.5, 0.5], [0.5, 0, 1, 0.5], [0, 0.5, 0.5, 1], [0.4, 0.4, 0.6, 0.7],
    ]  # fmt: skip
    likely[0, :5] = [0.9, 0.7, 0.6, 0.4, 0.2]
    classes = np.full((1, 100), -1, np.int32)
    classes[0, :5] = [2, 0, 6, 4, 1]
    y, x = np.mgrid[:28, :28] / 27 - 0.5
    blobs = np.zeros((1, 100, 28, 28), np.float32)
    for slot in range(5):
        blobs[0, slot] = np.clip(1.1 - (2 + slot / 3) * np.hypot(y, x + slot / 40), 0, 1)
    return {
        "shares": shares,
        "likely": likely,
        "filled": (likely > 0).astype(np.float32),
        "classes": classes,
        "blobs": blobs,
        "x_y_x_y": np.array([1, 0, 1, 0]),
        "one": np.array([1]),
        "last_three": np.array([1, 2, 3]),
        "small": np.array(0.01, np.float32),
        "slots": np.array([100]),
        "mask_sides": np.array([100, 28, 28]),
        "five": np.array([5], np.int32),
        "yes": np.array([1], np.int32),
    }


_NETWORKS: Mapping[str, Any] = {
    "segmentation": (_SEGMENTATION, _of_segmentation),
    "detection": (_DETECTION, _of_detection),
}


def write_folder(
    folder: Path,
    task: str,
    preprocessing: Preprocessing | None = None,
    outputs: tuple[str, ...] = (),
    logits: int = 7,
) -> Path:
    """An artefact folder of a toy for a task, complete but for an engine and a report."""
    usual = SEGMENTATION_FIT if task == "segmentation" else DETECTION_FIT
    manifest = dense_manifest(task, preprocessing or usual, outputs, logits)
    text, constants = _NETWORKS[task]
    model = onnx.parser.parse_model(_HEADER + text)
    model.graph.initializer.extend(
        numpy_helper.from_array(array, name) for name, array in constants(logits).items()
    )
    wanted = {each.name for each in manifest.onnx.outputs}
    for output in [each for each in model.graph.output if each.name not in wanted]:
        model.graph.output.remove(output)
    onnx.checker.check_model(model, full_check=True)
    folder.mkdir(parents=True)
    onnx.save(model, folder / "model.onnx")
    fields = {name: getattr(manifest, name) for name in Description.__struct_fields__}
    write_manifest(folder, Description(**fields))
    return folder
