"""From a PyTorch module to a raw ONNX model with one node per selective scan."""

from __future__ import annotations

import contextlib
import io
import logging
import re
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from vmamba_deploy.errors import BuildError, printable
from vmamba_deploy.exporting.options import INPUT_NAME, MIN_IMAGE_SIZE, ExportOptions
from vmamba_deploy.ops.onnx_forms import translation_table
from vmamba_deploy.ops.registry import OPS
from vmamba_deploy.tasks import Task
from vmamba_deploy.tasks.inputs import completed_inputs

if TYPE_CHECKING:
    import onnx_ir as ir
    import torch
    from torch import nn

_MAX_SIDE = 8192
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_CAUSE_CHARACTERS = 300
# Of an example whose sides are free: the last map, 1/32 of it, is then larger than 1.
_LEAST_SIDE = 2 * MIN_IMAGE_SIZE


def trace(model: nn.Module, options: ExportOptions, task: Task) -> ir.Model:
    """Export `model` (eval mode, final precision) with torch.export.

    The first input is `pixel_values` [B,C,H,W] float32, or [B,H,W,C] uint8 with
    `options.preprocess`; the others and the outputs are the task's, in its order.

    Raises:
        BuildError: PyTorch could not trace or translate the model.
    """
    import torch

    try:
        with _quiet_exporter():
            program = torch.onnx.export(
                model,
                example_inputs(options, task),
                dynamo=True,
                opset_version=options.target_opset,
                input_names=[INPUT_NAME, *(each.name for each in task.inputs)],
                output_names=list(task.output_names),
                dynamic_shapes=_dynamic_shapes(options, task),
                custom_translation_table=translation_table(OPS.values()),
                verbose=False,
            )
    except torch.onnx.errors.OnnxExporterError as error:
        raise BuildError(
            f"PyTorch could not export the model to ONNX: {_cause(error)}",
            hint="try another --image-size, or leave out --dynamic-size; -v shows the traceback",
        ) from error
    assert program is not None
    return program.model


def _cause(error: BaseException) -> str:
    """What began it, in one line without the colours of a terminal."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = (_COLOUR.sub("", line).strip() for line in str(error).splitlines())
    told = next((line for line in lines if line), "")
    return printable(f"{type(error).__name__}: {told}".removesuffix(": ")[:_CAUSE_CHARACTERS])


def example_inputs(options: ExportOptions, task: Task) -> tuple[torch.Tensor, ...]:
    """Images of the traced size, larger than what torch.export would take for a constant.

    That is a batch of 1, and a side from which a network makes a map of 1. The task's other inputs
    follow.
    """
    import torch

    height, width = options.size
    if options.dynamic_size:
        height, width = max(height, _LEAST_SIDE), max(width, _LEAST_SIDE)
    free = {"batch": 2, "height": height, "width": width}
    shape = [free[axis] if isinstance(axis, str) else axis for axis in options.input_shape]
    image = torch.zeros(shape, dtype=getattr(torch, options.input_dtype))
    others = completed_inputs(task.inputs, {}, batch=shape[0], size=(height, width))
    return image, *(torch.from_numpy(array) for array in others.values())


def _dynamic_shapes(options: ExportOptions, task: Task) -> tuple[Any, ...]:
    """Of each argument its free axes; the other inputs are one argument, `*others`."""
    from torch.export import Dim

    side = {"min": MIN_IMAGE_SIZE, "max": _MAX_SIDE}
    limits = {"batch": {"min": 1}, "height": side, "width": side}
    free = {axis: Dim(axis, **limits[axis]) for axis in options.input_shape if axis in limits}

    def axes(shape: Sequence[Any]) -> dict[int, Any]:
        return {index: free[axis] for index, axis in enumerate(shape) if axis in free}

    others = tuple(axes(each.shape) for each in task.inputs)
    return (axes(options.input_shape), *([others] if others else []))


@contextlib.contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Silence what the exporter says about itself and its failures, on the console and in logs.

    Its errors still arrive as exceptions.
    """
    # Of all loggers: PyTorch gives many of its own a level and a handler each.
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
