"""Average precision and recall of detections, by pycocotools."""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, fields
from typing import Any, Literal

import msgspec
import numpy as np

from vmamba_deploy.evaluation.coco import CocoFile

MATCH_IOU, MATCH_SCORE = 0.5, 0.5
"""From which IoU an object of an image counts as found, and from which score a detection counts."""


@dataclass(frozen=True)
class AveragePrecision:
    """COCO's twelve numbers, 0 to 1; NaN where the data have no such object.

    `ap` is the mean over IoU thresholds 0.50 to 0.95 in steps of 0.05, `ap50` and `ap75` at one of
    them; small objects have less than 32 x 32 pixels, large ones more than 96 x 96. `ar1`, `ar10`
    and `ar100` are recalls with so many detections an image.
    """

    ap: float
    ap50: float
    ap75: float
    ap_small: float
    ap_medium: float
    ap_large: float
    ar1: float
    ar10: float
    ar100: float
    ar_small: float
    ar_medium: float
    ar_large: float


@dataclass(frozen=True)
class Matches:
    """One image: which of its objects were found at IoU 0.5 by detections that score 0.5 or more.

    Attributes:
        objects: in the data, crowds left out.
        found: of those, by a detection of their class.
        false: detections that are of no object; those in a crowd do not count.
        f1: 2 found / (objects + detections that count); 1 where there are neither.
    """

    objects: int = 0
    found: int = 0
    false: int = 0

    @property
    def missed(self) -> int:
        """Objects that were not found."""
        return self.objects - self.found

    @property
    def f1(self) -> float:
        """See the class."""
        either = self.objects + self.found + self.false
        return 2 * self.found / either if either else 1.0


@dataclass(frozen=True)
class Scored:
    """The numbers over all categories, `ap` of each category by its id, matches by image's id."""

    overall: AveragePrecision
    by_category: dict[int, float]
    by_image: dict[int, Matches]


def average_precision(
    truth: CocoFile,
    detections: Sequence[dict[str, Any]],
    images: Sequence[int],
    kind: Literal["bbox", "segm"],
) -> Scored:
    """Evaluate detections of some images.

    Args:
        truth: the file with all annotations.
        detections: COCO's results: `image_id`, `category_id`, `score`, `bbox` (x, y, width,
            height), and `segmentation` (RLE) for masks.
        images: ids of the images that were evaluated, the others do not count.
        kind: by boxes, or by masks.
    """
    from pycocotools.cocoeval import COCOeval

    # COCO tells of its progress on stdout, which belongs to our JSON lines.
    with redirect_stdout(io.StringIO()):
        expected = _indexed(msgspec.to_builtins(truth))
        given = _results(expected, detections, kind)
        judged = COCOeval(expected, given, kind)
        judged.params.imgIds = sorted(images)
        judged.evaluate()
        judged.accumulate()
        judged.summarize()
    names = [one.name for one in fields(AveragePrecision)]
    # Thresholds, recalls, categories, areas (the first is all), detections an image (the last 100).
    precision = judged.eval["precision"][:, :, :, 0, -1]
    by_category = {
        int(category): _known_mean(precision[:, :, place])
        for place, category in enumerate(judged.params.catIds)
    }
    overall = {name: _known(value) for name, value in zip(names, judged.stats, strict=True)}
    return Scored(AveragePrecision(**overall), by_category, _by_image(judged, images))


def matches_by_image(
    truth: CocoFile, detections: Sequence[dict[str, Any]], images: Sequence[int]
) -> dict[int, Matches]:
    """The matches by boxes alone, at the cost of one IoU threshold and of one range of sizes.

    Args:
        truth, detections, images: as of `average_precision`.
    """
    from pycocotools.cocoeval import COCOeval

    with redirect_stdout(io.StringIO()):
        expected = _indexed(msgspec.to_builtins(truth))
        judged = COCOeval(expected, _results(expected, detections, "bbox"), "bbox")
        judged.params.imgIds = sorted(images)
        judged.params.iouThrs = np.array([MATCH_IOU])
        # Of all sizes.
        judged.params.areaRng = judged.params.areaRng[:1]
        judged.evaluate()
    return _by_image(judged, images)


def _by_image(judged: Any, images: Sequence[int]) -> dict[int, Matches]:
    """At the first IoU threshold, `MATCH_IOU`, and for objects of all sizes."""
    found = dict.fromkeys(images, Matches())
    for one in judged.evalImgs:
        if one is not None and one["aRng"] == judged.params.areaRng[0]:
            found[one["image_id"]] = _added(found[one["image_id"]], one)
    return found


def _added(matches: Matches, category: dict[str, Any]) -> Matches:
    """With the objects of a category, as COCOeval tells of an image."""
    counts = (np.array(category["dtScores"]) >= MATCH_SCORE) & ~category["dtIgnore"][0].astype(bool)
    matched = category["dtMatches"][0] > 0
    return Matches(
        matches.objects + int((~np.array(category["gtIgnore"], bool)).sum()),
        matches.found + int((counts & matched).sum()),
        matches.false + int((counts & ~matched).sum()),
    )


def _indexed(dataset: dict[str, Any]) -> Any:
    from pycocotools.coco import COCO

    coco = COCO()
    coco.dataset = dataset
    coco.createIndex()
    return coco


def _results(expected: Any, detections: Sequence[dict[str, Any]], kind: str) -> Any:
    if not detections:
        return _indexed(expected.dataset | {"annotations": []})
    # With a box a mask would get the box's area, which says whether it is small or large.
    left_out = "bbox" if kind == "segm" else "segmentation"
    return expected.loadRes(
        [{key: value for key, value in one.items() if key != left_out} for one in detections]
    )


def _known(value: float) -> float:
    """COCO's -1 stands for nothing to count."""
    return float(value) if value >= 0 else float("nan")


def _known_mean(values: Any) -> float:
    known = values[values > -1]
    return float(np.mean(known)) if known.size else float("nan")
