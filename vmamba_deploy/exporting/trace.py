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
from vmamba_deploy.exporting.options import (
    LEAST_SIDE,
    MAX_SIDE,
    ExportOptions,
    Taken,
    example_inputs,
    taken_inputs,
)
from vmamba_deploy.ops.onnx_forms import translation_table
from vmamba_deploy.ops.registry import OPS
from vmamba_deploy.tasks import Task
from vmamba_deploy.tasks.custom import BATCH

if TYPE_CHECKING:
    import onnx_ir as ir
    from torch import nn

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_CAUSE_CHARACTERS = 300
_FIXED = re.compile(
    r"static shape of (\d+) for dimension inputs\['\w+'\](?:\[(\d+)\])?\.shape\[(\d+)\]"
)
_HINTS = {
    False: "try another --image-size, or leave out --dynamic-size",
    True: "--dynamic none fixes every axis, which asks least of a network; Python that depends on "
    "the values of a tensor cannot be exported",
}


def trace(model: nn.Module, options: ExportOptions, task: Task) -> ir.Model:
    """Export `model` (eval mode, final precision) with torch.export.

    The inputs are those of `taken_inputs`, the outputs the task's, in its order.

    Raises:
        BuildError: PyTorch could not trace or translate the model.
    """
    import torch

    taken = taken_inputs(options, task)
    try:
        with quiet_exporter():
            program = torch.onnx.export(
                model,
                example_inputs(options, task),
                dynamo=True,
                opset_version=options.target_opset,
                input_names=[each.name for each in taken],
                output_names=list(task.output_names),
                dynamic_shapes=_dynamic_shapes(taken, own=task.first is not None),
                custom_translation_table=translation_table(OPS.values()),
                verbose=False,
            )
    except torch.onnx.errors.OnnxExporterError as error:
        _refuse_fixed_axes(error, taken)
        raise BuildError(
            f"PyTorch could not export the model to ONNX: {_cause(error)}",
            hint=f"{_HINTS[task.first is not None]}; -v shows the traceback",
        ) from error
    assert program is not None
    return program.model


def _refuse_fixed_axes(error: BaseException, taken: Sequence[Taken]) -> None:
    """Say which free axis the network's own code made a number of, where that is what happened.

    Raises:
        BuildError: it is.
    """
    found = _FIXED.findall(str(_first_cause(error)))
    told = []
    for size, other, axis in found:
        one = taken[int(other) + 1 if other else 0]
        told.append(f"axis {axis} of {one.name} is always {size}")
    if told:
        raise BuildError(
            f"the network makes a number of a free axis: {', '.join(told)}",
            hint="leave it out of --dynamic, or take sizes from the tensor where they are used: "
            "x.shape[0], not a number that was kept before",
        ) from error


def _first_cause(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _cause(error: BaseException) -> str:
    """What began it, in one line without the colours of a terminal."""
    error = _first_cause(error)
    lines = (_COLOUR.sub("", line).strip() for line in str(error).splitlines())
    told = next((line for line in lines if line), "")
    return printable(f"{type(error).__name__}: {told}".removesuffix(": ")[:_CAUSE_CHARACTERS])


def _dynamic_shapes(taken: Sequence[Taken], *, own: bool) -> tuple[Any, ...]:
    """Of each argument its free axes; the inputs behind the first are one argument, `*others`.

    Images have limits: were a side allowed from which a map of 1 comes, PyTorch would trace all
    once more without it. Of a network's own inputs an axis has its name alone, as the exporter
    cannot know which sizes the network divides.
    """
    from torch.export import Dim

    side = {"min": LEAST_SIDE, "max": MAX_SIDE}
    limits = {BATCH: {"min": 1}, "height": side, "width": side}
    names = {axis for each in taken for axis in each.free.values()}
    dims = {name: name if own else Dim(name, **limits[name]) for name in names}
    first, *others = ({place: dims[axis] for place, axis in each.free.items()} for each in taken)
    return (first, *([tuple(others)] if others else []))


@contextlib.contextmanager
def quiet_exporter() -> Iterator[None]:
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
