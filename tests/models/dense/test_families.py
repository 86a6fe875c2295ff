"""Checkpoints and presets of the dense families: what is taken, left out, refused, and named."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.dense_golden import FOLDER, weights_by_rule
from tests.dense_rule import picture
from tests.models.dense.golden import loaded, prepared
from vmamba_deploy.errors import InputFileError, UsageError
from vmamba_deploy.models import (
    FAMILIES,
    create_model,
    family_of,
    load_model,
    load_weights,
    resolve_preset,
)
from vmamba_deploy.models.checkpoints.choice import WeightsChoice
from vmamba_deploy.models.dense.boxes import picture_limits
from vmamba_deploy.models.dense.families import CASCADE_MASK_RCNN, MASK_RCNN, UPERNET
from vmamba_deploy.models.dense.resizing import resize_bilinear
from vmamba_deploy.models.origin import name_classes
from vmamba_deploy.models.vmamba.network import VMamba
from vmamba_deploy.ops.multi_level_roi_align.torch_reference import box_levels
from vmamba_deploy.preprocessing import DETECTION_PREPROCESSING, SEGMENTATION_PREPROCESSING

Weights = dict[str, Tensor]
FAMILY_OF = {
    "seg_v0": UPERNET,
    "seg_s2": UPERNET,
    "det_mask_s1": MASK_RCNN,
    "det_cascade_v0": CASCADE_MASK_RCNN,
}


def weights_of(name: str) -> Weights:
    return dict(loaded(name).model.state_dict())


def same(network: torch.nn.Module, weights: Weights) -> bool:
    state = network.state_dict()
    return state.keys() == weights.keys() and all(torch.equal(state[k], weights[k]) for k in state)


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., Path]:
    def save(weights: Weights, **beside: object) -> Path:
        torch.save({"state_dict": weights} | beside, tmp_path / "checkpoint.pth")
        return tmp_path / "checkpoint.pth"

    return save


@pytest.mark.parametrize("name", FAMILY_OF)
def test_the_family_is_told_by_the_weights(name):
    one = loaded(name)
    assert one.family is FAMILY_OF[name]
    assert one.model.tasks == one.family.tasks
    assert one.model.preset_name is None
    dense = SEGMENTATION_PREPROCESSING if name.startswith("seg") else DETECTION_PREPROCESSING
    assert one.preprocessing == dense


def test_what_is_no_part_of_the_network_is_left_out_with_a_word():
    assert [note for note in loaded("seg_v0").origin.notes if "auxiliary_head" in note] == [
        "left out 20 tensors: *.num_batches_tracked, auxiliary_head.*"
    ]
    assert loaded("det_mask_s1").origin.notes == ()


@pytest.mark.parametrize("prefix", ["module.", "model.", "ema.module.net."])
@pytest.mark.parametrize("name", ["seg_v0", "det_mask_s1"])
def test_any_prefix(name, prefix, saved):
    weights = weights_of(name)
    beside = {"criterion.weight": torch.ones(3)}
    path = saved({prefix + key: value for key, value in weights.items()} | beside)
    assert same(load_model(path), weights)


def test_another_dialect_of_the_backbone(saved):
    weights = weights_of("seg_s2")
    renamed = {key.replace(".norm2.", ".ln_2."): value for key, value in weights.items()}
    assert renamed.keys() != weights.keys()
    assert same(load_model(saved(renamed)), weights)


def test_the_backbone_alone(saved):
    name = "det_cascade_v0"
    path = FOLDER / f"{name}.pth"
    backbone = load_weights(str(path), choice=WeightsChoice(prefix="backbone")).model
    assert isinstance(backbone, VMamba)
    assert backbone.tasks == ("features",)
    pixels = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        maps = loaded(name).model.forward_features(pixels)
        for one, wanted in zip(backbone.forward_features(pixels), maps, strict=True):
            assert torch.equal(one, wanted)


def with_rows(weights: Weights, key: str, rows: int) -> Weights:
    shape = (rows, *weights[key].shape[1:])
    return weights | {key: torch.zeros(shape)}


def without(weights: Weights, part: str) -> Weights:
    return {key: value for key, value in weights.items() if part not in key}


def one(key: str) -> Callable[[Weights], Weights]:
    return lambda weights: weights | {key: torch.zeros(2, 2, 3, 3)}


RELATIVES = [
    ("det_cascade_v0", one("roi_head.bbox_head.0.shared_convs.0.conv.weight"), "4conv1fc"),
    (
        "det_cascade_v0",
        lambda w: with_rows(w, "roi_head.bbox_head.1.fc_reg.weight", 28),
        "'roi_head.bbox_head.1.fc_reg.weight' has 28 deltas a box, this release computes 4",
    ),
    (
        "det_mask_s1",
        lambda w: with_rows(w, "roi_head.bbox_head.fc_reg.weight", 4),
        "has 4 deltas a box, this release computes 28",
    ),
    (
        "det_mask_s1",
        lambda w: with_rows(w, "rpn_head.rpn_cls.weight", 9),
        "'rpn_head.rpn_cls.weight' has 9 anchors a pixel, this release computes 3",
    ),
    (
        "det_mask_s1",
        lambda w: with_rows(w, "roi_head.mask_head.conv_logits.weight", 1),
        "has 1 masks a box, this release computes 7",
    ),
    ("det_mask_s1", one("roi_head.point_head.fcs.0.conv.weight"), "PointRend"),
    ("det_mask_s1", one("roi_head.mask_iou_head.convs.0.weight"), "Mask Scoring"),
    ("det_cascade_v0", one("roi_head.semantic_head.convs.0.weight"), "HTC"),
    ("det_mask_s1", one("neck.downsample_convs.0.conv.weight"), "another neck than an FPN"),
    ("det_mask_s1", one("neck.fpn_convs.4.conv.weight"), "more levels"),
    ("det_mask_s1", one("rpn_head.rpn_conv.0.conv.weight"), "another RPN"),
    ("det_mask_s1", lambda w: without(w, "mask_head"), "no mask head, as a Faster R-CNN"),
    ("seg_v0", one("decode_head.linear_fuse.conv.weight"), "another decode head"),
    ("seg_v0", one("decode_head.1.convs.0.conv.weight"), "several heads"),
    ("seg_v0", one("neck.convs.0.conv.weight"), "a neck between backbone and head"),
    ("seg_v0", lambda w: without(w, "conv_seg"), "no 'decode_head.conv_seg.weight'"),
]


@pytest.mark.parametrize(("name", "change", "reason"), RELATIVES)
def test_relatives_are_refused_by_name(name, change, reason, saved):
    with pytest.raises(InputFileError, match=reason.replace("(", r"\(")) as refused:
        load_model(saved(change(weights_of(name))))
    assert f"of a {FAMILY_OF[name].name}: " in refused.value.message
    assert refused.value.hint == "--strip-prefix backbone takes its backbone alone"


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("seg_v0", "psp_modules.3"),
        ("det_mask_s1", "mask_head.convs.3"),
        ("det_cascade_v0", "bbox_head.2.shared_fcs.1"),
        ("det_cascade_v0", "outnorm2"),
    ],
)
def test_a_part_that_is_missing_is_named(name, part, saved):
    with pytest.raises(InputFileError, match="missing from the file") as refused:
        load_model(saved(without(weights_of(name), part)))
    assert part in refused.value.message


def test_a_part_that_is_too_much_is_named(saved):
    with pytest.raises(InputFileError, match="unexpected in the file"):
        load_model(saved(one("roi_head.mask_head.convs.4.conv.weight")(weights_of("det_mask_s1"))))


def test_names_and_colours_of_the_classes(saved):
    weights = weights_by_rule("seg_s2")
    meta = {"CLASSES": tuple("abcde"), "PALETTE": [[9, 8, 7]] * 5}
    model = load_model(saved(weights, meta=meta))
    assert (model.class_labels, model.palette) == (tuple("abcde"), ((9, 8, 7),) * 5)
    for odd in ({"classes": tuple("abcd")}, {"classes": tuple("abcde"), "palette": [[9, 8, 300]]}):
        model = load_model(saved(weights, meta={"dataset_meta": odd}))
        assert model.class_labels in (None, tuple("abcde"))
        assert (model.class_labels is None) == (len(odd["classes"]) != 5)
        assert model.palette is None


def test_usual_names_where_the_file_says_none():
    pairs = (
        (UPERNET, 150, ("wall", "flag"), ((120, 120, 120), (92, 0, 255))),
        (MASK_RCNN, 80, ("person", "toothbrush"), None),
    )
    for family, count, ends, colours in pairs:
        usual = family.usual_classes(family.usual)
        assert (len(usual.names), usual.names[0], usual.names[-1]) == (count, *ends)
        assert len(set(usual.names)) == count
        assert colours == (usual.palette and (usual.palette[0], usual.palette[-1]))
        assert family.usual_classes(replace(family.usual, num_classes=count - 1)) is None
    model = loaded("seg_s2").model
    before = model.class_labels
    name_classes(model, UPERNET.usual_classes(UPERNET.usual))
    assert model.class_labels is before is None


def test_a_single_logit_is_split_at_one_half_with_a_word(saved):
    weights = weights_by_rule("seg_s2")
    one = {key: weights[f"decode_head.conv_seg.{key}"][:1] for key in ("weight", "bias")}
    path = saved(weights | {f"decode_head.conv_seg.{key}": value for key, value in one.items()})
    loaded_one = load_weights(str(path))
    assert "above 0, a probability of one half" in loaded_one.origin.notes[-1]
    pixels = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        logits = resize_bilinear(loaded_one.model.head_logits(pixels), (64, 64))
        labels = loaded_one.model(pixels)["labels"]
    assert torch.equal(labels, (logits[:, 0] > 0).int())


def test_the_frame_that_a_file_says(saved):
    cfg = (
        "test_pipeline = [dict(type='LoadImageFromFile'), "
        "dict(type='Resize', scale=(1280, 640), keep_ratio=True)]\n"
        "img_norm_cfg = dict(mean=[123.675, 116.28, 103.53], interpolation='bilinear')\n"
    )
    path = saved(weights_by_rule("seg_s2"), meta={"cfg": cfg})
    prepared = load_weights(str(path)).preprocessing
    assert prepared == replace(SEGMENTATION_PREPROCESSING, fit=(1280, 640))


def test_presets_over_the_backbones():
    assert resolve_preset("t", "segmentation").name == "upernet_vmamba_tiny_s1l8"
    assert resolve_preset("B", "detection").name == "mask_rcnn_vmamba_base_s1l20"
    assert resolve_preset("t", "features").name == resolve_preset("t").name
    cascade = resolve_preset("cascade_mask_rcnn_vanilla_vmamba_tiny", "detection")
    assert family_of(cascade) is CASCADE_MASK_RCNN
    assert cascade.config.backbone.outnorm_indices == (0, 1, 2, 3)
    assert cascade.config.backbone.num_classes is None
    with pytest.raises(UsageError, match="can do the task segmentation"):
        resolve_preset("mask_rcnn_vmamba_tiny_s1l8", "segmentation")
    backbones = FAMILIES["VMamba"].presets
    for family in (UPERNET, MASK_RCNN, CASCADE_MASK_RCNN):
        assert len(family.presets) == len(backbones)
        for preset in family.presets.values():
            assert family.preset_with(preset.config) == preset.name
            assert family.preset_with(replace(preset.config, channels=8)) is None


def test_a_file_that_must_fit_a_preset(saved):
    path = FOLDER / "det_mask_s1.pth"
    for asked in ("t", "mask_rcnn_vmamba_tiny_s1l8"):
        with pytest.raises(InputFileError, match="preset mask_rcnn_vmamba_tiny_s1l8; nothing was"):
            load_model(path, asked)
    with pytest.raises(InputFileError, match="does not fit preset upernet_vmamba_tiny_s1l8"):
        load_model(path, "upernet_vmamba_tiny_s1l8")


@pytest.mark.parametrize("name", ["seg_v0", "det_mask_s1", "det_cascade_v0"])
def test_the_same_seed_gives_the_same_weights(name):
    family = loaded(name).family
    first, again, other = (copy.deepcopy(loaded(name).model) for _ in range(3))
    for network, seed in ((first, 1), (again, 1), (other, 2)):
        state = torch.get_rng_state()
        family.initialize(network, seed)
        assert torch.equal(state, torch.get_rng_state())
    assert same(first, dict(again.state_dict()))
    for key, value in first.state_dict().items():
        assert value.isfinite().all(), key
        fixed = key.endswith((".A_logs", ".Ds"))
        assert torch.equal(value, other.state_dict()[key]) == fixed, key


def test_random_weights_for_a_task():
    model = create_model("t", "detection", num_classes=3)
    assert model.config.num_classes == 3
    assert model.class_labels is None
    assert model.preset_name == "mask_rcnn_vmamba_tiny_s1l8"
    assert model.tasks == ("detection", "features")


def test_ops_that_a_network_calls():
    for name, calls in {"seg_v0": 0, "det_mask_s1": 2, "det_cascade_v0": 4}.items():
        family, config = loaded(name).family, loaded(name).model.config
        counted = {each.op[1]: each.count for each in family.op_calls(config, family.tasks[0])}
        assert counted.pop("MultiLevelRoiAlign", 0) == calls
        assert counted == {"SelectiveScan2D": 4}
        features = family.op_calls(config, "features")
        assert [each.op[1] for each in features] == ["SelectiveScan2D"]


@torch.inference_mode()
def test_random_heads_find_several_classes_on_several_levels():
    """Else comparing runtimes with them would not notice a wrong level or a wrong class."""
    usual = loaded("det_mask_s1").model.config
    network = MASK_RCNN.build(replace(usual, num_classes=20, channels=32, fc_channels=128)).eval()
    MASK_RCNN.initialize(network, 3)
    network = MASK_RCNN.cast(network, "fp32")
    pixels, sizes = prepared(picture(5, 416, 480)[None], 32)
    pyramid = network.neck(network.forward_features(pixels))
    proposals = network.rpn_head(pyramid, picture_limits(pixels, sizes))
    outputs = network(pixels, sizes)
    assert int(outputs["exact"][0]) == 1
    assert len(box_levels(proposals.boxes[0]).unique()) >= 3
    count = int(outputs["count"][0])
    scores, labels = outputs["scores"][0, :count], outputs["labels"][0, :count]
    assert count >= 20
    assert len(labels.unique()) >= 5
    assert scores.max() - scores.min() > 0.2
    assert scores.diff().abs().median() > 1e-4
    assert len(box_levels(outputs["boxes"][0, :count]).unique()) >= 2
    assert 0.1 < outputs["masks"][0, :count].mean() < 0.9
