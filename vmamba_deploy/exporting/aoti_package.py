"""Export to AOTInductor: the network compiled ahead, in one `.pt2` that C++ loads alone."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from vmamba_deploy.errors import BuildError, EnvironmentProblem, UsageError
from vmamba_deploy.exporting.onnx_file import chosen_task, deployable_module
from vmamba_deploy.exporting.options import AotiDevice, ExportOptions, example_inputs
from vmamba_deploy.ops.registry import OPS

if TYPE_CHECKING:
    import torch
    from torch import nn

    from vmamba_deploy.models import LoadedModel


@dataclass(frozen=True)
class AotiPackage:
    """A `.pt2` file on disk.

    Attributes:
        device: `cpu` or `cuda`, the only one that it runs on.
        largest_batch: it takes 1 to so many images.
    """

    path: Path
    device: str
    largest_batch: int
    size_bytes: int


def export_aoti(
    loaded: LoadedModel,
    path: Path,
    options: ExportOptions,
    *,
    largest_batch: int,
    device: AotiDevice = "auto",
) -> AotiPackage:
    """Compile a network with AOTInductor; the scan stays a call of `vmamba::selective_scan_2d`.

    Args:
        loaded: the fp32 network.
        path: of the `.pt2` file, replaced only when the new one is complete.
        options: precision, image size and preprocessing, as for the ONNX file; the package
            takes pixel_values [B,C,H,W] float32, or [B,H,W,C] uint8 with `options.preprocess`, and
            the task's other inputs, in its order.
        largest_batch: the batch size is free from 1 to this.
        device: `auto` takes CUDA where PyTorch sees a GPU.

    Raises:
        UsageError: `options.dynamic_size`, which the compiled code would not be fast for, or CUDA
            without a GPU.
        EnvironmentProblem: there is no C++ compiler.
        BuildError: PyTorch could not trace or compile the network.
    """
    if options.dynamic_size:
        raise UsageError("an AOTInductor package has one image size", hint="drop --dynamic-size")
    chosen = choose_device(device)
    _require_compiler()
    options = replace(options, channels=loaded.model.in_chans)
    module, task = deployable_module(loaded, options), chosen_task(loaded, options)
    examples = tuple(one.to(chosen) for one in example_inputs(options, task))
    partial = path.with_name(f".{path.stem}.{os.getpid()}.pt2")
    try:
        with _quiet_compiler():
            _compile(module.to(chosen), examples, largest_batch, partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
        module.to("cpu")
    return AotiPackage(path, chosen, largest_batch, path.stat().st_size)


def choose_device(device: AotiDevice) -> str:
    """`cpu` or `cuda`.

    Raises:
        UsageError: CUDA is asked for and PyTorch sees no GPU.
    """
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise UsageError(
            f"PyTorch {torch.__version__} sees no GPU, which compiling for CUDA needs",
            hint="install a CUDA build of PyTorch on a machine with a GPU, or --aoti-device cpu",
        )
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return device


def _compile(
    module: nn.Module, examples: tuple[torch.Tensor, ...], largest_batch: int, path: Path
) -> None:
    import torch

    for op in OPS.values():
        op.register_torch()
    # A batch of one would become a constant; a batch of one alone is one.
    free = {0: torch.export.Dim("batch", min=1, max=largest_batch)} if largest_batch > 1 else None
    image, *others = examples if free else (each[:1] for each in examples)
    # The other inputs are one argument, `*others`.
    shapes = (free, *([(free,) * len(others)] if others else []))
    try:
        with torch.inference_mode():
            program = torch.export.export(module, (image, *others), dynamic_shapes=shapes)
            torch._inductor.aoti_compile_and_package(
                program, package_path=str(path), inductor_configs=_settings(image.device)
            )
    except (RuntimeError, torch._dynamo.exc.TorchDynamoException) as error:
        text = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise BuildError(f"AOTInductor could not compile the network: {text}") from error


def _settings(device: torch.device) -> dict[str, object]:
    """Of Inductor: a network's code for a CPU is two files, compiled one after the other.

    Processes to compile side by side, each with a PyTorch of its own, would cost a third more.
    """
    return {"compile_threads": 1} if device.type == "cpu" else {}


def _require_compiler() -> None:
    from vmamba_deploy.native.toolchain import find_host_compiler

    try:
        find_host_compiler()
    except EnvironmentProblem as problem:
        raise EnvironmentProblem(
            "AOTInductor needs a C++ compiler and none was found",
            hint="apt-get install build-essential, or leave out --aoti",
        ) from problem


@contextlib.contextmanager
def _quiet_compiler() -> Iterator[None]:
    """Silence what PyTorch says about itself; its errors still arrive as exceptions."""
    logger = logging.getLogger("torch._inductor")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
