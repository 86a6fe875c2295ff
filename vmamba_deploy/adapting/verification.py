"""Whether a candidate computes what a module's own forward computes: tried, not read.

What a module's parameters do not say, such as its activation or the order of its routes, is
verified on random inputs, with random parameters under which every part of the module matters: the
parameters that it came with may silence its scan or its gate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from vmamba_deploy.adapting.mode import unadapted
from vmamba_deploy.adapting.shimming import shims
from vmamba_deploy.errors import printable
from vmamba_deploy.precisions import PRECISIONS

_SEED = 20231210
_RATES = (0.5, 4.0)
_NORM_WEIGHTS = (0.5, 1.5)
_SCAN_GAIN = 2.0
_CAUSE_CHARACTERS = 200


class OwnForwardError(Exception):
    """A module's own forward cannot be run on what it should take; the text says why."""


@dataclass(frozen=True)
class _Case:
    parameters: dict[str, Tensor]
    x: Tensor
    expected: Tensor


class Judge:
    """Answers of a module's own forward, and the judgement of others by them.

    Args:
        module: a mixer of one input, in float32; it is run in eval mode and left as it was.
        inputs: shapes to try, each that of the module's input.

    Raises:
        OwnForwardError: its own forward cannot be run, or does not keep the shape.
    """

    def __init__(self, module: nn.Module, inputs: Sequence[tuple[int, ...]]) -> None:
        self._module, self._device = module, next(module.parameters()).device
        generator = torch.Generator().manual_seed(_SEED)
        drawn: list[dict[str, Tensor]] = [random_parameters(module, generator), {}]
        self._cases = [
            self._case(parameters, torch.randn(shape, generator=generator).to(self._device))
            for shape in inputs
            for parameters in drawn
        ]

    def _case(self, parameters: dict[str, Tensor], x: Tensor) -> _Case:
        passed = x.to(self._device, copy=True)
        try:
            with shims(), unadapted():
                y = _run(self._module, parameters, passed, None)
        except Exception as error:
            first = f"{type(error).__name__}: {error}".splitlines()[0]
            text = printable(first[:_CAUSE_CHARACTERS])
            raise OwnForwardError(f"its own forward fails on {list(x.shape)}: {text}") from error
        if not isinstance(y, Tensor) or y.shape != x.shape:
            given = list(y.shape) if isinstance(y, Tensor) else type(y).__name__
            raise OwnForwardError(f"its own forward gives {given} for {list(x.shape)}")
        if not torch.equal(passed, x):
            raise OwnForwardError("its own forward changes its input, which others may read")
        return _Case(parameters, x, y)

    def nmse(self, candidate: Callable[[Tensor], Tensor]) -> float:
        """The largest over the cases of sum((y - own)^2) / sum(own^2); infinite if it cannot run.

        Args:
            candidate: reads the parameters of the module when it is called.
        """
        worst = 0.0
        for case in self._cases:
            try:
                y = _run(self._module, case.parameters, case.x, candidate)
            except RuntimeError:  # two tensors that do not fit each other
                return math.inf
            if y.shape != case.expected.shape:
                return math.inf
            worst = max(worst, _nmse(y, case.expected))
            if not agrees(worst):
                break
        return worst


def _nmse(y: Tensor, expected: Tensor) -> float:
    squares = float((y.double() - expected.double()).square().sum())
    scale = float(expected.double().square().sum())
    if math.isnan(squares) or scale == 0:
        return 0.0 if squares == 0 else math.inf
    return squares / scale


def agrees(nmse: float) -> bool:
    """Whether two computations in float32 are the same but for rounding."""
    return nmse <= PRECISIONS["fp32"].thresholds.nmse


def random_parameters(module: nn.Module, generator: torch.Generator) -> dict[str, Tensor]:
    """Values for every parameter by its name, under which each part of a mixer matters."""
    return {
        name: _drawn(name, parameter, generator) for name, parameter in module.named_parameters()
    }


def _drawn(path: str, like: Tensor, generator: torch.Generator) -> Tensor:
    name, shape = path.rpartition(".")[2], like.shape
    if name.startswith("A"):
        rates = torch.empty(shape).uniform_(*_RATES, generator=generator)
        return rates.log()
    if like.dim() < 2:
        values = torch.randn(shape, generator=generator)
        if name == "weight":
            values = torch.empty(shape).uniform_(*_NORM_WEIGHTS, generator=generator)
        return values
    fan_in = shape[-1] if name.endswith("_weight") else shape[1:].numel()
    gain = _SCAN_GAIN if "x_proj" in path else 1.0
    return torch.randn(shape, generator=generator) * (gain / math.sqrt(fan_in))


@torch.no_grad()
def _run(
    module: nn.Module,
    parameters: dict[str, Tensor],
    x: Tensor,
    candidate: Callable[[Tensor], Tensor] | None,
) -> Tensor:
    """The module with other parameters, its forward replaced by a candidate."""
    own, training = module.__dict__.get("forward"), module.training
    module.eval()
    if candidate is not None:
        module.forward = candidate
    try:
        y: Tensor = functional_call(module, parameters, (x,))
        return y
    finally:
        module.train(training)
        if candidate is not None:
            if own is None:
                del module.__dict__["forward"]
            else:
                module.forward = own
