"""Networks of the golden data, exported and run by ONNX Runtime: what the public code gives.

An artefact folder has our library of custom ops, which `load` takes; stock ONNX Runtime runs the
functions that the file holds in the place of our ops.
"""

from dataclasses import replace

import numpy as np
import pytest

from tests.dense_golden import DETECTIONS, SEGMENTATIONS, arrays, models, pasted_masks, rgb
from tests.models.dense.golden import check_found, check_label_maps, prepared
from vmamba_deploy.inference import Slide, load
from vmamba_deploy.runtimes.onnxruntime import OnnxRuntimeBody, OnnxRuntimeLibrary

MANNERS = (OnnxRuntimeBody, OnnxRuntimeLibrary)


@pytest.fixture(params=DETECTIONS)
def detector(request, dense_artifact):
    with load(dense_artifact(request.param), runtime="ort", threads=1) as model:
        yield model, request.param


@pytest.fixture(params=SEGMENTATIONS)
def segmenter(request, dense_artifact):
    with load(dense_artifact(request.param), runtime="ort", threads=1) as model:
        yield model, request.param


def outputs_of(manner, folder, pixels, **others):
    """What the file of a folder gives, run in one of the manners."""
    session = manner(folder / "model.onnx", threads=1).open()
    try:
        return session(pixels.numpy(), **others)
    finally:
        session.close()


@pytest.mark.parametrize("manner", MANNERS)
@pytest.mark.parametrize("name", DETECTIONS)
def test_a_detector_in_every_manner(dense_artifact, name, manner):
    pixels, sizes = prepared(arrays(name)["image"][None], 32)
    check_found(outputs_of(manner, dense_artifact(name), pixels, sizes=sizes.numpy()), name)


@pytest.mark.parametrize("manner", MANNERS)
@pytest.mark.parametrize("name", SEGMENTATIONS)
def test_a_segmenter_in_every_manner(dense_artifact, name, manner):
    pixels, _ = prepared(arrays(name)["image"])
    check_label_maps(outputs_of(manner, dense_artifact(name), pixels), name)


def fitted(model, size):
    """As the golden picture was resized."""
    model.preprocessing = replace(model.preprocessing, fit=(max(size), min(size)))


def test_the_same_detections_in_the_same_order(detector):
    model, name = detector
    golden, masks = arrays(name), pasted_masks(name)
    fitted(model, [int(side) for side in golden["shapes"][2:4]])
    (found,) = model.detect([rgb(golden["original"])])
    assert [one.label for one in found] == golden["labels"].tolist()
    np.testing.assert_allclose([one.box for one in found], golden["boxes"], rtol=0, atol=0.02)
    np.testing.assert_allclose([one.score for one in found], golden["scores"], rtol=0, atol=2e-3)
    differing = sum((one.mask != mask).sum() for one, mask in zip(found, masks, strict=True))
    assert differing <= 1e-4 * masks.size
    assert found.exact
    assert len(model.labels) == len(model.palette) == models()[name]["num_classes"]


def test_the_same_labels(segmenter):
    model, name = segmenter
    golden = arrays(name)
    pictures = list(rgb(golden["image"]))
    fitted(model, pictures[0].shape[:2])
    *crop, down, across = (int(side) for side in golden["slide_crop_stride"])
    slide = Slide((crop[0], crop[1]), (down, across))
    whole = model.segment(pictures)
    slid = model.segment(pictures, slide=slide)
    for results, wanted in ((whole, golden["labels"]), (slid, golden["slide_labels"])):
        labels = np.stack([one.labels for one in results])
        # Of 12,707 pixels those whose two best logits are as good as equal may differ.
        assert (labels != wanted).mean() <= 8 / 12_707
        assert all(one.exact for one in results)
    assert all((a.labels != b.labels).any() for a, b in zip(whole, slid, strict=True))
