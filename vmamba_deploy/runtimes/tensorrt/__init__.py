"""TensorRT in its two flavours: choosing, building and running engines.

Importing this package imports neither TensorRT nor onnx.
"""

from __future__ import annotations

from vmamba_deploy.runtimes.cuda_driver import Gpu, GpuSearch, find_gpus
from vmamba_deploy.runtimes.tensorrt.build import build_engine, check_feasible
from vmamba_deploy.runtimes.tensorrt.flavour import (
    CHOICES,
    FLAVOURS,
    TENSORRT,
    TENSORRT_RTX,
    Flavour,
    choose_flavour,
    likely_flavour,
)
from vmamba_deploy.runtimes.tensorrt.network_script import write_network_script
from vmamba_deploy.runtimes.tensorrt.plan import EnginePlan, Progress
from vmamba_deploy.runtimes.tensorrt.run import TensorRTRuntime, TensorRTSession

__all__ = [
    "CHOICES",
    "FLAVOURS",
    "TENSORRT",
    "TENSORRT_RTX",
    "EnginePlan",
    "Flavour",
    "Gpu",
    "GpuSearch",
    "Progress",
    "TensorRTRuntime",
    "TensorRTSession",
    "build_engine",
    "check_feasible",
    "choose_flavour",
    "find_gpus",
    "likely_flavour",
    "write_network_script",
]
