"""Where an ONNX file drifts: its blocks' outputs against forward hooks on the PyTorch network.

The exporter notes on each node the path of the module that it came from. The output of a module is
the last value made inside it that something outside reads. Those values are made outputs of a copy
of the graph, which is then run by whatever ONNX Runtime session the caller's factory opens.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from re import Pattern
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vmamba_deploy.errors import InputFileError
from vmamba_deploy.exporting.onnx_graph import module_scopes
from vmamba_deploy.parity.metrics import cosine, normalised_mse

if TYPE_CHECKING:
    import onnx_ir as ir
    from torch import nn

SessionFactory = Callable[["ir.Model"], Any]
"""Opens an `onnxruntime.InferenceSession` on a model of onnx_ir."""


@dataclass(frozen=True)
class LayerError:
    """Error of one layer's output; NaN figures mean NaN, infinity or another number of values."""

    layer: str
    nmse: float
    max_abs: float
    cosine: float


def localise(
    reference: nn.Module,
    model: ir.Model,
    inputs: Sequence[npt.NDArray[Any]],
    open_session: SessionFactory,
    layers: Pattern[str],
) -> list[LayerError]:
    """Measure the error of each block's output on one batch; see `localise_each`."""
    (errors,) = localise_each(reference, model, [inputs], open_session, layers)
    return errors


def localise_each(
    reference: nn.Module,
    model: ir.Model,
    batches: Sequence[Sequence[npt.NDArray[Any]]],
    open_session: SessionFactory,
    layers: Pattern[str],
) -> list[list[LayerError]]:
    """Measure the error of each block's output on each batch, in the order of execution.

    Args:
        reference: the PyTorch network in fp32, eval mode.
        model: the exported file, read back from disk; it stays as it is.
        batches: of each, the images, in the layout that both take, and the other inputs, in order.
        open_session: stock ONNX Runtime or one with our library registered; called once.
        layers: paths of the blocks, as the network's family has them.

    Returns:
        For each batch the errors of the same layers.

    Raises:
        InputFileError: the file names no layer that the network has.
    """
    outputs = layer_outputs(model, block_names(reference, layers))
    if not outputs:
        raise InputFileError(
            "the ONNX file does not say which layer its nodes came from",
            hint="compare a file that this package exported, not a copy changed by another tool",
        )
    run_onnx = _onnx_runner(model, outputs, open_session)
    found = []
    for inputs in batches:
        got, expected = run_onnx(inputs), _run_torch(reference, list(outputs), inputs)
        found.append(
            [_layer_error(name, expected[name], got[name]) for name in outputs if name in expected]
        )
    return found


def first_drift(errors: Iterable[LayerError], nmse: float) -> LayerError | None:
    """The first layer whose error is above the limit, or is NaN."""
    return next((error for error in errors if not error.nmse <= nmse), None)


def block_names(reference: nn.Module, layers: Pattern[str]) -> list[str]:
    """Paths of the modules of a network that are asked for."""
    # `model.` stands in front where the network is one part of what the file computes.
    names = (name for name, _ in reference.named_modules())
    return [name for name in names if layers.fullmatch(name.removeprefix("model."))]


def layer_outputs(model: ir.Model, layers: Sequence[str]) -> dict[str, str]:
    """Map each module path to the name of its output value, in the order of the graph."""
    found: dict[str, str] = {}
    for node in model.graph:
        for scope in (scope for scope in layers if scope in module_scopes(node)):
            for value in node.outputs:
                leaves = value.is_graph_output() or any(
                    scope not in module_scopes(reader) for reader in value.consumers()
                )
                if leaves and value.name:
                    found.pop(scope, None)
                    found[scope] = value.name
    return found


def _onnx_runner(
    model: ir.Model, outputs: dict[str, str], open_session: SessionFactory
) -> Callable[[Sequence[npt.NDArray[Any]]], dict[str, npt.NDArray[Any]]]:
    """What gives the layers' outputs of a batch, in one session."""
    from vmamba_deploy.exporting.passes import ProbeOutputs

    probed = model.clone()
    probes = {value: f"{value}__probe" for value in outputs.values()}
    ProbeOutputs(probes)(probed)
    session = open_session(probed)
    names = [taken.name for taken in session.get_inputs()]

    def run(inputs: Sequence[npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        feed = dict(zip(names, inputs, strict=True))
        got = dict(zip(probes, session.run(list(probes.values()), feed), strict=True))
        return {layer: got[value] for layer, value in outputs.items()}

    return run


def _run_torch(
    reference: nn.Module, layers: Sequence[str], inputs: Sequence[npt.NDArray[Any]]
) -> dict[str, npt.NDArray[Any]]:
    import torch

    seen: dict[str, npt.NDArray[Any]] = {}

    def hook(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def note(_module: nn.Module, _inputs: Any, output: Any) -> None:
            if isinstance(output, torch.Tensor):
                seen[name] = output.detach().float().cpu().numpy()

        return note

    handles = [reference.get_submodule(name).register_forward_hook(hook(name)) for name in layers]
    try:
        with torch.inference_mode():
            reference(*map(torch.from_numpy, inputs))
    finally:
        for handle in handles:
            handle.remove()
    return seen


def _layer_error(layer: str, expected: npt.NDArray[Any], got: npt.NDArray[Any]) -> LayerError:
    if got.shape != expected.shape or not np.isfinite(got).all():
        return LayerError(layer, math.nan, math.nan, math.nan)
    worst = float(np.max(np.abs(got.astype(np.float64) - expected), initial=0.0))
    return LayerError(layer, normalised_mse(expected, got), worst, cosine(expected, got))
