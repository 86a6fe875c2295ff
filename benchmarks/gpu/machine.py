"""What a run is made on, and the two ceilings of the device as measured: copies and products."""

from __future__ import annotations

import platform
import shutil
import subprocess
from typing import Any

import torch

from benchmarks.timing import Measured, interleaved, spread
from vmamba_deploy import __version__
from vmamba_deploy.reports.machine import cpu_model, tool_versions, usable_cores, utc_now

Json = dict[str, Any]
_PACKAGES = ("torch", "triton", "numpy", "onnx", "onnxruntime")
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


def describe(device: str) -> Json:
    """Versions, the device's properties, bytes/s of a copy and operations/s of a product.

    Args:
        device: `cuda`, or `cpu` for a rehearsal.
    """
    result: Json = {
        "time": utc_now(),
        "vmamba_deploy": __version__,
        "packages": tool_versions(_PACKAGES),
        "cuda": torch.version.cuda,
        "python": platform.python_version(),
        "cpu": cpu_model(),
        "cores": usable_cores(),
        "tools": {name: shutil.which(name) for name in ("nvcc", "ncu", "compute-sanitizer")},
    }
    if device == "cuda":
        result |= {"gpu": gpu_properties(), "nvidia_smi": _nvidia_smi()}
    return result | {"ceilings": ceilings(device)}


def gpu_properties() -> Json:
    """Name, compute capability and sizes of CUDA's first device."""
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


def ceilings(device: str) -> Json:
    """A copy far larger than the L2 cache, counted both ways, and a large product in fp16.

    `special_functions_per_s` is counted at the highest clock, so that no kernel exceeds it; None
    without a GPU.
    """
    on_gpu = device == "cuda"
    count, side = (2**30, 8192) if on_gpu else (2**16, 128)
    dtype = torch.float16 if on_gpu else torch.float32
    source = torch.randn(count, device=device, dtype=dtype)
    target = torch.empty_like(source)
    left, right = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    calls = {
        "copy": Measured(lambda: target.copy_(source), device),
        "product": Measured(lambda: left @ right, device),
    }
    times = {name: spread(ms) for name, ms in interleaved(calls, rounds=15, seconds=2).items()}
    return {
        "copy_bytes_per_s": 2 * source.nbytes / (times["copy"]["median"] * 1e-3),
        "product_flop_per_s": 2 * side**3 / (times["product"]["median"] * 1e-3),
        "special_functions_per_s": _special_functions_per_s() if on_gpu else None,
        "times_ms": times,
    }


def _special_functions_per_s() -> float | None:
    try:
        clock_hz = float(_nvidia_smi()["clocks.max.sm"]) * 1e6
    except (KeyError, ValueError):
        return None
    return gpu_properties()["multiprocessors"] * SPECIAL_FUNCTIONS_PER_CLOCK * clock_hz
