"""What a file's configuration says of the heads, against what is computed here.

Shapes tell neither where anchors stand nor what suppresses what. The names are those of mmengine's
configurations, in which the sections of a model are nested dicts. Imports nothing heavy.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vmamba_deploy.errors import printable

if TYPE_CHECKING:
    from vmamba_deploy.models.checkpoints.settings import Settings

_MAX_SHOWN = 60

Computed = Mapping[str, tuple[object, ...]]
"""By a pattern of a value's place within the model: what may stand there."""

SEGMENTATION: Computed = {
    r"decode_head\.type": ("UPerHead",),
    r"decode_head\.pool_scales": ([1, 2, 3, 6],),
    r"decode_head\.align_corners": (False,),
    r"decode_head\.act_cfg\.type": ("ReLU",),
    r"decode_head\.norm_cfg\.type": ("BN", "SyncBN"),
}
_ROI = r"roi_head\.(?:bbox|mask)_roi_extractor"
_DETECTION: Computed = {
    r"neck\.type": ("FPN",),
    r"neck\.num_outs": (5,),
    r"neck\.(?:norm_cfg|act_cfg)": (None,),
    r"neck\.(?:add_extra_convs|relu_before_extra_convs)": (False,),
    r"rpn_head\.anchor_generator\.ratios": ([0.5, 1.0, 2.0],),
    r"rpn_head\.anchor_generator\.scales": ([8],),
    r"rpn_head\.anchor_generator\.strides": ([4, 8, 16, 32, 64],),
    r"rpn_head\.anchor_generator\.center_offset": (0, 0.0),
    r"rpn_head\.bbox_coder\.target_stds": ([1.0, 1.0, 1.0, 1.0],),
    r"rpn_head\.loss_cls\.use_sigmoid": (True,),
    rf"{_ROI}\.featmap_strides": ([4, 8, 16, 32],),
    rf"{_ROI}\.finest_scale": (56,),
    rf"{_ROI}\.roi_layer\.type": ("RoIAlign",),
    rf"{_ROI}\.roi_layer\.sampling_ratio": (0,),
    rf"{_ROI}\.roi_layer\.aligned": (True,),
    r"roi_head\.bbox_roi_extractor\.roi_layer\.output_size": (7,),
    r"roi_head\.mask_roi_extractor\.roi_layer\.output_size": (14,),
    r"roi_head\.bbox_head(?:\.\d)?\.loss_cls\.use_sigmoid": (False,),
    r"(?:rpn_head|roi_head\.bbox_head(?:\.\d)?)\.bbox_coder\.target_means": ([0.0] * 4,),
    r"test_cfg\.rpn\.(?:nms_pre|max_per_img)": (1000,),
    r"test_cfg\.rpn\.nms\.iou_threshold": (0.7,),
    r"test_cfg\.rpn\.min_bbox_size": (0,),
    r"test_cfg\.rcnn\.score_thr": (0.05,),
    r"test_cfg\.rcnn\.max_per_img": (100,),
    r"test_cfg\.rcnn\.nms\.iou_threshold": (0.5,),
    r"test_cfg\.(?:rpn|rcnn)\.nms\.type": ("nms",),
}
MASK_RCNN: Computed = {
    **_DETECTION,
    r"roi_head\.bbox_head\.bbox_coder\.target_stds": ([0.1, 0.1, 0.2, 0.2],),
}
CASCADE_MASK_RCNN: Computed = {
    **_DETECTION,
    r"roi_head\.num_stages": (3,),
    r"roi_head\.bbox_head\.0\.bbox_coder\.target_stds": ([0.1, 0.1, 0.2, 0.2],),
    r"roi_head\.bbox_head\.1\.bbox_coder\.target_stds": ([0.05, 0.05, 0.1, 0.1],),
    r"roi_head\.bbox_head\.2\.bbox_coder\.target_stds": ([0.033, 0.033, 0.067, 0.067],),
}


def refuse_other_heads(settings: Sequence[Settings], computed: Computed, path: Path) -> None:
    """Raise InputFileError where a file says that its heads compute something else.

    Args:
        settings: of the file.
        computed: by this release.
        path: of the file.
    """
    from vmamba_deploy.models.checkpoints.unreadable import refuse_configuration

    refused = []
    for place, value in _said(settings):
        for pattern, possible in computed.items():
            if re.fullmatch(pattern, place) and value is not None and value not in possible:
                refused.append(
                    f"the file's model.{printable(place)} is {printable(str(value)[:_MAX_SHOWN])}; "
                    f"this network computes {possible[0]}"
                )
    refuse_configuration(path, "was trained as another network", refused)


def windows_noted(settings: Sequence[Settings]) -> tuple[str, ...]:
    """A sentence where a file was evaluated in windows, which are up to the caller."""
    said = dict(_said(settings))
    if said.get("test_cfg.mode") != "slide":
        return ()
    crop, stride = (said.get(f"test_cfg.{key}") for key in ("crop_size", "stride"))
    return (
        f"it was evaluated in windows of {printable(str(crop)[:_MAX_SHOWN])}, each "
        f"{printable(str(stride)[:_MAX_SHOWN])} further: the file computes one window",
    )


def _said(settings: Sequence[Settings]) -> Iterator[tuple[str, object]]:
    """Every value of the model's configuration by its place within it."""
    for section in settings:
        if section.place == "model" or section.place.endswith((".cfg.model", "config.model")):
            yield from _values("", section.values)


def _values(place: str, value: object) -> Iterator[tuple[str, object]]:
    """Dicts, and lists of dicts by their number, down to what is neither."""
    if place:
        yield place, list(value) if isinstance(value, tuple) else value
    parts: Iterator[tuple[object, object]] = iter(())
    if isinstance(value, Mapping):
        parts = iter(value.items())
    elif isinstance(value, list | tuple) and any(isinstance(each, Mapping) for each in value):
        parts = iter(enumerate(value))
    for key, part in parts:
        yield from _values(f"{place}.{key}".lstrip("."), part)
