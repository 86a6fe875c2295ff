"""Mamba's mixer, and Vision Mamba's of two directions, as one node and their own layers.

in_proj -> (x, gate) -> causal convolution -> activation -> scan -> gate -> out_proj
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vmamba_deploy.adapting.adapted_forward import FusedForward
from vmamba_deploy.adapting.fused.ss2d import ACTIVATIONS
from vmamba_deploy.adapting.op_scan import Parameters, scan_map
from vmamba_deploy.adapting.tensors import tensor_of
from vmamba_deploy.models.vmamba.layers.casting import cast
from vmamba_deploy.models.vmamba.layers.ss2d import ScanBackend

_LAYERS = ("conv1d", "x_proj", "dt_proj")
_ROUTES = {1: (0,), 2: (0, 2)}
"""By the number of directions."""


@dataclass(frozen=True)
class MambaForm:
    """What the parameters of a mixer do not say.

    Attributes:
        directions: 1, or 2 with weights of their own.
        activation: after the convolution, of `ACTIVATIONS`.
        gate: what is applied to the gate.
        divisor: of the sum of the directions.
        biases: how often the step's bias is added: some add it with dt_proj and in the scan again.
        scaled: whether `gamma` multiplies the result.
    """

    directions: int
    activation: str = "silu"
    gate: str = "silu"
    divisor: int = 1
    biases: int = 1
    scaled: bool = False


def directions(module: nn.Module) -> int:
    """How many directions a mixer has parameters for; 0 where it is none."""
    forward = ("in_proj", "out_proj", *_LAYERS)
    if not all(isinstance(getattr(module, name, None), nn.Module) for name in forward):
        return 0
    if not all(isinstance(getattr(module, name, None), Tensor) for name in ("A_log", "D")):
        return 0
    back = [isinstance(getattr(module, f"{name}_b", None), nn.Module) for name in _LAYERS]
    back += [isinstance(getattr(module, name, None), Tensor) for name in ("A_b_log", "D_b")]
    if isinstance(getattr(module, "conv1d_s", None), nn.Module):
        return 0  # a third direction, across slices, which has no route
    if all(back):
        return 2
    return 0 if any(back) else 1


def forms(module: nn.Module) -> Iterator[MambaForm]:
    """Every form that these parameters can have, the usual ones first."""
    count = directions(module)
    scaled = (True, False) if isinstance(getattr(module, "gamma", None), Tensor) else (False,)
    for biases, activation, gate, divisor, by_gamma in product(
        (1, 2), ACTIVATIONS, ACTIVATIONS, (1, 2) if count == 2 else (1,), scaled
    ):
        yield MambaForm(count, activation, gate, divisor, biases, by_gamma)


class FusedMamba(FusedForward):
    """The mixer as one `vmamba::SelectiveScan` between the module's own layers.

    Args:
        module: it keeps its parameters; they are read at every call.
        form: what was verified.
        backend: of the scan.
    """

    def __init__(self, module: nn.Module, form: MambaForm, backend: ScanBackend = "native") -> None:
        super().__init__(module)
        self.form, self.backend = form, backend
        self._suffixes = ("", "_b")[: form.directions]

    def parameters_of_scan(self) -> Parameters:
        """dt_weight [K,R,D], dt_bias [K,D], a [K,N,D], d [K,D]: float32."""
        dt_weight = [self._tensor(f"dt_proj{s}.weight").transpose(0, 1) for s in self._suffixes]
        dt_bias = [self._tensor(f"dt_proj{s}.bias") * self.form.biases for s in self._suffixes]
        a = [-torch.exp(self._tensor(f"A{s}_log").float()).transpose(0, 1) for s in self._suffixes]
        d = [self._tensor(f"D{s}") for s in self._suffixes]
        made = (
            torch.stack([cast(one, torch.float32) for one in each])
            for each in (
                dt_weight,
                dt_bias,
                a,
                d,
            )
        )
        return next(made), next(made), next(made), next(made)

    def _tensor(self, name: str) -> Tensor:
        return tensor_of(self.module, name)

    def compute(self, x: Tensor) -> Tensor:
        """Map [B, L, C] to the same."""
        form, module = self.form, self.module
        x, gate = module.get_submodule("in_proj")(x).chunk(2, dim=-1)
        maps = [self._convolved(x.transpose(1, 2), suffix) for suffix in self._suffixes]
        projected = [
            module.get_submodule(f"x_proj{suffix}")(each)
            for each, suffix in zip(maps, self._suffixes, strict=True)
        ]
        if form.directions == 1:
            u, proj = maps[0].unsqueeze(1), projected[0].unsqueeze(1)
        else:
            u, proj = torch.stack(maps).unsqueeze(2), torch.stack(projected).unsqueeze(2)
        routes = _ROUTES[form.directions]
        y = scan_map(self.backend, cast(u, proj.dtype), proj, self.scan_parameters(), routes)
        y = y.squeeze(1) * cast(ACTIVATIONS[form.gate](gate), torch.float32)
        if form.divisor != 1:
            y = y / form.divisor
        out: Tensor = module.get_submodule("out_proj")(
            cast(y, tensor_of(module, "out_proj.weight").dtype)
        )
        return out * tensor_of(module, "gamma") if form.scaled else out

    def _convolved(self, x: Tensor, suffix: str) -> Tensor:
        """The convolution of [B, D, L], causal in its direction: [B, L, D], as tokens come."""
        layer = self.module.get_submodule(f"conv1d{suffix}")
        assert isinstance(layer, nn.Conv1d)
        weight, beyond = layer.weight, layer.weight.shape[-1] - 1
        sides = (beyond, 0)
        if suffix:  # the other way: the kernel reversed, zeros behind the end
            weight, sides = weight.flip(-1), (0, beyond)
        y = F.conv1d(F.pad(x, sides), weight, layer.bias, groups=layer.groups)
        activate: Callable[[Tensor], Tensor] = ACTIVATIONS[self.form.activation]
        return activate(y).transpose(1, 2)
