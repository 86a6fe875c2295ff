"""The program that drives the plugin: it builds with no TensorRT library, and reads our calls."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from plugin_program import NoGpuError, PluginError, run_plugin, scan_call, write_call

from benchmarks.gpu_check.nvcc_build import build_plugin_harness
from tests.processes import HANG_S
from vmamba_deploy import native
from vmamba_deploy.native.headers import TENSORRT
from vmamba_deploy.ops.selective_scan_2d.specification import ScanDims
from vmamba_deploy.testing import random_tensors

DIMS = ScanDims(batch=2, height=3, width=4, channels=5, state=2, rank=3)


def script(folder: Path, text: str) -> Path:
    path = folder / "program"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_a_call_is_its_types_extents_and_bytes(tmp_path: Path) -> None:
    inputs = random_tensors(DIMS, torch.bfloat16, "cpu")
    write_call(tmp_path / "call.bin", scan_call(inputs, torch.float32))
    raw = (tmp_path / "call.bin").read_bytes()
    header = [1, 1, 16, 4, 2, 3, 4, 5, 16, 4, 2, 3, 4, 28]  # y float32, x and proj bfloat16
    header += [1, 3, 4, 3, 5, 1, 2, 4, 5, 1, 3, 4, 2, 5, 1, 2, 4, 5]
    assert np.frombuffer(raw, np.int64, len(header)).tolist() == header
    body = raw[8 * len(header) :]
    x = torch.frombuffer(bytearray(body[: 2 * inputs.x.numel()]), dtype=torch.bfloat16)
    assert torch.equal(x.view(inputs.x.shape), inputs.x)
    d = torch.frombuffer(bytearray(body[-4 * inputs.d.numel() :]), dtype=torch.float32)
    assert torch.equal(d.view(inputs.d.shape), inputs.d)


def test_what_the_program_finds_is_told(tmp_path: Path) -> None:
    call = scan_call(random_tensors(DIMS, torch.float16, "cpu"), torch.float16)
    failing = script(tmp_path, "echo 'failed: one creator' >&2; exit 1")
    with pytest.raises(PluginError, match="exit code 1: failed: one creator"):
        run_plugin(failing, call, tmp_path, seconds=HANG_S)
    lacking = script(tmp_path, "echo 'skipped: no GPU' >&2; exit 77")
    with pytest.raises(NoGpuError, match="no GPU"):
        run_plugin(lacking, call, tmp_path, seconds=HANG_S)
    slow = script(tmp_path, "exec sleep 60")
    with pytest.raises(subprocess.TimeoutExpired):
        run_plugin(slow, call, tmp_path, seconds=0.2)


def test_an_answer_is_read_in_its_type(tmp_path: Path) -> None:
    inputs = random_tensors(DIMS, torch.float16, "cpu")
    count = inputs.x.numel()
    (tmp_path / "given").write_bytes(np.arange(count, dtype=np.float32).tobytes())
    program = script(tmp_path, f"cp {tmp_path / 'given'} $3")
    y = run_plugin(program, scan_call(inputs, torch.float32), tmp_path, seconds=HANG_S)
    assert y.shape == inputs.x.shape
    assert y.flatten().tolist() == list(range(count))


@pytest.mark.slow
def test_nvcc_builds_it_without_tensorrt_and_it_says_what_it_lacks(tmp_path: Path) -> None:
    for library in ("vmamba_cuda", "vmamba_trt"):
        available, reason = native.available(library)
        if not available:
            pytest.skip(reason)
    kernels = native.library_path("vmamba_cuda")
    native.library_path("vmamba_trt")  # brings TensorRT's headers
    headers = TENSORRT.find()
    assert headers is not None
    program = build_plugin_harness(tmp_path, kernels, headers)
    inputs = random_tensors(DIMS, torch.float16, "cpu")
    try:
        y = run_plugin(program, scan_call(inputs, torch.float16), tmp_path, seconds=HANG_S)
    except NoGpuError as reason:
        pytest.skip(f"built; {reason}")
    assert y.isfinite().all()
