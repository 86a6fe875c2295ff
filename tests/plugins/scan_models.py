"""ONNX files with one SelectiveScan2D or SelectiveScan node, right ones and wrong ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, helper, numpy_helper

from vmamba_deploy.ops.op import FLOAT32, Op
from vmamba_deploy.ops.selective_scan.specification import SELECTIVE_SCAN
from vmamba_deploy.ops.selective_scan_2d.specification import SELECTIVE_SCAN_2D, ScanDims
from vmamba_deploy.testing import random_case

DEFAULT_DIMS = ScanDims(batch=2, height=5, width=7, channels=24, state=1, rank=3)


@dataclass(frozen=True)
class ScanModel:
    """What is written; the fields after `op` make a wrong file.

    `routes` stand in place of those of `dims`; an empty list is no attribute.
    """

    dims: ScanDims = DEFAULT_DIMS
    in_dtype: int = FLOAT32
    out_dtype: int = FLOAT32
    dynamic: bool = False
    op: Op = SELECTIVE_SCAN_2D
    routes: Sequence[int] | None = None
    without_out_dtype: bool = False
    extra_proj_features: int = 0
    proj_dtype: int | None = None
    input_count: int = len(SELECTIVE_SCAN_2D.input_names)

    @property
    def route_axes(self) -> list[int]:
        """What stands before the axes of an image, in x and proj."""
        return [len(self.dims.routes)] if self.dims.x_per_route else []

    def profile(self) -> dict[str, list[list[int]]]:
        """Smallest, usual and largest shapes of the two inputs, {} for a static file."""
        if not self.dynamic:
            return {}
        sizes = ([1, 1, 2], [2, 5, 7], [4, 12, 9])
        return {
            "x": [[*self.route_axes, *size, self.dims.channels] for size in sizes],
            "proj": [[*self.route_axes, *size, self.dims.proj_features] for size in sizes],
        }


def _attributes(model: ScanModel) -> dict[str, Any]:
    attributes: dict[str, Any] = {"plugin_namespace": "vmamba", "plugin_version": "1"}
    if not model.without_out_dtype:
        attributes["out_dtype"] = model.out_dtype
    routes = list(model.dims.routes if model.routes is None else model.routes)
    if routes and model.op is SELECTIVE_SCAN:
        attributes["routes"] = routes
    return attributes


def write_model(path: Path, model: ScanModel) -> Path:
    """An ONNX file: x and proj are inputs, the four parameters initializers."""
    dims = model.dims
    one_image = replace(dims, batch=1, height=1, width=1)
    parameters = random_case(one_image, FLOAT32, seed=0).inputs[2:]
    pixels = ["B", "H", "W"] if model.dynamic else [dims.batch, dims.height, dims.width]
    features = dims.proj_features + model.extra_proj_features
    graph_inputs = [
        helper.make_tensor_value_info(name, dtype, [*model.route_axes, *pixels, last])
        for name, dtype, last in (
            ("x", model.in_dtype, dims.channels),
            ("proj", model.proj_dtype or model.in_dtype, features),
        )
    ]
    output = helper.make_tensor_value_info("y", model.out_dtype, [*pixels, dims.channels])
    node = helper.make_node(
        model.op.op_type,
        model.op.input_names[: model.input_count],
        ["y"],
        name="scan",
        domain=model.op.domain,
        **_attributes(model),
    )
    initializers = [
        numpy_helper.from_array(value, name)
        for name, value in zip(model.op.input_names[2:], parameters, strict=True)
    ]
    graph = helper.make_graph([node], "scan", graph_inputs, [output], initializers)
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid(model.op.domain, 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)
    return path


INT32, DOUBLE = TensorProto.INT32, TensorProto.DOUBLE
