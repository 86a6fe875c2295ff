"""What the run is made on, and the two ceilings of the device as measured: copies and products."""

from __future__ import annotations

import platform
import shutil
import subprocess

import torch

from benchmarks.gpu_check.context import Json, StageContext
from benchmarks.gpu_check.timing import Measured, interleaved, spread
from vmamba_deploy import __version__
from vmamba_deploy.reports.machine import describe_machine, utc_now

_SMI_FIELDS = (
    "name",
    "driver_version",
    "memory.total",
    "clocks.current.sm",
    "clocks.max.sm",
    "clocks.max.memory",
    "power.limit",
    "temperature.gpu",
)
# 16 per clock and multiprocessor on every architecture from 7.5 on: the CUDA programming guide's
# table of arithmetic throughput, "32-bit reciprocal, reciprocal square root, logarithm, exp2, ...".
SPECIAL_FUNCTIONS_PER_CLOCK = 16


def run(context: StageContext) -> Json:
    """Versions, the device's properties, bytes/s of a copy and operations/s of a product."""
    machine = describe_machine()
    result: Json = {
        "time": utc_now(),
        "vmamba_deploy": __version__,
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "python": platform.python_version(),
        "cpu": machine.cpu,
        "cores": machine.cores,
        "tools": {name: shutil.which(name) for name in ("nvcc", "ncu", "compute-sanitizer")},
    }
    if not context.rehearsal:
        result["gpu"] = _device()
        result["nvidia_smi"] = _nvidia_smi()
    return result | {"ceilings": _ceilings(context)}


def _device() -> Json:
    properties = torch.cuda.get_device_properties(0)
    return {
        "name": properties.name,
        "compute_capability": f"{properties.major}.{properties.minor}",
        "multiprocessors": properties.multi_processor_count,
        "memory_bytes": properties.total_memory,
        "l2_bytes": properties.L2_cache_size,
    }


def _nvidia_smi() -> Json:
    command = [
        "nvidia-smi",
        f"--query-gpu={','.join(_SMI_FIELDS)}",
        "--format=csv,noheader,nounits",
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return {"error": str(error)}
    if done.returncode != 0:
        return {"error": (done.stdout + done.stderr).strip()}
    values = [value.strip() for value in done.stdout.splitlines()[0].split(",")]
    return dict(zip(_SMI_FIELDS, values, strict=True))


def _ceilings(context: StageContext) -> Json:
    """A copy far larger than the L2 cache, counted both ways, and a large product in fp16."""
    count, side = (2**16, 128) if context.rehearsal else (2**30, 8192)
    dtype = torch.float32 if context.rehearsal else torch.float16
    source = torch.randn(count, device=context.device, dtype=dtype)
    target = torch.empty_like(source)
    left, right = (torch.randn(side, side, device=context.device, dtype=dtype) for _ in range(2))
    calls = {
        "copy": Measured(lambda: target.copy_(source), context.device),
        "product": Measured(lambda: left @ right, context.device),
    }
    times = {name: spread(ms) for name, ms in interleaved(calls, rounds=20, seconds=4).items()}
    return {
        "copy_bytes_per_s": 2 * source.nbytes / (times["copy"]["median"] * 1e-3),
        "product_flop_per_s": 2 * side**3 / (times["product"]["median"] * 1e-3),
        "times_ms": times,
    }
