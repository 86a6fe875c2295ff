"""Pictures of a report: what differs is in them."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from vmamba_deploy.parity.exhibits import Exhibit
from vmamba_deploy.reports.pictures import draw


def opened(uri: str) -> np.ndarray:
    head, _, content = uri.partition(",")
    assert head == "data:image/jpeg;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content)))).astype(int)


def labelled(height, width, changed):
    rng = np.random.default_rng()
    pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    labels = np.zeros((height, width), np.int32)
    labels[:, width // 2 :] = 1
    got = labels.copy()
    got[changed] = 2
    size = (height, width)
    return Exhibit("tensorrt", "cat", pixels, size, {"labels": labels}, {"labels": got})


def red(picture: np.ndarray) -> np.ndarray:
    return (picture[..., 0] > 200) & (picture[..., 1] < 100)


def test_differing_pixels_are_red_and_only_those() -> None:
    (one,) = draw([labelled(60, 80, np.s_[10:20, 30:50])], "segmentation")
    assert one.caption == "tensorrt, cat: 200 of 4,800 pixels differ"
    assert [part.title for part in one.parts] == [
        "PyTorch fp32",
        "tensorrt",
        "differing pixels in red",
    ]
    shown = red(opened(one.parts[2].uri))
    assert shown[11:19, 31:49].all()
    assert not shown[24:].any()


def test_a_single_pixel_of_a_large_picture_can_be_seen() -> None:
    (one,) = draw([labelled(1200, 900, np.s_[600, 450])], "segmentation")
    shown = opened(one.parts[2].uri)
    assert max(shown.shape) == 480
    assert red(shown)[240, 180]
    (same,) = draw([labelled(1200, 900, np.s_[:0])], "segmentation")
    assert not red(opened(same.parts[2].uri)).any()


def test_an_overlay_takes_the_palette() -> None:
    palette = [(250, 0, 0), (0, 250, 0), (0, 0, 250)]
    (one,) = draw([labelled(64, 64, np.s_[:0])], "segmentation", palette)
    left, right = opened(one.parts[0].uri)[:, :24], opened(one.parts[0].uri)[:, 40:]
    assert left[..., 0].mean() > left[..., 1].mean() + 80
    assert right[..., 1].mean() > right[..., 0].mean() + 80


def detected(*boxes):
    filled = np.zeros((100, 4), np.float32)
    filled[: len(boxes)] = boxes
    return {"boxes": filled, "count": np.int32(len(boxes))}


def test_boxes_of_both_are_drawn_without_the_padding() -> None:
    grey = np.full((96, 128, 3), 90, np.uint8)
    expected, got = detected((10, 10, 60, 60)), detected((10, 10, 60, 60), (70, 20, 90, 40))
    (one,) = draw([Exhibit("tensorrt", "cat", grey, (90, 100), expected, got)], "detection")
    assert one.caption == "tensorrt, cat: 1 detections in PyTorch, 2 here"
    shown = opened(one.parts[0].uri)
    assert shown.shape == (90, 100, 3)
    green, orange = shown[35, 12], shown[20, 80]
    assert green[1] > green[0] + 40
    assert orange[0] > orange[2] + 80
    assert np.abs(shown[50, 80] - 90).max() < 30


def test_an_empty_box_and_a_count_beyond_the_slots_do_no_harm() -> None:
    outputs = detected((20, 20, 10, 10)) | {"count": np.int32(1000)}
    grey = np.full((32, 32, 3), 90, np.uint8)
    assert draw([Exhibit("tensorrt", "cat", grey, (32, 32), outputs, outputs)], "detection")


@pytest.mark.parametrize("task", ["classification", "features"])
def test_other_tasks_have_no_pictures(task) -> None:
    assert draw([labelled(8, 8, np.s_[:0])], task) == []
