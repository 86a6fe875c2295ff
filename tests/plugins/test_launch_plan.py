"""What a plan reckons with: how many of its blocks a multiprocessor holds at a time."""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from c_interface import EmulatedScan
from launch_cases import EmulatedDevice

from vmamba_deploy.errors import EnvironmentProblem
from vmamba_deploy.native import cuda
from vmamba_deploy.native.toolchain import find_host_compiler
from vmamba_deploy.ops.selective_scan_2d.specification import ScanDims

KIB = 1024
# Limits of a multiprocessor: the CUDA programming guide, "Technical Specifications per Compute
# Capability". The last number is that of its threads.
GPUS = {
    "8.0": (EmulatedDevice(108, 163 * KIB, 164 * KIB, 32, 80), 2048),
    "9.0": (EmulatedDevice(132, 227 * KIB, 228 * KIB, 32, 90), 2048),
    "10.0": (EmulatedDevice(148, 227 * KIB, 228 * KIB, 32, 100), 2048),
    "12.0": (EmulatedDevice(170, 99 * KIB, 100 * KIB, 24, 120), 1536),
}
# The registers that the kernels' launch bounds allow a thread.
TILE_REGISTERS, CHUNK_REGISTERS = 168, 128
JUDGED = [
    ScanDims(batch, side, side, channels, state, rank)
    for batch in (1, 128)
    for side, channels, state, rank in (
        *((56, 96, 1, 6), (28, 192, 1, 12), (14, 384, 1, 24), (7, 768, 1, 48)),
        *((56, 192, 1, 6), (56, 192, 16, 6), (14, 768, 16, 24), (7, 1536, 16, 48)),
    )
]


@pytest.fixture(scope="module")
def cuda_blocks(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., int]:
    """CUDA's own occupancy calculator, which counts named barriers as well."""
    try:
        toolkit = cuda.require_cuda()
        compiler = toolkit.host_compiler(find_host_compiler()).path
    except EnvironmentProblem as absent:
        pytest.skip(absent.message)
    library = tmp_path_factory.mktemp("occupancy") / "occupancy.so"
    source = Path(__file__).with_name("occupancy.cpp")
    command = [toolkit.nvcc, "-ccbin", compiler, "-shared", "-Xcompiler=-fPIC", source]
    subprocess.run([*command, "-o", library], check=True, env=os.environ | toolkit.environment())
    return ctypes.CDLL(str(library)).cuda_blocks


@pytest.mark.parametrize("gpu", GPUS)
@pytest.mark.parametrize("dims", JUDGED, ids=str)
def test_blocks_of_a_multiprocessor_are_those_of_cudas_calculator(
    emulated: EmulatedScan, cuda_blocks: Callable[..., int], gpu: str, dims: ScanDims
) -> None:
    device, threads = GPUS[gpu]
    plan = emulated.plan(device, dims)
    expected = cuda_blocks(
        *divmod(device.compute_capability, 10),
        device.shared_bytes_per_block,
        device.shared_bytes_per_multiprocessor,
        threads,
        32 * plan.block_warps,
        TILE_REGISTERS if dims.state == 1 else CHUNK_REGISTERS,
        plan.shared_bytes,
        plan.barriers,
    )
    assert plan.resident_blocks == expected


def test_short_routes_have_as_many_blocks_as_the_registers_hold(emulated: EmulatedScan) -> None:
    """One warp each, and no named barrier but the block's own."""
    plan = emulated.plan(GPUS["9.0"][0], ScanDims(128, 7, 7, 768, 1, 48))
    assert (plan.block_warps, plan.barriers, plan.resident_blocks) == (1, 1, 12)
