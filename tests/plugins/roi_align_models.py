"""ONNX files with nodes of both ops of ours: what a detector hands to TensorRT, in small."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, helper, numpy_helper

from vmamba_deploy.ops.multi_level_roi_align.constants import STRIDES
from vmamba_deploy.ops.multi_level_roi_align.specification import MULTI_LEVEL_ROI_ALIGN
from vmamba_deploy.ops.op import FLOAT32
from vmamba_deploy.ops.selective_scan_2d.specification import SELECTIVE_SCAN_2D, ScanDims
from vmamba_deploy.testing import random_case

CHANNELS, BOXES, SIZE = 8, 6, 7
_SIDES = ((64, 96), (128, 160), (160, 256))  # the smallest, usual and largest picture


@dataclass(frozen=True)
class RoiAlignModel:
    """A file with a scan on p5, and the features of boxes; the last fields make a wrong one."""

    in_dtype: int = FLOAT32
    out_dtype: int = FLOAT32
    dynamic: bool = False
    attributes: tuple[tuple[str, int], ...] = (("output_size", SIZE),)
    box_numbers: int = 4
    p3_channels: int = CHANNELS
    input_count: int = len(MULTI_LEVEL_ROI_ALIGN.inputs)

    def profile(self) -> dict[str, list[list[int]]]:
        """Smallest, usual and largest shapes of the inputs, {} for a static file."""
        if not self.dynamic:
            return {}
        shapes = {
            f"p{2 + i}": [
                [batch, self.channels(i), height // stride, width // stride]
                for batch, (height, width) in zip((1, 2, 3), _SIDES, strict=True)
            ]
            for i, stride in enumerate(STRIDES)
        }
        return shapes | {"boxes": [[1, 1, 4], [2, BOXES, 4], [3, 100, 4]]}

    def channels(self, level: int) -> int:
        """Of a map."""
        return self.p3_channels if level == 1 else CHANNELS


def write_model(path: Path, model: RoiAlignModel) -> Path:
    """Inputs are the maps p2 to p5, of which a scan takes p5, and the boxes; y is [B,K,C,S,S]."""
    height, width = _SIDES[1]
    graph_inputs = []
    for level, stride in enumerate(STRIDES):
        sides = [f"H{level}", f"W{level}"] if model.dynamic else [height // stride, width // stride]
        shape = ["B" if model.dynamic else 2, model.channels(level), *sides]
        graph_inputs.append(helper.make_tensor_value_info(f"p{2 + level}", model.in_dtype, shape))
    boxes = ["B", "K", model.box_numbers] if model.dynamic else [2, BOXES, model.box_numbers]
    graph_inputs.append(helper.make_tensor_value_info("boxes", TensorProto.FLOAT, boxes))
    y = helper.make_tensor_value_info("y", model.out_dtype, None)
    nodes, initializers = _scan(model.in_dtype)
    names = ["p2", "p3", "p4", "scanned", "boxes"][: model.input_count]
    attributes = dict(model.attributes) | {"out_dtype": model.out_dtype}
    nodes.append(_node(MULTI_LEVEL_ROI_ALIGN, names, "y", attributes))
    graph = helper.make_graph(nodes, "roi_align", graph_inputs, [y], initializers)
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid(SELECTIVE_SCAN_2D.domain, 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)
    return path


def _scan(dtype: int) -> tuple[list[Any], list[Any]]:
    """p5 [B,C,H,W] to `scanned` of the same shape and dtype, through a scan of one state."""
    dims = ScanDims(batch=1, height=1, width=1, channels=CHANNELS, state=1, rank=1)
    parameters = random_case(dims, FLOAT32, seed=0).inputs[2:]
    names = SELECTIVE_SCAN_2D.input_names[2:]
    nodes = [
        helper.make_node("Transpose", ["p5"], ["last"], perm=[0, 2, 3, 1]),
        helper.make_node("Concat", ["last", "last"], ["twice"], axis=3),
        helper.make_node("Slice", ["twice", "from", "to", "axis"], ["proj"]),
        _node(SELECTIVE_SCAN_2D, ["last", "proj", *names], "walked", {"out_dtype": dtype}),
        helper.make_node("Transpose", ["walked"], ["scanned"], perm=[0, 3, 1, 2]),
    ]
    ends = [
        helper.make_tensor(name, TensorProto.INT64, [1], [value])
        for name, value in (("from", 0), ("to", dims.proj_features), ("axis", 3))
    ]
    weights = [numpy_helper.from_array(v, n) for v, n in zip(parameters, names, strict=True)]
    return nodes, [*ends, *weights]


def _node(op: Any, inputs: list[str], output: str, attributes: dict[str, int]) -> Any:
    return helper.make_node(
        op.op_type, inputs, [output], op.op_type, domain=op.domain,
        **attributes, **op.fixed_attributes,
    )  # fmt: skip
