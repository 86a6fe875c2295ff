"""What a network found, in pixels of the picture."""

import numpy as np
import pytest

from vmamba_deploy.errors import InputFileError
from vmamba_deploy.tasks.detection import detections_of
from vmamba_deploy.tasks.segmentation import Segmentation

OUTPUTS = {
    "boxes": np.array([[10, 20, 30, 60], [0, 0, 8, 8], [2, 4, 6, 8], [0, 0, 0, 0]], np.float32),
    "scores": np.array([0.9, 0.5, 0.25, 0], np.float32),
    "labels": np.array([2, 0, 7, -1], np.int32),
    "count": np.int32(3),
    "masks": np.stack([np.full((28, 28), share, np.float32) for share in (0.9, 0.1, 0.6, 0)]),
    "exact": np.int32(1),
}


def test_boxes_are_mapped_back_and_classes_named():
    found = detections_of(OUTPUTS, scale=(2.0, 4.0), size=(30, 40), names=["cat", "dog", "car"])
    assert [one.box for one in found] == [(5, 5, 15, 15), (0, 0, 4, 2), (1, 1, 3, 2)]
    assert [one.name for one in found] == ["car", "cat", "7"]
    assert [one.label for one in found] == [2, 0, 7]
    assert [one.score for one in found] == [pytest.approx(0.9), 0.5, 0.25]
    assert found[0].mask.shape == (30, 40)
    assert found[0].mask[5:15, 5:15].all()
    assert not found[1].mask.any()


@pytest.mark.parametrize(("threshold", "kept"), [(0.0, 3), (0.25, 3), (0.3, 2), (0.95, 0)])
def test_those_below_the_threshold_are_left_out(threshold, kept):
    found = detections_of(OUTPUTS, scale=(1, 1), size=(9, 9), score_threshold=threshold)
    assert len(found) == kept


def test_slots_behind_the_count_are_none():
    none = OUTPUTS | {"count": np.int32(0)}
    assert list(detections_of(none, scale=(1, 1), size=(9, 9))) == []


@pytest.mark.parametrize("exact", [True, False])
def test_what_was_found_is_a_sequence_and_says_whether_it_is_all(exact):
    found = detections_of(OUTPUTS | {"exact": np.int32(exact)}, scale=(1, 1), size=(9, 9))
    assert found.exact is exact
    assert [one.label for one in found] == [2, 0, 7]
    assert found[-1] is found[1:][-1]


@pytest.mark.parametrize("name", ["boxes", "scores", "masks"])
def test_outputs_that_are_not_finite_are_told(name):
    broken = OUTPUTS[name].copy()
    broken.flat[-1] = np.nan
    with pytest.raises(InputFileError, match="not finite"):
        detections_of(OUTPUTS | {name: broken}, scale=(1, 1), size=(9, 9))


def test_the_classes_of_a_picture_by_their_area():
    labels = np.array([[3, 3, 1], [3, 0, 1]], np.int32)
    classes = Segmentation(labels, exact=True, names=["wall", "sky"]).classes()
    assert [(one.label, one.name, one.pixels) for one in classes] == [
        (3, "3", 3),
        (1, "sky", 2),
        (0, "wall", 1),
    ]
    assert sum(one.share for one in classes) == pytest.approx(1)


def test_results_are_shown_in_one_line():
    labels = np.array([[3, 3, 1], [3, 0, 1]], np.int32)
    segmentation = Segmentation(labels, exact=True, names=["wall", "sky"])
    assert repr(segmentation) == "Segmentation(2 x 3: 3 50%, sky 33%, wall 17%)"
    many = Segmentation(np.arange(8, dtype=np.int32)[None], exact=True)
    assert repr(many) == "Segmentation(1 x 8: 0 12%, 1 12%, 2 12%, 3 12%, 4 12%, ...)"
    found = detections_of(OUTPUTS, scale=(1, 1), size=(9, 9))
    said = ", ".join(f"{one.name} {one.score:.2f}" for one in found)
    assert repr(found) == f"Detections({len(found)}, {said})"
    nothing = detections_of(OUTPUTS, scale=(1, 1), size=(9, 9), score_threshold=1.0)
    assert repr(nothing) == "Detections(0)"
