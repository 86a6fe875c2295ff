"""libvmamba_trt.so: its symbols, and engines that TensorRT-RTX builds with it, without a GPU."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import roi_align_models
import scan_models
from roi_align_models import BOXES, CHANNELS, SIZE, RoiAlignModel
from scan_models import DEFAULT_DIMS, INT32, ScanModel

from tests.processes import HANG_S
from vmamba_deploy.ops.op import BFLOAT16, FLOAT16, FLOAT32
from vmamba_deploy.ops.selective_scan.specification import SELECTIVE_SCAN, ScanDims
from vmamba_deploy.testing import every_form

PROBE = Path(__file__).with_name("build_engine_probe.py")
TYPE_NAMES = {FLOAT32: "FLOAT", FLOAT16: "HALF", BFLOAT16: "BF16"}
VANILLA_DIMS = ScanDims(batch=1, height=6, width=4, channels=16, state=16, rank=2)
TWO_ROUTES = replace(VANILLA_DIMS, routes=(0, 2), x_per_route=True)


@pytest.fixture(scope="session")
def rtx_environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which the parser's dlopen("libtensorrt_rtx.so") finds the wheel's file."""
    spec = importlib.util.find_spec("tensorrt_rtx_libs")
    if spec is None or spec.origin is None:
        pytest.skip("tensorrt-rtx-cu13 is not installed")
    folder = tmp_path_factory.mktemp("rtx")
    library = Path(spec.origin).with_name("libtensorrt_rtx.so.1")
    (folder / "libtensorrt_rtx.so").symlink_to(library)
    return {**os.environ, "LD_LIBRARY_PATH": f"{folder}:{library.parent}"}


@pytest.fixture
def build(plugin_library: Path, rtx_environment: dict[str, str], tmp_path: Path) -> Any:
    def run(model: ScanModel | RoiAlignModel) -> dict[str, Any]:
        write = roi_align_models if isinstance(model, RoiAlignModel) else scan_models
        path = write.write_model(tmp_path / "model.onnx", model)
        arguments = [str(plugin_library), str(path), json.dumps(model.profile())]
        result = subprocess.run(
            [sys.executable, str(PROBE), *arguments],
            env=rtx_environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=HANG_S,
        )
        assert result.returncode == 0, f"ended with {result.returncode}: {result.stderr}"
        answer: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
        return answer

    return run


def read_binary(*command: str) -> list[str]:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def test_it_exports_two_functions_and_no_more(plugin_library: Path) -> None:
    lines = read_binary("nm", "-D", "--defined-only", str(plugin_library))
    assert sorted(line.split()[-1] for line in lines) == ["getCreators", "setLoggerFinder"]


def test_it_needs_no_symbol_of_tensorrt_cuda_or_the_cpp_library(plugin_library: Path) -> None:
    undefined = [line.split()[-1] for line in read_binary("nm", "-D", "-u", str(plugin_library))]
    assert undefined
    foreign = ("nvinfer", "getPluginRegistry", "getLogger", "createInfer", "cuda", "_Z")
    assert [name for name in undefined if name.startswith(foreign) or "nvinfer" in name] == []


def test_it_is_linked_to_the_c_library_alone(plugin_library: Path) -> None:
    lines = read_binary("readelf", "-d", str(plugin_library))
    needed = {line.split("[")[1].rstrip("]").split(".so")[0] for line in lines if "NEEDED" in line}
    assert needed <= {"libc", "libm", "libdl", "librt", "libpthread", "ld-linux-x86-64"}
    assert not any("RPATH" in line or "RUNPATH" in line for line in lines)


@pytest.mark.parametrize("dynamic", [False, True], ids=["static", "dynamic"])
@pytest.mark.parametrize(
    ("in_dtype", "out_dtype"),
    [(FLOAT32, FLOAT32), (FLOAT16, FLOAT32), (FLOAT16, FLOAT16), (BFLOAT16, BFLOAT16)],
)
def test_an_engine_is_built(build: Any, in_dtype: int, out_dtype: int, dynamic: bool) -> None:
    dims = VANILLA_DIMS if in_dtype == FLOAT32 or dynamic else DEFAULT_DIMS
    answer = build(ScanModel(dims, in_dtype, out_dtype, dynamic))
    assert answer["errors"] == []
    assert answer["fields"] == {
        "SelectiveScan2D": ["out_dtype"],
        "SelectiveScan": ["routes", "out_dtype"],
        "MultiLevelRoiAlign": ["output_size", "out_dtype"],
    }
    assert answer["plugin_layers"] == {"SelectiveScan2D": 1}
    pixels = [-1, -1, -1] if dynamic else [dims.batch, dims.height, dims.width]
    assert answer["output"] == [[*pixels, dims.channels], TYPE_NAMES[out_dtype]]
    assert answer["engine_bytes"] > 1000


@pytest.mark.parametrize("dims", every_form(replace(VANILLA_DIMS, batch=2)), ids=str)
def test_an_engine_of_every_form_of_the_general_scan_is_built(build: Any, dims: ScanDims) -> None:
    dynamic = dims.x_per_route != dims.step_per_channel
    dtype = BFLOAT16 if dims.x_per_route else FLOAT16
    answer = build(ScanModel(dims, dtype, FLOAT32, dynamic, SELECTIVE_SCAN))
    assert answer["errors"] == []
    assert answer["plugin_layers"] == {"SelectiveScan": 1}
    pixels = [-1, -1, -1] if dynamic else [dims.batch, dims.height, dims.width]
    assert answer["output"] == [[*pixels, dims.channels], "FLOAT"]
    assert answer["engine_bytes"] > 1000


@pytest.mark.parametrize("dynamic", [False, True], ids=["static", "dynamic"])
@pytest.mark.parametrize(
    ("in_dtype", "out_dtype"),
    [(FLOAT32, FLOAT32), (FLOAT16, FLOAT32), (FLOAT16, FLOAT16), (BFLOAT16, BFLOAT16)],
)
def test_an_engine_of_both_ops_is_built(
    build: Any, in_dtype: int, out_dtype: int, dynamic: bool
) -> None:
    answer = build(RoiAlignModel(in_dtype, out_dtype, dynamic))
    assert answer["errors"] == []
    assert answer["plugin_layers"] == {"SelectiveScan2D": 1, "MultiLevelRoiAlign": 1}
    images, boxes = (-1, -1) if dynamic else (2, BOXES)
    assert answer["output"] == [[images, boxes, CHANNELS, SIZE, SIZE], TYPE_NAMES[out_dtype]]
    assert answer["engine_bytes"] > 1000


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (RoiAlignModel(attributes=()), "lacks the attribute output_size"),
        (RoiAlignModel(attributes=(("output_size", 65),)), "output_size must be in 1..64; got"),
        (RoiAlignModel(out_dtype=FLOAT16), "out_dtype is 10, expected 1 (float32)"),
        (RoiAlignModel(box_numbers=5), "boxes has shape (2, 6, 5), expected (2, 6, 4)"),
        (RoiAlignModel(p3_channels=9, dynamic=True), "p3 has shape (-1, 9, -1, -1), expected"),
        (RoiAlignModel(input_count=4), "the node has 4 inputs and 1 outputs, expected 5 and 1"),
        (ScanModel(without_out_dtype=True), "lacks the attribute out_dtype"),
        (
            ScanModel(out_dtype=7),
            "out_dtype is 7, expected 1 (float32), 10 (float16) or 16 (bfloat16)",
        ),
        (
            ScanModel(in_dtype=FLOAT16, out_dtype=BFLOAT16),
            "out_dtype is 16, expected 1 (float32) or 10 (float16)",
        ),
        (ScanModel(extra_proj_features=4), "proj has shape (2, 5, 7, 24), expected (2, 5, 7, 20)"),
        (ScanModel(extra_proj_features=4, dynamic=True), "expected (-1, -1, -1, 20)"),
        (ScanModel(proj_dtype=FLOAT16), "proj is float16, expected float32"),
        (ScanModel(in_dtype=INT32), "x is of another type, expected float32, float16 or bfloat16"),
        (ScanModel(op=SELECTIVE_SCAN, routes=()), "lacks the attribute routes"),
        (
            ScanModel(op=SELECTIVE_SCAN, routes=(0, 4)),
            "routes is [0, 4], expected 1 to 4 numbers from 0 to 3",
        ),
        (
            ScanModel(op=SELECTIVE_SCAN, routes=(0, 1, 2, 3, 0)),
            "routes is [0, 1, 2, 3, ...], expected",
        ),
        (
            ScanModel(TWO_ROUTES, op=SELECTIVE_SCAN, routes=(0,)),
            "x has shape (2, 1, 6, 4, 16), expected (1, 1, 6, 4, 16)",
        ),
        (
            ScanModel(TWO_ROUTES, dynamic=True, op=SELECTIVE_SCAN, extra_proj_features=1),
            "proj has shape (2, -1, -1, -1, 35), expected (2, -1, -1, -1, 34) (-1: not known yet)",
        ),
        (
            ScanModel(replace(TWO_ROUTES, rank=1), op=SELECTIVE_SCAN, extra_proj_features=1),
            "expected (2, 1, 6, 4, 33) or (2, 1, 6, 4, 48)",
        ),
        (ScanModel(TWO_ROUTES), "x has shape (2, 1, 6, 4, 16), expected [B, H, W, D]"),
        (ScanModel(input_count=5), "the node has 5 inputs and 1 outputs, expected 6 and 1"),
    ],
)
def test_a_wrong_node_is_explained(build: Any, model: ScanModel, message: str) -> None:
    answer = build(model)
    assert answer["loaded"]
    assert answer["engine_bytes"] == 0
    assert any(message in error for error in answer["errors"]), answer["errors"]
