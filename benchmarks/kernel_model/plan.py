"""Which kernels a call runs: the library's own choice, compiled for the host and asked."""

from __future__ import annotations

import ctypes
import hashlib
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from benchmarks.kernel_model.gpus import Gpu
from benchmarks.op_shapes import OpShape
from vmamba_deploy.native.layout import cache_folder, source_folder
from vmamba_deploy.native.processes import output_of
from vmamba_deploy.native.toolchain import find_host_compiler

FLOAT16 = 10  # as ONNX numbers it
_BRIDGE = Path(__file__).with_name("plan_bridge.cpp")


class _Desc(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int64) for name in ("batch", "height", "width", "channels")),
        *((name, ctypes.c_int32) for name in ("state", "rank", "in_dtype", "out_dtype")),
    )


class _Limits(ctypes.Structure):
    _fields_ = tuple(
        (name, ctypes.c_int32)
        for name in (
            "multiprocessors",
            "shared_bytes_per_block",
            "shared_bytes_per_multiprocessor",
            "compute_capability",
        )
    )


class _Bridged(ctypes.Structure):
    _fields_ = (
        *(
            (name, ctypes.c_int32)
            for name in (
                "global_map",
                "warps_per_scan",
                "scans_per_block",
                "tiles",
                "tiles_per_segment",
                "segments",
                "shared_bytes",
                "walk_states",
                "finds_starts",
            )
        ),
        ("estimated_cycles", ctypes.c_double),
    )


@dataclass(frozen=True)
class Plan:
    """What the library would launch; sizes are those of LaunchPlan in launch_plan.h."""

    global_map: bool
    warps_per_scan: int
    scans_per_block: int
    tiles: int
    tiles_per_segment: int
    segments: int
    shared_bytes: int
    estimated_cycles: float
    walk_states: int = 1  # that one walk over a route takes
    finds_starts: bool = False  # a launch finds where the segments start; else each does

    @property
    def block_warps(self) -> int:
        """Warps of a block."""
        return self.warps_per_scan * self.scans_per_block


def make_plan(shape: OpShape, batch: int, gpu: Gpu) -> Plan:
    """The plan for float16 inputs and output.

    Raises:
        EnvironmentProblem: there is no C++ compiler, or the plan does not compile.
    """
    desc = _Desc(
        batch, shape.side, shape.side, shape.channels, shape.state, shape.rank, FLOAT16, FLOAT16
    )
    limits = _Limits(
        gpu.multiprocessors, gpu.shared_bytes_per_block, gpu.shared_bytes, gpu.compute_capability
    )
    bridged = _Bridged()
    _library().bridged_plan(ctypes.byref(desc), ctypes.byref(limits), ctypes.byref(bridged))
    return Plan(
        global_map=bool(bridged.global_map),
        warps_per_scan=bridged.warps_per_scan,
        scans_per_block=bridged.scans_per_block,
        tiles=bridged.tiles,
        tiles_per_segment=bridged.tiles_per_segment,
        segments=bridged.segments,
        shared_bytes=bridged.shared_bytes,
        estimated_cycles=bridged.estimated_cycles,
        walk_states=bridged.walk_states,
        finds_starts=bool(bridged.finds_starts),
    )


@cache
def _library() -> ctypes.CDLL:
    kernels = source_folder() / "kernels"
    compiler = find_host_compiler().path
    command: list[str | Path] = [compiler, "-std=c++17", "-O1", "-fPIC"]
    command += [f"-I{kernels}", f"-I{source_folder() / 'include'}"]
    plans = ("launch_plan.cpp", "tile_plan.cpp", "chunk_plan.cpp")
    sources = [*(kernels / "cuda" / name for name in plans), _BRIDGE]
    digest = hashlib.sha256(str(command).encode())
    for source in sources:
        digest.update(output_of([*command, "-E", source]).encode())
    folder = cache_folder() / "kernel_model"
    folder.mkdir(parents=True, exist_ok=True)
    library = folder / f"plan-{digest.hexdigest()[:16]}.so"
    if not library.is_file():
        partial = library.with_name(f"{library.name}.{os.getpid()}")
        output_of([*command, "-shared", "-o", partial, *sources])
        partial.replace(library)
    return ctypes.CDLL(str(library))
