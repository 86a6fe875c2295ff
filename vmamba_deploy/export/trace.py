"""From a PyTorch module to a raw ONNX model with one node per selective scan."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from vmamba_deploy.errors import BuildError
from vmamba_deploy.export.options import INPUT_NAME, MIN_IMAGE_SIZE, ExportOptions
from vmamba_deploy.ops.onnx_forms import translation_table
from vmamba_deploy.ops.registry import OPS

if TYPE_CHECKING:
    import onnx_ir as ir
    import torch
    from torch import nn

_MAX_SIDE = 8192


def trace(model: nn.Module, options: ExportOptions, outputs: Sequence[str]) -> ir.Model:
    """Export `model` (eval mode, final precision) with torch.export.

    The input is `pixel_values` [B,3,H,W] float32, or [B,H,W,3] uint8 with `options.preprocess`;
    `outputs` are the names of what the model gives.

    Raises:
        BuildError: PyTorch could not trace or translate the model.
    """
    import torch

    example = example_input(options)
    try:
        with _quiet_exporter():
            program = torch.onnx.export(
                model,
                (example,),
                dynamo=True,
                opset_version=options.target_opset,
                input_names=[INPUT_NAME],
                output_names=list(outputs),
                dynamic_shapes={INPUT_NAME: _dynamic_axes(options)},
                custom_translation_table=translation_table(OPS.values()),
                verbose=False,
            )
    except torch.onnx.errors.OnnxExporterError as error:
        raise BuildError(f"PyTorch could not export the model to ONNX: {error}") from error
    assert program is not None
    return program.model


def example_input(options: ExportOptions) -> torch.Tensor:
    """Two images of the traced size: a batch of 1 would be specialised by torch.export."""
    import torch

    batch = 2 if options.dynamic_batch else 1
    height, width = options.size
    if options.preprocess:
        return torch.zeros(batch, height, width, 3, dtype=torch.uint8)
    return torch.zeros(batch, 3, height, width)


def _dynamic_axes(options: ExportOptions) -> dict[int, Any]:
    from torch.export import Dim

    axes: dict[int, Any] = {}
    if options.dynamic_batch:
        axes[0] = Dim("batch", min=1)
    if options.dynamic_size:
        first = 1 if options.preprocess else 2
        axes[first] = Dim("height", min=MIN_IMAGE_SIZE, max=_MAX_SIDE)
        axes[first + 1] = Dim("width", min=MIN_IMAGE_SIZE, max=_MAX_SIDE)
    return axes


@contextlib.contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Silence what the exporter says about itself (torchvision absent, its own deprecations).

    Its errors still arrive as exceptions.
    """
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
