"""The golden dense models as networks, and what each is compared with: the public code's outputs.

Tolerances were measured with another implementation in float32: see tests/data/golden/dense.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tests.dense_golden import arrays, checkpoint, models, paste_masks, pasted_masks, rgb
from tests.dense_rule import picture
from vmamba_deploy.models import LoadedModel, load_weights
from vmamba_deploy.models.dense.boxes import picture_limits
from vmamba_deploy.models.dense.mask_rcnn import MaskRCNN
from vmamba_deploy.models.dense.rpn import Proposals
from vmamba_deploy.models.dense.upernet import UperNet
from vmamba_deploy.preprocessing import DETECTION_PREPROCESSING
from vmamba_deploy.preprocessing.opencv_bilinear import resize_bands
from vmamba_deploy.tasks.label_maps import labels_from_logits

MAPS = 1e-4
HEAD_LOGITS = 1e-3
BOX_PIXELS = 0.02
SCORES = 2e-3
MASK_LOGITS = 5e-3


@cache
def loaded(name: str) -> LoadedModel:
    """From its checkpoint file, or from one that is made by rule."""
    with checkpoint(name) as path:
        return load_weights(str(path))


def prepared(pictures: npt.NDArray[np.uint8], multiple: int = 1) -> tuple[Tensor, Tensor]:
    """pixel_values [B,3,H,W] and sizes [B,2] of BGR pictures [B,h,w,3] of the network's size."""
    mean, std = (
        np.float32(255) * np.float32(each)
        for each in (DETECTION_PREPROCESSING.mean, DETECTION_PREPROCESSING.std)
    )
    pixels = ((rgb(pictures).astype(np.float32) - mean) / std).transpose(0, 3, 1, 2)
    height, width = pixels.shape[2:]
    below, right = -height % multiple, -width % multiple
    padded = np.pad(pixels, ((0, 0), (0, 0), (0, below), (0, right)))
    return torch.from_numpy(padded), torch.tensor([[height, width]] * len(pixels))


def close(got: Tensor | npt.NDArray[np.floating], wanted: npt.NDArray[np.floating], limit: float):
    np.testing.assert_allclose(np.asarray(got), wanted, rtol=0, atol=limit)


@torch.inference_mode()
def check_segmentation(network: UperNet, name: str) -> None:
    """Maps, and what follows from them."""
    golden = arrays(name)
    pixels, _ = prepared(golden["image"])
    close(pixels[:1, :, ::4, ::4], golden["input_sub4"], 1e-5)
    maps = network.forward_features(pixels)
    for level, one in enumerate(maps):
        close(one, golden[f"feature{level}"], MAPS)
    close(network.decode_head.pooled_pyramid(maps[-1]), golden["psp"], MAPS)
    outputs = {"labels": network(pixels)["labels"], "logits": network.head_logits(pixels)}
    check_label_maps({key: each.numpy() for key, each in outputs.items()}, name)


def check_label_maps(outputs: Mapping[str, npt.NDArray[Any]], name: str) -> None:
    """Logits, labels at the input's size and, by two resizes, at the picture's own."""
    golden = arrays(name)
    close(outputs["logits"], golden["head_logits"], HEAD_LOGITS)
    check_labels(outputs["labels"], golden["labels"], name)
    size, original = golden["image"].shape[1:3], models()[name]["original"]
    resized = [
        labels_from_logits(one, padded=size, resized=size, original=tuple(original))
        for one in outputs["logits"]
    ]
    check_labels(np.stack(resized), golden["labels_original_size"], name)


def check_labels(got, wanted: npt.NDArray[np.int64], name: str) -> None:
    """All but the pixels whose two best logits are equal within the tolerance: 8 of 12,707."""
    assert np.asarray(got).dtype == np.int32
    assert (np.asarray(got) != wanted).mean() <= 8 / 12_707, name


@torch.inference_mode()
def check_proposals(network: MaskRCNN, name: str) -> None:
    """Of the small picture, as a set: equal scores have no order."""
    golden = arrays(name)
    pixels, sizes = prepared(golden["image"][None], 32)
    pyramid = network.neck(network.forward_features(pixels))
    found = network.rpn_head(pyramid, picture_limits(pixels, sizes))
    boxes = found.boxes[0][found.valid[0]].numpy()
    assert len(boxes) == len(golden["proposals"])
    assert bool(found.exact[0])
    distances = np.abs(boxes[None] - golden["proposals"][:, None]).max(-1).min(1)
    assert (distances <= 0.01).mean() >= 0.97


@torch.inference_mode()
def check_detections(network: MaskRCNN, name: str) -> None:
    """Of the small picture, from its pixels."""
    outputs = network(*prepared(arrays(name)["image"][None], 32))
    assert tuple(outputs) == network.output_names
    check_found({key: each.numpy() for key, each in outputs.items()}, name)


def check_found(outputs: Mapping[str, npt.NDArray[Any]], name: str) -> None:
    """What a network gives for the small picture: the same detections in the same order."""
    golden = arrays(name)
    count, scale = len(golden["boxes"]), np.tile(golden["scale_factor"], 2)
    assert int(outputs["count"][0]) == count
    assert int(outputs["exact"][0]) == 1
    boxes, scores, labels, masks = (
        outputs[key][0] for key in ("boxes", "scores", "labels", "masks")
    )
    np.testing.assert_array_equal(labels[:count], golden["labels"])
    close(boxes[:count] / scale, golden["boxes"], BOX_PIXELS)
    close(scores[:count], golden["scores"], SCORES)
    close(masks[: len(golden["mask_logits0"])], mask_probabilities(golden), MASK_LOGITS / 4)
    wanted = pasted_masks(name)
    pasted = paste_masks(masks[:count], boxes[:count] / scale, wanted.shape[1:])
    assert (pasted != wanted).mean() <= 1e-4
    assert (boxes[count:] == 0).all()
    assert (scores[count:] == 0).all()
    assert (masks[count:] == 0).all()
    assert (labels[count:] == -1).all()


@torch.inference_mode()
def check_big_regions(network: MaskRCNN, name: str) -> None:
    """Of the big picture, whose regions fall on several levels, from the proposals given."""
    golden, described = arrays(name), models()[name]
    original = picture(described["big_picture_seed"], *described["big_original"])
    height, width = golden["big_shapes"][2:4]
    resized = resize_bands([(0, original)], original.shape[:2], (int(height), int(width)))
    pixels, sizes = prepared(resized[None], 32)
    maps = network.forward_features(pixels)
    for level, one in enumerate(maps):
        close(one[:, ::2, ::7, ::7], golden[f"big_feature{level}_channels2_sub7"], MAPS)
    pyramid = network.neck(maps)
    for level, one in enumerate(pyramid):
        close(one[:, ::2, ::7, ::7], golden[f"big_fpn{level}_channels2_sub7"], MAPS)
    boxes = torch.from_numpy(golden["big_proposals"])[None]
    given = Proposals(boxes, torch.ones(boxes.shape[:2], dtype=torch.bool), torch.tensor([True]))
    outputs = network.roi_head(pyramid[:4], given, picture_limits(pixels, sizes))
    check_matched(outputs, golden)


def check_matched(outputs: dict[str, Tensor], golden: dict[str, npt.NDArray]) -> None:
    """Every detection is found; neighbours of nearly equal scores may change places."""
    count = int(outputs["count"][0])
    assert count == len(golden["big_boxes"])
    boxes = outputs["boxes"][0, :count].numpy() / np.tile(golden["big_scale_factor"], 2)
    scores, labels = (outputs[key][0, :count].numpy() for key in ("scores", "labels"))
    masks = outputs["masks"][0].numpy()
    distances = np.abs(boxes[None] - golden["big_boxes"][:, None]).max(-1)
    same = labels[None] == golden["big_labels"][:, None]
    same &= np.abs(scores[None] - golden["big_scores"][:, None]) <= SCORES
    places = np.where(same, distances, np.inf).argmin(axis=1)
    nearest = distances[np.arange(count), places]
    assert same.any(axis=1).all()
    assert (nearest <= 0.5).all()
    pasted = paste_masks(masks[places], boxes[places], tuple(golden["big_shapes"][:2]))
    bits = np.unpackbits(golden["big_masks_packed"], axis=1)[:, : pasted[0].size]
    assert (pasted.reshape(count, -1) != bits.astype(bool)).mean() <= 1e-4


def mask_probabilities(golden: dict[str, npt.NDArray]) -> npt.NDArray[np.float64]:
    """Of the first detections: the mean of the heads' sigmoids, whose slope is 1/4 at most."""
    heads = [golden[key] for key in golden if key.startswith("mask_logits")]
    return np.mean([1 / (1 + np.exp(-each.astype(np.float64))) for each in heads], axis=0)
