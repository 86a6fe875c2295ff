"""Every op of ours. A new one is a folder beside `selective_scan_2d` and a line here."""

from __future__ import annotations

from collections.abc import Mapping

from vmamba_deploy.ops.multi_level_roi_align.specification import MULTI_LEVEL_ROI_ALIGN
from vmamba_deploy.ops.op import Op
from vmamba_deploy.ops.selective_scan.specification import SELECTIVE_SCAN
from vmamba_deploy.ops.selective_scan_2d.specification import SELECTIVE_SCAN_2D

# By domain and op type, as a node of an ONNX file states them.
OPS: Mapping[tuple[str, str], Op] = {
    each.key: each for each in (SELECTIVE_SCAN_2D, SELECTIVE_SCAN, MULTI_LEVEL_ROI_ALIGN)
}
