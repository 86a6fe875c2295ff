"""The TensorRT plugins on a GPU, driven through IPluginV3 with no TensorRT library."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from gpu_accuracy import expected_result
from gpu_cases import DTYPES
from plugin_program import PluginCall, run_plugin, scan_call
from torch import Tensor

from benchmarks.gpu_check.nvcc_build import HARNESS_NAME, build_plugin_harness
from vmamba_deploy import native
from vmamba_deploy.native import cuda
from vmamba_deploy.native.headers import TENSORRT
from vmamba_deploy.native.layout import NATIVE_DIR_VARIABLE
from vmamba_deploy.ops.multi_level_roi_align.float64_reference import (
    multi_level_roi_align_float64,
)
from vmamba_deploy.ops.selective_scan.specification import ScanDims
from vmamba_deploy.ops.torch_registration import ONNX_CODES
from vmamba_deploy.testing import (
    RoiAlignDims,
    ScanTensors,
    check_accuracy,
    errors_of,
    every_form,
    nmse_limit,
    random_roi_align_case,
    random_tensors,
)

# One launch of each kind of kernel, and three launches of each; odd sizes, and one pixel.
CALLS = (
    ScanDims(2, 28, 28, 192, 1, 12),
    ScanDims(1, 56, 56, 96, 1, 6),
    ScanDims(1, 56, 56, 48, 16, 6),
    ScanDims(2, 7, 7, 64, 16, 4),
    ScanDims(3, 9, 13, 33, 1, 5),
    ScanDims(1, 1, 1, 5, 3, 1),
)
# Of SelectiveScan: in one launch and in several, and each form once.
FORMS = (
    ScanDims(2, 1, 49, 64, 8, 4, routes=(0,)),
    ScanDims(1, 1, 197, 96, 16, 12, routes=(0, 2), x_per_route=True),
    *every_form(ScanDims(2, 6, 9, 33, 16, 3)),
)
SECONDS = 60


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The harness: as it lies among prebuilt libraries, or compiled here."""
    prebuilt = Path(os.environ.get(NATIVE_DIR_VARIABLE, "")) / HARNESS_NAME
    if NATIVE_DIR_VARIABLE in os.environ and prebuilt.is_file():
        return prebuilt.resolve()
    headers = TENSORRT.find()
    if headers is None:
        pytest.skip("the headers of TensorRT are not here: set TENSORRT_INCLUDE_DIR")
    if cuda.find_cuda() is None:
        pytest.skip("there is no nvcc on this machine")
    available, reason = native.available("vmamba_cuda")
    if not available:
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("plugin")
    return build_plugin_harness(folder, native.library_path("vmamba_cuda"), headers)


@pytest.mark.gpu
@pytest.mark.parametrize("dtypes", DTYPES, ids=str)
@pytest.mark.parametrize("dims", CALLS, ids=str)
def test_its_results_against_float64(
    program: Path,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
    dims: ScanDims,
    dtypes: tuple[torch.dtype, torch.dtype],
) -> None:
    in_dtype, out_dtype = dtypes
    inputs = random_tensors(dims, in_dtype, "cpu", seed=dims.length)
    y = run_plugin(program, scan_call(inputs, out_dtype), tmp_path, SECONDS)
    record_property("row", json.dumps({"dims": asdict(dims), **judged(inputs, y)}))


@pytest.mark.gpu
@pytest.mark.parametrize(("place", "dims"), [*enumerate(FORMS)], ids=str)
def test_results_of_the_general_scan_against_float64(
    program: Path,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
    place: int,
    dims: ScanDims,
) -> None:
    in_dtype, out_dtype = DTYPES[place % len(DTYPES)]
    inputs = random_tensors(dims, in_dtype, "cpu", seed=place)
    y = run_plugin(program, scan_call(inputs, out_dtype, dims.routes), tmp_path, SECONDS)
    record_property("row", json.dumps({"dims": asdict(dims), **judged(inputs, y)}))


def judged(inputs: ScanTensors, y: Tensor) -> dict[str, str | float]:
    """Compare a result with float64; its dtypes and errors for the record."""
    expected = expected_result(inputs)
    errors = errors_of(y, expected)
    assert errors.nmse <= nmse_limit(expected, ONNX_CODES[y.dtype])
    return {"x": str(inputs.x.dtype), "y": str(y.dtype), **asdict(errors)}


@pytest.mark.gpu
@pytest.mark.parametrize("dtypes", DTYPES, ids=str)
def test_features_of_boxes_against_float64(
    program: Path, tmp_path: Path, dtypes: tuple[torch.dtype, torch.dtype]
) -> None:
    in_dtype, out_dtype = dtypes
    dims = RoiAlignDims(batch=2, boxes=12, channels=40, height=256, width=400, output_size=7)
    case = random_roi_align_case(dims, seed=1)
    maps, boxes = [torch.from_numpy(each).to(in_dtype) for each in case.maps], case.boxes
    rounded = [each.double().numpy() for each in maps]
    expected = multi_level_roi_align_float64(*rounded, boxes, dims.output_size)
    inputs = [*maps, torch.from_numpy(boxes)]
    call = PluginCall(
        "MultiLevelRoiAlign", inputs, out_dtype, expected.shape, ([dims.output_size],)
    )
    y = run_plugin(program, call, tmp_path, SECONDS)
    check_accuracy(y, torch.from_numpy(expected), ONNX_CODES[out_dtype])
