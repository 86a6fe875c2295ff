"""Which kernels a call runs: the library's own choice, compiled for the host and asked."""

from __future__ import annotations

import ctypes
import hashlib
import os
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

from benchmarks.c_interface import SelectiveScanDesc
from vmamba_deploy.errors import EnvironmentProblem
from vmamba_deploy.native.layout import cache_folder, source_folder
from vmamba_deploy.native.processes import output_of
from vmamba_deploy.native.toolchain import find_host_compiler
from vmamba_deploy.ops.op import FLOAT16
from vmamba_deploy.ops.selective_scan.specification import ScanDims

_BRIDGE = Path(__file__).with_name("launch_plan.cpp")


@dataclass(frozen=True)
class GpuLimits:
    """What a plan asks of a GPU, as vmamba::DeviceLimits has it; memory in bytes."""

    multiprocessors: int
    shared_bytes_per_block: int
    shared_bytes_per_multiprocessor: int
    blocks_per_multiprocessor: int
    compute_capability: int  # 90 for 9.0


H100 = GpuLimits(132, 227 * 1024, 228 * 1024, 32, 90)
A100 = GpuLimits(108, 163 * 1024, 164 * 1024, 32, 80)
RTX_4090 = GpuLimits(128, 99 * 1024, 100 * 1024, 24, 89)
RTX_5090 = GpuLimits(170, 99 * 1024, 100 * 1024, 24, 120)


# CU_DEVICE_ATTRIBUTE_*: multiprocessors, shared memory of a block (opted in) and of a
# multiprocessor, its blocks, and the compute capability's two numbers.
_ATTRIBUTES = (16, 97, 81, 106, 75, 76)


def limits_at_hand() -> GpuLimits:
    """Those of the driver's first GPU.

    Raises:
        EnvironmentProblem: there is no driver, or it refuses a question.
    """
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        raise EnvironmentProblem(f"no NVIDIA driver here: {error}") from error
    device, values = ctypes.c_int(), (ctypes.c_int * len(_ATTRIBUTES))()
    codes = [driver.cuInit(0), driver.cuDeviceGet(ctypes.byref(device), 0)]
    for place, attribute in enumerate(_ATTRIBUTES):
        value = ctypes.c_int()
        codes.append(driver.cuDeviceGetAttribute(ctypes.byref(value), attribute, device))
        values[place] = value.value
    if any(codes):
        raise EnvironmentProblem(f"the CUDA driver does not tell its GPU's limits: {codes}")
    *limits, major, minor = values
    return GpuLimits(*limits, 10 * major + minor)


@dataclass(frozen=True)
class Plan:
    """What the library would launch; sizes are those of LaunchPlan in launch_plan.h."""

    global_map: bool
    warps_per_scan: int
    scans_per_block: int
    pieces: int
    pieces_per_segment: int
    segments: int
    shared_bytes: int
    resident_blocks: int  # of a multiprocessor, as the plan reckons
    walk_states: int  # that one walk over a route takes; 1 of the kernels of one state
    finds_starts: bool  # a launch finds where the segments start; else each does
    estimated_cycles: float


class _Limits(ctypes.Structure):
    _fields_ = tuple((field.name, ctypes.c_int32) for field in fields(GpuLimits))


class _Bridged(ctypes.Structure):
    _fields_ = tuple(
        (field.name, ctypes.c_double if field.type == "float" else ctypes.c_int32)
        for field in fields(Plan)
    )


def make_plan(dims: ScanDims, gpu: GpuLimits) -> Plan:
    """The plan for float16 inputs and output.

    Raises:
        EnvironmentProblem: there is no C++ compiler, or the plan does not compile.
    """
    desc = SelectiveScanDesc.of(dims, FLOAT16, FLOAT16)
    limits = _Limits(*(getattr(gpu, field.name) for field in fields(GpuLimits)))
    bridged = _Bridged()
    _library().bridged_plan(ctypes.byref(desc), ctypes.byref(limits), ctypes.byref(bridged))
    values = {field.name: getattr(bridged, field.name) for field in fields(Plan)}
    for name in ("global_map", "finds_starts"):
        values[name] = bool(values[name])
    return Plan(**values)


@cache
def _library() -> ctypes.CDLL:
    kernels = source_folder() / "kernels"
    compiler = find_host_compiler().path
    command: list[str | Path] = [compiler, "-std=c++17", "-O1", "-fPIC"]
    command += [f"-I{kernels}", f"-I{source_folder() / 'include'}"]
    plans = ("shared/launch_plan", "shared/sorted_routes", "one_state/plan", "many_states/plan")
    sources = [*(kernels / "cuda" / f"{name}.cpp" for name in plans), _BRIDGE]
    digest = hashlib.sha256(str(command).encode())
    for source in sources:
        digest.update(output_of([*command, "-E", source]).encode())
    folder = cache_folder() / "launch_plan"
    folder.mkdir(parents=True, exist_ok=True)
    library = folder / f"plan-{digest.hexdigest()[:16]}.so"
    if not library.is_file():
        partial = library.with_name(f"{library.name}.{os.getpid()}")
        output_of([*command, "-shared", "-o", partial, *sources])
        partial.replace(library)
    return ctypes.CDLL(str(library))
