"""Networks of the golden data, exported and run by ONNX Runtime: what the public code gives."""

from dataclasses import replace

import numpy as np
import pytest

from tests.dense_golden import arrays, models, pasted_masks, rgb
from vmamba_deploy.inference import Slide, load


@pytest.fixture(scope="module")
def detector(dense_artifact):
    with load(dense_artifact("det_mask_s1"), runtime="ort", threads=1) as model:
        yield model


@pytest.fixture(scope="module")
def segmenter(dense_artifact):
    with load(dense_artifact("seg_v0"), runtime="ort", threads=1) as model:
        yield model


def fitted(model, size):
    """As the golden picture was resized."""
    model.preprocessing = replace(model.preprocessing, fit=(max(size), min(size)))


def test_the_same_detections_in_the_same_order(detector):
    golden, masks = arrays("det_mask_s1"), pasted_masks("det_mask_s1")
    fitted(detector, [int(side) for side in golden["shapes"][2:4]])
    (found,) = detector.detect([rgb(golden["original"])])
    assert [one.label for one in found] == golden["labels"].tolist()
    np.testing.assert_allclose([one.box for one in found], golden["boxes"], rtol=0, atol=0.02)
    np.testing.assert_allclose([one.score for one in found], golden["scores"], rtol=0, atol=2e-3)
    differing = sum((one.mask != mask).sum() for one, mask in zip(found, masks, strict=True))
    assert differing <= 1e-4 * masks.size
    assert found.exact
    names = models()["det_mask_s1"]["num_classes"]
    assert len(detector.labels) == len(detector.palette) == names


def test_the_same_labels(segmenter):
    golden = arrays("seg_v0")
    picture = rgb(golden["image"][0])
    size = picture.shape[:2]
    fitted(segmenter, size)
    (result,) = segmenter.segment([picture])
    # Of 12,707 pixels those whose two best logits are as good as equal may differ.
    assert (result.labels != golden["labels"][0]).sum() <= 8
    assert result.exact
    *crop, down, across = (int(side) for side in golden["slide_crop_stride"])
    (slid,) = segmenter.segment([picture], slide=Slide((crop[0], crop[1]), (down, across)))
    assert (slid.labels != golden["slide_labels"][0]).sum() <= 8
    assert (slid.labels != result.labels).any()
