"""A detector's results as COCO takes them, and its figures from data set to summary."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from tests.evaluation.scorers.dense import Box, as_read_again, results_of, save_image
from vmamba_deploy.evaluation.judging import Thresholds
from vmamba_deploy.evaluation.scorer import Source
from vmamba_deploy.evaluation.scorers.detection import DetectionScorer
from vmamba_deploy.tasks.masks import coco_rle

SCORER = DetectionScorer()
HEIGHT, WIDTH = 60, 80


def objects(rng: np.random.Generator) -> list[tuple[int, tuple[int, int, int, int]]]:
    """(class, x, y, width, height) in cells of their own."""
    cells = [(x, y) for x in (0, 40) for y in (0, 30)]
    return [
        (int(rng.integers(0, 2)), (x + 4, y + 3, *(int(one) for one in rng.integers(12, 25, 2))))
        for x, y in cells
    ]


@pytest.fixture
def scene(tmp_path: Path) -> tuple[Source, dict[int, list]]:
    """Images of four objects each; the image's blue is its number."""
    rng = np.random.default_rng()
    truth: dict[int, list] = {}
    images, annotations = [], []
    for number in range(3):
        pixels = np.zeros((HEIGHT, WIDTH, 3))
        pixels[..., 2] = number
        save_image(tmp_path / f"{number}.png", pixels)
        images.append(
            {"id": 100 - number, "file_name": f"{number}.png", "height": HEIGHT, "width": WIDTH}
        )
        truth[number] = objects(rng)
        for label, (x, y, w, h) in truth[number]:
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": 100 - number,
                    "category_id": (44, 3)[label],
                    "bbox": [x, y, w, h],
                    "area": w * h,
                    "iscrowd": 0,
                    "segmentation": [[x, y, x + w, y, x + w, y + h, x, y + h]],
                }
            )
    categories = [{"id": 3, "name": "gull"}, {"id": 44, "name": "sea"}]
    file = tmp_path / "instances.json"
    file.write_text(
        json.dumps({"images": images, "categories": categories, "annotations": annotations})
    )
    return Source(file), truth


def answering(truth, change=lambda label, box: (label, box)):
    """A detector that knows the truth, and tells what `change` makes of it."""

    def answer(image: np.ndarray) -> list[Box]:
        found = []
        for place, (label, (x, y, w, h)) in enumerate(truth[int(image[0, 0, 2])]):
            told, (x, y, w, h) = change(label, (x, y, w, h))
            mask = np.zeros(image.shape[:2], bool)
            mask[y : y + h, x : x + w] = True
            found.append(Box((1, 3)[told], 0.9 - 0.1 * place, (x, y, x + w, y + h), mask))
        return found

    return answer


def summary_of(monkeypatch, scene, change=lambda label, box: (label, box)):
    source, truth = scene
    data, results, _ = results_of(monkeypatch, "detection", source, answering(truth, change))
    return SCORER.summarise(data, as_read_again("detection", reversed(results)), top_k=4), data


def test_right_answers_get_every_point_and_classes_go_by_name(scene, monkeypatch) -> None:
    summary, data = summary_of(monkeypatch, scene)
    assert data.categories == (None, 44, None, 3)
    assert summary.boxes.ap == pytest.approx(1)
    assert summary.masks is not None
    assert summary.masks.ap == pytest.approx(1)
    assert (summary.objects, summary.detections) == (12, 12)
    assert [(one.index, one.name) for one in summary.classes] == [(1, "sea"), (3, "gull")]
    assert sum(one.objects for one in summary.classes) == 12
    known = [one.box_ap for one in summary.classes if one.objects]
    assert known == pytest.approx([1] * len(known))
    assert math.isnan(summary.boxes.ap_large)


@pytest.mark.parametrize(
    "change",
    [
        lambda label, box: (1 - label, box),
        lambda label, box: (label, (box[0] + 3, *box[1:])),
        lambda label, box: (label, (box[1], box[0], box[3], box[2])),
    ],
)
def test_wrong_answers_lose_points(scene, monkeypatch, change) -> None:
    summary, _ = summary_of(monkeypatch, scene, change)
    assert summary.boxes.ap < 0.9
    assert summary.masks.ap < 0.9


def test_the_matches_of_each_image_and_the_worst_of_them(scene, monkeypatch) -> None:
    """Of image 1 one detection scores too little to count; of image 2 two are elsewhere."""
    source, truth = scene
    right = answering(truth)

    def answer(image: np.ndarray) -> list[Box]:
        found = right(image)
        if image[0, 0, 2] == 1:
            found[0] = replace(found[0], score=0.49)
        if image[0, 0, 2] == 2:
            found[:2] = [replace(one, box=(70.0, 50.0, 78.0, 58.0)) for one in found[:2]]
        return found

    data, results, _ = results_of(monkeypatch, "detection", source, answer)
    table = SCORER.table(data, reversed(as_read_again("detection", results)))
    assert table.columns == ("file", "objects", "found", "missed", "false", "f1", "error")
    assert list(table.rows) == [
        ("0.png", 4, 4, 0, 0, 1.0, None),
        ("1.png", 4, 3, 1, 0, 6 / 7, None),
        ("2.png", 4, 2, 2, 2, 0.5, None),
    ]
    worst = SCORER.summarise(data, results, top_k=4).worst_images
    assert [(one.name, one.missed, one.false) for one in worst] == [
        ("2.png", 2, 2),
        ("1.png", 1, 0),
    ]


def test_boxes_alone_have_no_mask_figures(scene, monkeypatch) -> None:
    source, _ = scene
    content = json.loads(source.data.read_text())
    for one in content["annotations"]:
        del one["segmentation"]
    source.data.write_text(json.dumps(content))
    summary, _ = summary_of(monkeypatch, scene)
    assert summary.boxes.ap == pytest.approx(1)
    assert summary.masks is None
    assert SCORER.shortfalls(summary, Thresholds(min_mask_ap_percent=1.0)) == [
        "mask AP is \N{EN DASH}, asked for is 1%"
    ]


def test_an_image_that_cannot_be_read_and_its_objects_do_not_count(scene, monkeypatch) -> None:
    source, truth = scene
    (source.data.parent / "1.png").write_text("no image")
    data, results, _ = results_of(
        monkeypatch, "detection", source, answering(truth), skip_unreadable=True
    )
    summary = SCORER.summarise(data, results, top_k=4)
    assert (summary.objects, summary.boxes.ap) == (8, pytest.approx(1))
    ((name, reason),) = summary.skipped
    assert name == "1.png"
    rows = list(SCORER.table(data, results).rows)
    assert rows[1] == ("1.png", None, None, None, None, None, reason)


def test_thresholds_and_progress(scene, monkeypatch) -> None:
    summary, data = summary_of(monkeypatch, scene)
    assert (
        SCORER.shortfalls(summary, Thresholds(min_box_ap_percent=99, min_mask_ap_percent=99)) == []
    )
    assert len(SCORER.shortfalls(summary, Thresholds(None, None, None, 101, 101))) == 2
    assert SCORER.tally(data).text() == "0 of 3 images"


def test_run_lengths_are_those_of_the_pixels() -> None:
    mask = np.random.default_rng().random((23, 41)) < 0.4
    np.testing.assert_array_equal(coco_mask.decode(coco_rle(mask)).astype(bool), mask)


def test_crowds_are_not_counted_as_objects(scene, monkeypatch) -> None:
    source, _ = scene
    content = json.loads(source.data.read_text())
    x, y, w, h = content["annotations"][0]["bbox"]
    crowd = np.zeros((HEIGHT, WIDTH), np.uint8, order="F")
    crowd[y : y + h, x : x + w] = 1
    content["annotations"][0] |= {
        "iscrowd": 1,
        "segmentation": coco_rle(crowd.astype(bool)),
    }
    source.data.write_text(json.dumps(content))
    summary, _ = summary_of(monkeypatch, scene)
    assert (summary.objects, summary.boxes.ap) == (11, pytest.approx(1))
    # The detection in the crowd is neither found nor false.
    assert summary.worst_images == ()
