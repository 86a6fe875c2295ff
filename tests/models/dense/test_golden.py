"""The networks give what the public code gave, from its checkpoints; mutated ones do not."""

from __future__ import annotations

import copy
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tests.dense_golden import DETECTIONS, SEGMENTATIONS, arrays, models
from tests.models.dense import golden as golden_module
from tests.models.dense.golden import (
    MAPS,
    check_big_regions,
    check_detections,
    check_proposals,
    check_segmentation,
    close,
    loaded,
    prepared,
)
from vmamba_deploy.models.dense import (
    box_head,
    cascade_mask_rcnn,
    mask_rcnn,
    rpn,
    selection,
    upernet,
)
from vmamba_deploy.models.dense.box_head import BoxHead
from vmamba_deploy.models.dense.boxes import picture_limits
from vmamba_deploy.models.dense.resizing import resize_bilinear
from vmamba_deploy.models.dense.roi_features import roi_features
from vmamba_deploy.models.dense.rpn import STRIDES, anchors_at
from vmamba_deploy.tasks.label_maps import labels_from_logits


@pytest.fixture(params=SEGMENTATIONS)
def segmenter(request):
    return loaded(request.param).model, request.param


@pytest.fixture(params=DETECTIONS)
def detector(request):
    return loaded(request.param).model, request.param


def test_segmentation(segmenter):
    check_segmentation(*segmenter)


def test_detection(detector):
    check_proposals(*detector)
    check_detections(*detector)


def test_regions_on_several_levels(detector):
    check_big_regions(*detector)
    assert len(np.unique(arrays(detector[1])["big_proposal_levels"])) > 1


@torch.inference_mode()
def test_raw_outputs_of_the_detectors(detector):
    network, name = detector
    golden = arrays(name)
    pixels, _ = prepared(golden["image"][None], 32)
    close(pixels[:, :, ::4, ::4], golden["input_sub4"], 1e-5)
    maps = network.forward_features(pixels)
    close(maps[0][:, ::3], golden["feature0_channels3"], MAPS)
    pyramid = network.neck(maps)
    close(pyramid[0][:, ::3], golden["fpn0_channels3"], MAPS)
    close(pyramid[1][:, ::2], golden["fpn1_channels2"], MAPS)
    for level, one in enumerate(pyramid):
        logits, deltas = network.rpn_head.raw(one)
        close(logits, golden[f"rpn_cls{level}"], MAPS)
        step = 3 if level == 0 else 1
        wanted = golden[f"rpn_reg{level}" + ("_channels3" if level == 0 else "")]
        close(deltas[:, ::step], wanted, MAPS)
        if level > 1:
            close(one, golden[f"fpn{level}"], MAPS)
    heads = network.roi_head.bbox_head
    for stage, head in enumerate([heads] if isinstance(heads, BoxHead) else heads):
        regions = golden.get(f"stage{stage}_rois", golden["proposals"][:200])
        logits, deltas = head(pyramid, torch.from_numpy(regions)[None])
        close(logits[0], golden[f"stage{stage}_cls"], MAPS)
        close(deltas[0].flatten(1), golden[f"stage{stage}_reg"], MAPS)


def test_anchors(detector):
    golden = arrays(detector[1])
    for level, stride in enumerate(STRIDES):
        height, width = golden[f"rpn_cls{level}"].shape[2:]
        anchors = anchors_at(torch.arange(3 * height * width), width, stride)
        close(anchors[:6], golden["anchors_first"][level], 1e-4)
        close(anchors[-3:], golden["anchors_last"][level], 1e-4)


def test_what_the_checkpoints_say():
    for name in ("seg_v0", *DETECTIONS):
        model = loaded(name).model
        assert model.class_labels == tuple(f"class_{i}" for i in range(7))
        assert len(model.palette) == models()[name]["num_classes"] == 7
        assert model.palette[1] == (20, 50, 90)


def mutate_anchors(patch):
    """About the middle of a pixel, in the place of its upper left corner."""
    patch(rpn, "anchors_at", lambda at, width, stride: anchors_at(at, width, stride) + stride / 2)


def mutate_levels(patch):
    """Features of the level beside the box's own."""

    def one_level_off(pyramid, *others):
        return roi_features([pyramid[1], pyramid[0], pyramid[3], pyramid[2]], *others)

    for module in (box_head, mask_rcnn, cascade_mask_rcnn):
        patch(module, "roi_features", one_level_off)


def mutate_background(patch):
    """The first of the logits, in the place of the last."""

    def background_first(logits, valid):
        return torch.where(valid[..., None], torch.softmax(logits, dim=-1)[..., 1:], 0.0)

    for module in (mask_rcnn, cascade_mask_rcnn):
        patch(module, "class_scores", background_first)


def mutate_suppression(patch):
    """Of all classes together."""
    patch(selection, "apart", lambda boxes, groups, largest: boxes)


def mutate_clipping(patch):
    """To the padded map, in the place of the picture."""
    padded = partial(picture_limits, sizes=None)
    patch(mask_rcnn, "picture_limits", lambda pixel_values, sizes: padded(pixel_values))


MUTATIONS = [
    mutate_anchors,
    mutate_levels,
    mutate_background,
    mutate_suppression,
    mutate_clipping,
]


@pytest.mark.parametrize("mutate", MUTATIONS)
def test_a_mutated_detector_is_noticed(mutate, monkeypatch):
    network = loaded("det_mask_s1").model
    mutate(monkeypatch.setattr)
    with pytest.raises(AssertionError):
        check_detections(network, "det_mask_s1")


def mutate_stages(patch, _):
    """The first stage's scale of the deltas in all."""
    patch(cascade_mask_rcnn, "STAGE_STDS", cascade_mask_rcnn.STAGE_STDS[:1] * 3)


def mutate_mask_heads(patch, network):
    """The masks of one head, in the place of the mean of three."""
    heads = network.roi_head.mask_head
    patch(network.roi_head, "mask_head", type(heads)([heads[0]] * len(heads)))


@pytest.mark.parametrize("mutate", [mutate_stages, mutate_mask_heads])
def test_a_mutated_cascade_is_noticed(mutate, monkeypatch):
    network = copy.deepcopy(loaded("det_cascade_v0").model)  # others share the loaded one
    mutate(monkeypatch.setattr, network)
    with pytest.raises(AssertionError):
        check_detections(network, "det_cascade_v0")


def mutate_argmax(patch):
    """Classes before the resize to the input's size, in the place of after it."""

    def resize_classes(logits, size):
        if logits.shape[1] != 7:
            return resize_bilinear(logits, size)
        classes = F.one_hot(logits.argmax(dim=1), 7).permute(0, 3, 1, 2).float()
        return F.interpolate(classes, size=size, mode="nearest")

    patch(upernet, "resize_bilinear", resize_classes)


def mutate_pooled_order(patch):
    """Averages before the map that they are of."""

    def averages_first(parts, dim):
        return cat(parts if len(parts) != 5 else [*parts[1:], parts[0]], dim=dim)

    cat = torch.cat
    patch(torch, "cat", averages_first)


def mutate_alignment(patch):
    """Corners of the maps on corners."""

    def corners(x, size):
        return F.interpolate(x, size=size, mode="bilinear", align_corners=True)

    patch(upernet, "resize_bilinear", corners)


@pytest.mark.parametrize("mutate", [mutate_argmax, mutate_pooled_order, mutate_alignment])
def test_a_mutated_segmenter_is_noticed(mutate, monkeypatch):
    network = loaded("seg_v0").model
    mutate(monkeypatch.setattr)
    with pytest.raises(AssertionError):
        check_segmentation(network, "seg_v0")


def test_one_resize_in_the_place_of_two_is_noticed(monkeypatch):
    def at_once(logits, *, padded, resized, original):
        return labels_from_logits(logits, padded=original, resized=original, original=original)

    monkeypatch.setattr(golden_module, "labels_from_logits", at_once)
    with pytest.raises(AssertionError):
        check_segmentation(loaded("seg_v0").model, "seg_v0")
