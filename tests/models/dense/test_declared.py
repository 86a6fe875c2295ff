"""What a file says of its heads: another network is refused by name, whatever its shapes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.dense_golden import weights_by_rule
from tests.models.dense.golden import loaded
from vmamba_deploy.errors import InputFileError
from vmamba_deploy.models import load_model, load_weights

OTHERS = [
    ("det_mask_s1", "rpn_head=dict(anchor_generator=dict(scales=[4]))", "anchor_generator.scales"),
    (
        "det_mask_s1",
        "rpn_head=dict(anchor_generator=dict(center_offset=0.5))",
        "rpn_head.anchor_generator.center_offset is 0.5; this network computes 0",
    ),
    ("det_mask_s1", "rpn_head=dict(bbox_coder=dict(target_stds=[1.0, 1, 1, 2]))", "target_stds"),
    (
        "det_mask_s1",
        "roi_head=dict(bbox_head=dict(bbox_coder=dict(target_stds=[0.2, 0.1, 0.2, 0.2])))",
        "roi_head.bbox_head.bbox_coder.target_stds",
    ),
    (
        "det_mask_s1",
        "roi_head=dict(mask_roi_extractor=dict(roi_layer=dict(sampling_ratio=2)))",
        "sampling_ratio is 2; this network computes 0",
    ),
    ("det_mask_s1", "test_cfg=dict(rcnn=dict(nms=dict(type='soft_nms')))", "is soft_nms"),
    ("det_mask_s1", "test_cfg=dict(rpn=dict(nms_pre=2000))", "nms_pre is 2000"),
    ("det_cascade_v0", "test_cfg=dict(rcnn=dict(score_thr=0.001))", "score_thr is 0.001"),
    (
        "det_cascade_v0",
        "roi_head=dict(bbox_head=[0, dict(bbox_coder=dict(target_stds=[0.1, 0.1, 0.2, 0.2]))])",
        r"roi_head.bbox_head.1.bbox_coder.target_stds is \[0.1",
    ),
    ("seg_s2", "decode_head=dict(type='PSPHead')", "decode_head.type is PSPHead"),
    ("seg_s2", "decode_head=dict(align_corners=True)", "align_corners is True"),
    ("seg_s2", "decode_head=dict(pool_scales=(1, 2, 3, 8))", "pool_scales"),
]


@pytest.fixture
def saved(tmp_path: Path) -> Callable[[str, str], Path]:
    def save(name: str, model: str) -> Path:
        by_rule = name == "seg_s2"
        weights = weights_by_rule(name) if by_rule else dict(loaded(name).model.state_dict())
        meta = {"cfg": f"model = dict({model})\n"}
        torch.save({"state_dict": weights, "meta": meta}, tmp_path / "checkpoint.pth")
        return tmp_path / "checkpoint.pth"

    return save


@pytest.mark.parametrize(("name", "model", "reason"), OTHERS)
def test_another_network_is_refused(name, model, reason, saved):
    with pytest.raises(InputFileError, match=reason) as refused:
        load_model(saved(name, model))
    assert "was trained as another network; nothing was loaded" in refused.value.message


def test_what_is_no_literal_says_nothing(saved):
    load_model(saved("seg_s2", "decode_head=dict(type=HEAD, pool_scales=[1, 2, 3, 6])"))
    load_model(saved("seg_s2", "neck=dict(type='PAFPN'), loss=3"))  # of another family's concern


def test_windows_are_noted(saved):
    window = "test_cfg=dict(mode='slide', crop_size=(512, 512), stride=(341, 341))"
    notes = load_weights(str(saved("seg_s2", window))).origin.notes
    assert "it was evaluated in windows of [512, 512], each [341, 341] further" in "; ".join(notes)
    whole = load_weights(str(saved("seg_s2", "test_cfg=dict(mode='whole')"))).origin.notes
    assert "windows" not in "; ".join(whole)
