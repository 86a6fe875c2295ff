"""The runtimes that take part: those of the project, opened on an ONNX file alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

from vmamba_deploy.errors import UsageError
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.runtimes.base import ModelFiles, Runtime
from vmamba_deploy.runtimes.onnxruntime import OnnxRuntimeBody, OnnxRuntimeLibrary
from vmamba_deploy.runtimes.openvino import OpenVinoRuntime
from vmamba_deploy.runtimes.pytorch import PYTORCH
from vmamba_deploy.runtimes.registry import RUNTIMES

if TYPE_CHECKING:
    from torch import nn

ONNXRUNTIME, OPENVINO = "onnxruntime", "openvino"
# Of a network with our ops the first, with our kernels; other networks have nothing for it.
_TOGETHER = {ONNXRUNTIME: (OnnxRuntimeLibrary.name, OnnxRuntimeBody.name)}
DEFAULT_WAYS = (ONNXRUNTIME, OPENVINO)


def ways() -> tuple[str, ...]:
    """What can be asked for: ONNX Runtime with our library where it is of use, and every runtime of
    the project but PyTorch, which runs no ONNX file."""
    return (*_TOGETHER, *(name for name in RUNTIMES if name != PYTORCH.name))


def runtime_on(model: Path, way: str, threads: int) -> Runtime:
    """The runtime of a way, on a file.

    Raises:
        UsageError: this project has no such runtime, or it finds nothing that it could open.
    """
    kinds = _TOGETHER.get(way, (way,))
    if unknown := [kind for kind in kinds if kind not in RUNTIMES]:
        raise UsageError(f"there is no runtime {unknown[0]}", hint=f"one of {', '.join(ways())}")
    # What runs an ONNX file needs no network of PyTorch's beside it.
    files = ModelFiles(OnnxModel.read(model), cast("nn.Module", None), threads=threads)
    found = (RUNTIMES[kind].on_files(files) for kind in kinds)
    runtime = next((each for each in found if each is not None), None)
    if runtime is None and way == OPENVINO:
        # Of files without our ops the project refuses those with loops; there are none in these.
        runtime = OpenVinoRuntime(model, threads=threads)
    if runtime is None:
        raise UsageError(f"{way} has nothing to open beside {model.name}")
    return runtime
