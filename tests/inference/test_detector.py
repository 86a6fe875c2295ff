from dataclasses import replace

import numpy as np
import pytest

from tests.dense_golden import DETECTIONS, arrays, pasted_masks, rgb
from tests.inference.dense_folders import NAMES, FakeSession, dense_model, noise
from vmamba_deploy.errors import UsageError
from vmamba_deploy.inference import Detector
from vmamba_deploy.preprocessing import DETECTION_PREPROCESSING, prepare

SMALL = replace(DETECTION_PREPROCESSING, fit=(133, 80), crop_pixels=(96, 128))


def slots(boxes, scores, labels, masks):
    """One picture's outputs, with the batch."""
    count = len(boxes)
    out = {
        "boxes": np.zeros((100, 4), np.float32),
        "scores": np.zeros(100, np.float32),
        "labels": np.full(100, -1, np.int32),
        "count": np.int32(count),
        "masks": np.zeros((100, 28, 28), np.float32),
        "exact": np.int32(1),
    }
    for name, values in zip(("boxes", "scores", "labels", "masks"), (boxes, scores, labels, masks),
                            strict=True):  # fmt: skip
        out[name][:count] = values
    return out


def stacked(answers):
    return {name: np.stack([each[name] for each in answers]) for name in answers[0]}


def the_picture(pixel_values, sizes):
    """A detection of the whole picture, one of its upper left quarter, and its mean as a score."""
    answers = []
    for pixels, (height, width) in zip(pixel_values, sizes, strict=True):
        boxes = [[0, 0, width, height], [0, 0, width / 2, height / 2]]
        score = 0.5 + float(np.abs(pixels).mean()) / 100
        answers.append(slots(boxes, [score, 0.25], [2, 5], [np.ones((28, 28))] * 2))
    return stacked(answers)


@pytest.mark.parametrize("name", DETECTIONS)
def test_the_detections_of_the_public_code_from_its_outputs(name):
    golden = arrays(name)
    heads = [golden[key] for key in golden if key.startswith("mask_logits")]
    cells = np.mean([1 / (1 + np.exp(-logits)) for logits in heads], axis=0)
    count = len(cells)
    _, _, height, width, *padded = golden["shapes"]
    scale = np.tile(golden["scale_factor"], 2).astype(np.float32)
    boxes = golden["boxes"][:count] * scale

    def answer(pixel_values, sizes):
        assert pixel_values.shape == (1, 3, *padded)
        assert np.abs(pixel_values[0, :, ::4, ::4] - golden["input_sub4"][0]).max() < 1e-6
        assert sizes.tolist() == [[height, width]]
        assert sizes.dtype == np.int64
        found = slots(boxes, golden["scores"][:count], golden["labels"][:count], cells)
        return stacked([found])

    fit = (int(max(height, width)), int(min(height, width)))
    spec = replace(DETECTION_PREPROCESSING, fit=fit)
    with dense_model("detection", spec, FakeSession(answer)) as model:
        assert isinstance(model, Detector)
        (found,) = model.detect([rgb(golden["original"])])
    assert len(found) == count
    assert found.exact
    np.testing.assert_allclose([one.box for one in found], golden["boxes"][:count], atol=1e-4)
    assert [one.label for one in found] == golden["labels"][:count].tolist()
    assert [one.name for one in found] == [NAMES[label] for label in golden["labels"][:count]]
    wrong = [(one.mask != mask).sum() for one, mask in zip(found, pasted_masks(name), strict=False)]
    assert sum(wrong) <= 1e-4 * count * golden["original"][..., 0].size


@pytest.mark.parametrize("fixed", [False, True])
def test_pictures_of_any_size_are_batched_by_their_frame_and_come_back_in_order(fixed):
    spec = replace(SMALL, fixed=fixed)
    session = FakeSession(the_picture)
    pictures = [noise(*size) for size in [(48, 64), (64, 48), (47, 64), (300, 200), (60, 61)]]
    with dense_model("detection", spec, session, largest_batch=2) as model:
        results = model.detect(pictures)
        alone = [model.detect([picture])[0] for picture in pictures]
    for picture, found, by_itself in zip(pictures, results, alone, strict=True):
        height, width = picture.shape[:2]
        whole, quarter = found
        np.testing.assert_allclose(whole.box, (0, 0, width, height), rtol=1e-6)
        np.testing.assert_allclose(quarter.box, (0, 0, width / 2, height / 2), rtol=1e-6)
        assert whole.mask.mean() > 0.95  # at the corners the cells fade out
        assert (whole.name, quarter.name) == ("sky", "ceiling")
        assert (whole.score, whole.box) == (by_itself[0].score, by_itself[0].box)
    frames = {pixels.shape[2:] for pixels in session.calls}
    assert frames == ({(96, 128)} if fixed else {(96, 128), (128, 96), (96, 96)})
    for pixels, sizes in zip(session.calls, session.sizes, strict=True):
        for image, (height, width) in zip(pixels, sizes, strict=True):
            assert not image[:, height:].any()
            assert not image[:, :, width:].any()


def test_sizes_are_those_of_the_resized_picture():
    session = FakeSession(the_picture)
    with dense_model("detection", SMALL, session) as model:
        model.detect([picture := noise(50, 90)])
    assert session.sizes[0].tolist() == [list(prepare(picture, SMALL).resized)]


def test_a_threshold_leaves_the_less_sure_out():
    with dense_model("detection", SMALL, FakeSession(the_picture)) as model:
        assert [len(found) for found in model.detect([noise(40, 40)], score_threshold=0.3)] == [1]
        for threshold in (-0.1, 1.5):
            with pytest.raises(UsageError, match="from 0 to 1"):
                model.detect([noise(8, 8)], score_threshold=threshold)
        assert model.detect([]) == []


def test_decisions_that_may_differ_are_told():
    def unsure(pixel_values, sizes):
        return the_picture(pixel_values, sizes) | {"exact": np.zeros(len(pixel_values), np.int32)}

    with dense_model("detection", SMALL, FakeSession(unsure)) as model:
        (found,) = model.detect([noise(40, 40)])
    assert not found.exact
