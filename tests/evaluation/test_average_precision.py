"""Average precision against a computation of our own in float64, from its definition."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
import pytest

from vmamba_deploy.evaluation.average_precision import average_precision
from vmamba_deploy.evaluation.coco import CocoFile
from vmamba_deploy.tasks.masks import coco_rle

HEIGHT, WIDTH = 90, 120
IOUS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)


def mask_of(box: list[float]) -> np.ndarray:
    """An ellipse in the box: its area is not the box's."""
    x, y, width, height = box
    rows, columns = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    return ((columns - x) / width * 2 - 1) ** 2 + ((rows - y) / height * 2 - 1) ** 2 <= 1


def outlined(box: list[float]) -> dict[str, Any]:
    return coco_rle(mask_of(box))


def boxes(rng: np.random.Generator, count: int) -> list[list[float]]:
    corner = rng.uniform(0, 50, (count, 2))
    return np.concatenate([corner, rng.uniform(8, 40, (count, 2))], axis=1).tolist()


@pytest.fixture(scope="module")
def case() -> tuple[CocoFile, list[dict[str, Any]]]:
    """Three images, three categories, of which the last has no object; detections near and far."""
    rng = np.random.default_rng()
    annotations, detections = [], []
    for image in (11, 5, 8):
        for number, box in enumerate(boxes(rng, 6)):
            category = 1 + number % 2
            area = float(mask_of(box).sum())
            annotations.append(
                {
                    "id": len(annotations) + 1, "image_id": image, "category_id": category,
                    "bbox": box, "area": area, "iscrowd": 0, "segmentation": outlined(box),
                }
            )  # fmt: skip
            moved = (np.array(box) + rng.normal(0, 1.5, 4)).tolist()
            if rng.random() < 0.8:
                detections.append((image, category, moved))
        detections += [
            (image, int(rng.integers(1, 4)), box) for box in boxes(rng, 4)
        ]  # most of them wrong
    images = [
        {"id": one, "file_name": f"{one}.png", "height": HEIGHT, "width": WIDTH}
        for one in (11, 5, 8)
    ]
    categories = [{"id": one, "name": f"c{one}"} for one in (1, 2, 3)]
    file = {"images": images, "categories": categories, "annotations": annotations}
    given = [
        {
            "image_id": image, "category_id": category, "bbox": box,
            "score": float(rng.random()), "segmentation": outlined(box),
        }
        for image, category, box in detections
    ]  # fmt: skip
    return msgspec.convert(file, CocoFile), given


def overlap(one: dict[str, Any], other: Any, kind: str) -> float:
    if kind == "segm":
        first, second = mask_of(one["bbox"]), mask_of(list(other.bbox))
        return float((first & second).sum() / (first | second).sum())
    (ax, ay, aw, ah), (bx, by, bw, bh) = one["bbox"], other.bbox
    wide = max(0.0, min(ax + aw, bx + bw) - max(ax, bx))
    high = max(0.0, min(ay + ah, by + bh) - max(ay, by))
    return wide * high / (aw * ah + bw * bh - wide * high)


def ours(
    truth: CocoFile, detections: list[dict[str, Any]], images: list[int], kind: str, iou: float
) -> dict[int, tuple[float, float]]:
    """(average precision, recall) of each category with objects, at one IoU."""
    found = {}
    for category in (one.id for one in truth.categories):
        objects = [
            one
            for one in truth.annotations
            if one.category_id == category and one.image_id in images
        ]
        if not objects:
            continue
        taken, hits = set(), []
        candidates = [
            one
            for one in detections
            if one["category_id"] == category and one["image_id"] in images
        ]
        for one in sorted(candidates, key=lambda one: -one["score"]):
            near = [
                (overlap(one, other, kind), other.id)
                for other in objects
                if other.image_id == one["image_id"] and other.id not in taken
            ]
            best = max(near, default=(0.0, 0))
            hits.append(best[0] >= iou)
            taken |= {best[1]} if hits[-1] else set()
        right = np.cumsum(hits)
        recall, precision = right / len(objects), right / np.arange(1, len(hits) + 1)
        at = [max(precision[recall >= wanted - 1e-12], default=0.0) for wanted in RECALLS]
        found[category] = float(np.mean(at)), float(recall[-1]) if hits else 0.0
    return found


@pytest.mark.parametrize("kind", ["bbox", "segm"])
@pytest.mark.parametrize("images", [[5, 8, 11], [8]])
def test_the_numbers_are_those_of_the_definition(case, kind, images) -> None:
    truth, detections = case
    got = average_precision(truth, detections, images, kind)
    by_iou = [ours(truth, detections, images, kind, iou) for iou in IOUS]
    precision = np.array([[one[name][0] for name in (1, 2)] for one in by_iou])
    recall = np.array([[one[name][1] for name in (1, 2)] for one in by_iou])
    assert got.overall.ap == pytest.approx(precision.mean())
    assert got.overall.ap50 == pytest.approx(precision[0].mean())
    assert got.overall.ap75 == pytest.approx(precision[5].mean())
    assert got.overall.ar100 == pytest.approx(recall.mean())
    assert 0 < got.overall.ap < 1
    for place, category in enumerate((1, 2)):
        assert got.by_category[category] == pytest.approx(precision[:, place].mean())
    assert math.isnan(got.by_category[3])


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_right_answers_are_all_right_and_large_objects_are_not_there(case, kind) -> None:
    truth, _ = case
    right = [
        {
            "image_id": one.image_id, "category_id": one.category_id, "bbox": list(one.bbox),
            "score": 0.9, "segmentation": one.segmentation,
        }
        for one in truth.annotations
    ]  # fmt: skip
    got = average_precision(truth, right, [5, 8, 11], kind)
    assert (got.overall.ap, got.overall.ar100) == (pytest.approx(1), pytest.approx(1))
    assert math.isnan(got.overall.ap_large)
    # A mask's own area says whether it is small, not that of its box.
    assert got.overall.ap_small == pytest.approx(1)


def test_no_detection_is_an_answer_too_and_nothing_is_printed(case, capfd) -> None:
    truth, _ = case
    got = average_precision(truth, [], [5, 8, 11], "bbox")
    assert (got.overall.ap, got.overall.ar100) == (0, 0)
    assert capfd.readouterr() == ("", "")


def test_the_truth_stays_as_it_is(case) -> None:
    truth, detections = case
    before = msgspec.json.encode(truth)
    given = msgspec.json.encode(detections)
    average_precision(truth, detections, [5], "segm")
    assert msgspec.json.encode(truth) == before
    assert msgspec.json.encode(detections) == given
