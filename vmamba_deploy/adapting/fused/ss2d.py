"""SS2D of every dialect: VMamba's mixer, found by its parameters, as one node and its own layers.

in_proj -> (x, gate) -> conv2d -> activation -> four-route scan -> out_norm -> gate -> out_proj
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import permutations, product

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vmamba_deploy.adapting.adapted_forward import FusedForward
from vmamba_deploy.adapting.op_scan import Parameters
from vmamba_deploy.adapting.tensors import tensor_of
from vmamba_deploy.models.vmamba.layers.casting import cast, linear
from vmamba_deploy.models.vmamba.layers.ss2d import ScanBackend, selective_scan_fp32
from vmamba_deploy.ops.selective_scan_2d.specification import ROUTES

PARAMETERS = ("x_proj_weight", "dt_projs_weight", "dt_projs_bias", "A_logs", "Ds")
LAYERS = ("in_proj", "out_proj")
OWN_ACTIVATION = "act"
ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "silu": F.silu,
    "gelu": F.gelu,
    "relu": F.relu,
    "sigmoid": torch.sigmoid,
    "nothing": lambda x: x,
}
"""What may follow the convolution and may be applied to the gate; and the module's own `act`."""
_IN_ORDER = tuple(range(ROUTES))


@dataclass(frozen=True)
class SS2DForm:
    """What the parameters of an SS2D do not say.

    Attributes:
        channels_first: whether maps come and go as [B, C, H, W].
        activation: after the convolution; of `ACTIVATIONS`, or the module's own `act`.
        gate: what is applied to the gate; None where there is no gate.
        gate_first: whether in_proj makes the gate before what is scanned.
        norm_first: whether out_norm takes [B, D, H, W].
        gate_before_norm: whether the gate comes before out_norm.
        routes: which row of the parameters each route of the op has: rows, columns, and both
            reversed.
    """

    channels_first: bool
    activation: str
    gate: str | None
    gate_first: bool = False
    norm_first: bool = False
    gate_before_norm: bool = False
    routes: tuple[int, ...] = _IN_ORDER


def looks_like_ss2d(module: nn.Module) -> bool:
    """Whether a module has the parameters of SS2D for four routes."""
    tensors = [getattr(module, name, None) for name in PARAMETERS]
    layers = [getattr(module, name, None) for name in LAYERS]
    if not all(isinstance(each, Tensor) for each in tensors):
        return False
    x_proj, dt_weight = tensors[0], tensors[1]
    assert isinstance(x_proj, Tensor)
    assert isinstance(dt_weight, Tensor)
    return (
        all(isinstance(each, nn.Module) for each in layers)
        and x_proj.dim() == dt_weight.dim() == 3
        and x_proj.shape[0] == dt_weight.shape[0] == ROUTES
    )


def gated(module: nn.Module) -> bool:
    """Whether in_proj makes twice the channels that are convolved."""
    convolution = getattr(module, "conv2d", None)
    inner = tensor_of(module, "dt_projs_bias").shape[-1]
    if isinstance(convolution, nn.Conv2d):
        inner = convolution.in_channels
    return bool(tensor_of(module, "in_proj.weight").shape[0] == 2 * inner)


def forms(module: nn.Module, channels_first: bool) -> Iterator[SS2DForm]:
    """Every form that these parameters can have, the usual ones first."""
    named = tuple(ACTIVATIONS)
    if callable(getattr(module, OWN_ACTIVATION, None)):
        named = (OWN_ACTIVATION, *named)
    gates: tuple[str | None, ...] = named if gated(module) else (None,)
    sides = (False, True) if gated(module) else (False,)
    orders = [_IN_ORDER, *(each for each in permutations(_IN_ORDER) if each != _IN_ORDER)]
    # Another order of routes is rare; it is tried with the usual rest alone.
    usual = product(sides, sides, (False, True), named, gates)
    for before, first, norm_first, activation, gate in usual:
        yield SS2DForm(channels_first, activation, gate, first, norm_first, before)
    for routes, norm_first, activation, gate in product(
        orders[1:], (False, True), named[:2], gates[:2]
    ):
        yield SS2DForm(channels_first, activation, gate, norm_first=norm_first, routes=routes)


class FusedSS2D(FusedForward):
    """SS2D as `vmamba::SelectiveScan2D` between the module's own layers.

    Args:
        module: it keeps its parameters; they are read at every call.
        form: what was verified.
        backend: of the scan.
    """

    def __init__(self, module: nn.Module, form: SS2DForm, backend: ScanBackend = "native") -> None:
        super().__init__(module)
        self.form, self.backend = form, backend

    def parameters_of_scan(self) -> Parameters:
        """dt_weight [4,R,D], dt_bias [4,D], a [4,N,D], d [4,D]: float32, contiguous."""
        order = list(self.form.routes)
        named = {name: tensor_of(self.module, name) for name in PARAMETERS}
        inner = named["dt_projs_weight"].shape[1]
        a = -torch.exp(named["A_logs"].float()).reshape(ROUTES, inner, -1).transpose(1, 2)
        parts = (
            named["dt_projs_weight"].transpose(1, 2),
            named["dt_projs_bias"].reshape(ROUTES, inner),
            a,
            named["Ds"].reshape(ROUTES, inner),
        )
        dt_weight, dt_bias, a, d = (
            cast(self._ordered(part, order), torch.float32).contiguous() for part in parts
        )
        return dt_weight, dt_bias, a, d

    def _ordered(self, part: Tensor, order: list[int]) -> Tensor:
        return part if self.form.routes == _IN_ORDER else part[order]

    def compute(self, x: Tensor) -> Tensor:
        """Map [B, H, W, C] or [B, C, H, W] to the same."""
        form, module = self.form, self.module
        x = module.get_submodule("in_proj")(x)
        x = x.permute(0, 2, 3, 1) if form.channels_first else x
        gate = None
        if form.gate is not None:
            halves = x.chunk(2, dim=-1)
            gate, x = halves if form.gate_first else halves[::-1]
            gate = self._activate(form.gate, gate)
        x = self._convolve(x)
        y = self._scan(self._activate(form.activation, x))
        if gate is not None and form.gate_before_norm:
            y = y * gate
        y = self._norm(y)
        if isinstance(out_rank := getattr(module, "out_rank", None), nn.Module):
            y = out_rank(y)
        if gate is not None and not form.gate_before_norm:
            y = y * gate
        y = y.permute(0, 3, 1, 2) if form.channels_first else y
        y = cast(y, tensor_of(module, "out_proj.weight").dtype)
        projected: Tensor = module.get_submodule("out_proj")(y)
        if isinstance(dropout := getattr(module, "dropout", None), nn.Module):
            projected = dropout(projected)
        return projected

    def _convolve(self, x: Tensor) -> Tensor:
        convolution = getattr(self.module, "conv2d", None)
        if not isinstance(convolution, nn.Module):
            return x
        y: Tensor = convolution(x.permute(0, 3, 1, 2))
        return y.permute(0, 2, 3, 1)

    def _activate(self, name: str, x: Tensor) -> Tensor:
        if name == OWN_ACTIVATION:
            y: Tensor = getattr(self.module, OWN_ACTIVATION)(x)
            return y
        return ACTIVATIONS[name](x)

    def _scan(self, x: Tensor) -> Tensor:
        if isinstance(in_rank := getattr(self.module, "in_rank", None), nn.Module):
            x = in_rank(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        x_proj = self._ordered(tensor_of(self.module, "x_proj_weight"), list(self.form.routes))
        bias = getattr(self.module, "x_proj_bias", None)
        if isinstance(bias, Tensor):
            bias = self._ordered(bias.reshape(ROUTES, -1), list(self.form.routes)).flatten()
        # Projections are per pixel, so they commute with the routes: one product for all four.
        proj = linear(x, x_proj.flatten(0, 1), bias if isinstance(bias, Tensor) else None)
        x = cast(x, proj.dtype).contiguous()
        return selective_scan_fp32(self.backend, x, proj, self.scan_parameters())

    def _norm(self, y: Tensor) -> Tensor:
        norm = getattr(self.module, "out_norm", None)
        if not isinstance(norm, nn.Module):
            return y
        weight = next(iter(norm.parameters()), y)
        y = cast(y, weight.dtype)
        if not self.form.norm_first:
            normed: Tensor = norm(y)
            return normed
        normed = norm(y.permute(0, 3, 1, 2))
        return normed.permute(0, 2, 3, 1)
