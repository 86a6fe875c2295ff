"""What `vmamba-deploy predict` found, as a table and as fields of JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from vmamba_deploy.cli.summary import table
from vmamba_deploy.pipeline.predict import (
    ImageDetections,
    ImagePredictions,
    ImageResult,
    ImageSegmentation,
)
from vmamba_deploy.tasks.masks import coco_rle

if TYPE_CHECKING:
    from rich.table import Table

    from vmamba_deploy.inference import Detection


def predictions_table(results: Sequence[ImageResult]) -> Table:
    """One row for each class or detection of each image; all results are of one task."""
    first, columns = results[0], ("class", ">index", ">share")
    title = {ImagePredictions: "Predictions", ImageSegmentation: "Classes of the pixels"}
    if isinstance(first, ImageDetections):
        columns = ("class", ">score", ">left, top, right, bottom")
    drawn = table(f"\n{title.get(type(first), 'Detections')} ({first.runtime})", "image", *columns)
    for one in results:
        rows = _rows(one) or [("nothing was found", "", "")]
        for place, row in enumerate(rows):
            drawn.add_row(str(one.image) if place == 0 else "", *row)
    return drawn


def _rows(one: ImageResult) -> list[tuple[str, str, str]]:
    if isinstance(one, ImagePredictions):
        return [
            (best.label, str(best.index), f"{best.probability:.2%}") for best in one.predictions
        ]
    if isinstance(one, ImageSegmentation):
        return [(each.name, str(each.label), f"{each.share:.2%}") for each in one.classes]
    return [
        (found.name, f"{found.score:.2f}", ", ".join(f"{side:.1f}" for side in found.box))
        for found in one.detections
    ]


def as_fields(results: Sequence[ImageResult]) -> dict[str, Any]:
    """The fields of the last line of `--json`."""
    fields: dict[str, Any] = {"runtime": results[0].runtime}
    if isinstance(results[0], ImagePredictions):
        fields["activation"] = results[0].activation
    return fields | {"predictions": [_fields(one) for one in results]}


def _fields(one: ImageResult) -> dict[str, Any]:
    if isinstance(one, ImagePredictions):
        return {"image": one.image, "classes": one.predictions}
    if isinstance(one, ImageSegmentation):
        return {
            "image": one.image,
            "size": one.segmentation.labels.shape,
            "exact": one.segmentation.exact,
            "classes": one.classes,
            "overlay": one.drawn,
            "labels": one.label_map,
        }
    return {
        "image": one.image,
        "exact": one.detections.exact,
        "detections": [_detection(found) for found in one.detections],
        "overlay": one.drawn,
    }


def _detection(found: Detection) -> dict[str, Any]:
    return {
        "label": found.label,
        "name": found.name,
        "score": found.score,
        "box": found.box,
        "mask": coco_rle(found.mask),
    }
