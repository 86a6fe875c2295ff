"""Networks that share names with the dense ones and compute something else: known by their weights.

They are refused by name, for a network that takes the weights it knows and leaves the others out
gives meaningless results, and no error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from vmamba_deploy.models.family import NotThisFamilyError

if TYPE_CHECKING:
    from torch import Tensor

_STAGE = r"(?:\d+\.)?"
_BOX_HEAD, _MASK_HEAD = rf"roi_head\.bbox_head\.{_STAGE}", rf"roi_head\.mask_head\.{_STAGE}"

SEGMENTATION_RELATIVES = {
    r"decode_head\.\d+\.": "several heads, one after the other",
    r"decode_head\.\w*convs\.\d+\.(?:0|1|depthwise_conv|pointwise_conv)\.": "another decode head",
    r"decode_head\.(?!psp_modules|bottleneck|lateral_convs|fpn_convs|fpn_bottleneck|conv_seg)": (
        "another decode head than UperNet's"
    ),
    r"neck\.": "a neck between backbone and head",
}
DETECTION_RELATIVES = {
    rf"{_BOX_HEAD}shared_convs\.": "convolutions in its box head (4conv1fc)",
    rf"{_BOX_HEAD}(?:cls|reg)_(?:convs|fcs)\.": "layers of their own for classes or boxes",
    r"roi_head\.point_head\.": "a point head (PointRend)",
    r"roi_head\.semantic_head\.": "a semantic branch (HTC)",
    r"roi_head\.mask_iou_head\.": "a head that scores masks (Mask Scoring R-CNN)",
    rf"{_MASK_HEAD}conv_res\.": "masks that pass from stage to stage (HTC)",
    r"roi_head\.(?!bbox_head\.|mask_head\.)": "another head of regions",
    r"neck\.(?:lateral|fpn)_convs\.[4-9]\.": "more levels with weights in its pyramid",
    r"neck\.(?:lateral|fpn)_convs\.\d+\.bn\.": "a pyramid with normalisation",
    r"neck\.(?!(?:lateral|fpn)_convs\.)": "another neck than an FPN",
    r"rpn_head\.(?!rpn_conv\.|rpn_cls\.|rpn_reg\.)|rpn_head\.rpn_conv\.\d": "another RPN",
}


def refuse_sizes(weights: Mapping[str, Tensor], wanted: Mapping[str, tuple[int, str]]) -> None:
    """Raise NotThisFamilyError where a weight has another first axis.

    Args:
        weights: by name.
        wanted: by name the size of the first axis, and what it is of.
    """
    for name, (size, what) in _present(weights, wanted):
        found = weights[name].shape[0]
        if found != size:
            raise NotThisFamilyError(f"'{name}' has {found} {what}, this release computes {size}")


def _present(
    weights: Mapping[str, Tensor], wanted: Mapping[str, tuple[int, str]]
) -> Iterator[tuple[str, tuple[int, str]]]:
    return ((name, each) for name, each in wanted.items() if name in weights)
