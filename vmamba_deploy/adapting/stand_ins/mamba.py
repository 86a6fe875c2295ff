"""`mamba_ssm.Mamba`, and its two-directional form of Vision Mamba, for inference."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from vmamba_deploy.adapting.stand_ins.selective_scan_interface import (
    mamba_inner_fn_no_out_proj,
)
from vmamba_deploy.adapting.tensors import tensor_of
from vmamba_deploy.errors import UsageError

_DIRECTIONS = {"none": ("",), "v2": ("", "_b"), "v3": ("", "_b", "_s")}
"""By `bimamba_type`, what the names of each direction's parameters end in."""


class Mamba(nn.Module):
    """in_proj, causal convolution, scan, gate, out_proj, with the parameters of the public class.

    Args:
        d_model: C.
        d_state: N.
        d_conv: W, the width of the convolution.
        expand: D / C.
        dt_rank: R; `auto` is C / 16, rounded up.
        conv_bias: whether the convolution has a bias.
        bias: whether the linear layers at both ends have one.
        bimamba_type: `v2` has a second direction with weights of its own, names ending in `_b`;
            `v3` a third one, `_s`, across slices.
        nslices: of `v3`: the sequence is that many slices, one after the other; the third direction
            visits a step of each, then the next step of each.
        if_devide_out: whether the sum of both directions is halved.
        init_layer_scale: start of a factor for each channel of the result; None: there is none.
        device: of the parameters.
        dtype: of the parameters.
        others: how the public class starts its parameters, and by which kernels it computes;
            without effect on the result.

    Raises:
        UsageError: another `bimamba_type`.
    """

    def __init__(
        self,
        d_model: int,
        d_state: int = 16,
        d_conv: int = 4,
        expand: float = 2,
        dt_rank: int | str = "auto",
        *,
        conv_bias: bool = True,
        bias: bool = False,
        bimamba_type: str = "none",
        nslices: int = 5,
        if_devide_out: bool = False,
        init_layer_scale: float | None = None,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
        **others: Any,
    ) -> None:
        super().__init__()
        if bimamba_type not in _DIRECTIONS:
            raise UsageError(
                f"Mamba with bimamba_type={bimamba_type!r} is not computed here",
                hint=f"one of {', '.join(_DIRECTIONS)}",
            )
        self.d_model, self.d_state, self.d_conv, self.expand = d_model, d_state, d_conv, expand
        self.d_inner = int(expand * d_model)
        self.dt_rank = math.ceil(d_model / 16) if dt_rank == "auto" else int(dt_rank)
        self.bimamba_type, self.if_devide_out = bimamba_type, if_devide_out
        self.nslices = nslices
        self.init_layer_scale = init_layer_scale
        self.layer_idx = others.get("layer_idx")
        made: dict[str, Any] = {"device": device, "dtype": dtype}
        self.in_proj = nn.Linear(d_model, 2 * self.d_inner, bias=bias, **made)
        for suffix in _DIRECTIONS[bimamba_type]:
            self._add_direction(suffix, conv_bias, made)
        self.out_proj = nn.Linear(self.d_inner, d_model, bias=bias, **made)
        if init_layer_scale is not None:
            self.gamma = nn.Parameter(torch.full((d_model,), init_layer_scale, **made))

    def _add_direction(self, suffix: str, conv_bias: bool, made: dict[str, Any]) -> None:
        inner, states, rank = self.d_inner, self.d_state, self.dt_rank
        width = self.d_conv
        convolution = nn.Conv1d(
            inner, inner, width, groups=inner, padding=width - 1, bias=conv_bias, **made
        )
        rates = torch.arange(1, states + 1, dtype=torch.float32, device=made["device"])
        named: dict[str, nn.Module] = {
            "conv1d": convolution,
            "x_proj": nn.Linear(inner, rank + 2 * states, bias=False, **made),
            "dt_proj": nn.Linear(rank, inner, bias=True, **made),
        }
        for name, module in named.items():
            self.add_module(name + suffix, module)
        a_log = nn.Parameter(rates.log().repeat(inner, 1))
        self.register_parameter(f"A{suffix}_log", a_log)
        self.register_parameter(
            "D" + suffix, nn.Parameter(torch.ones(inner, device=made["device"]))
        )

    def forward(self, hidden_states: Tensor, inference_params: object = None) -> Tensor:
        """Map [B, L, C] to [B, L, C].

        Raises:
            UsageError: a cache, `inference_params`.
        """
        if inference_params is not None:
            raise UsageError(
                "Mamba with inference_params, a cache between calls, is not computed here",
                hint="call it on whole sequences",
            )
        xz = self.in_proj(hidden_states).transpose(1, 2)
        y = self._direction(xz, "")
        if self.bimamba_type != "none":
            y = y + self._direction(xz.flip(-1), "_b").flip(-1)
        if self.bimamba_type == "v3":
            length = xz.shape[-1] // self.nslices
            across = _swapped(xz, self.nslices, length)
            y = y + _swapped(self._direction(across, "_s"), length, self.nslices)
        if self.if_devide_out:
            y = y / len(_DIRECTIONS[self.bimamba_type])
        out: Tensor = self.out_proj(y.transpose(1, 2))
        return out if self.init_layer_scale is None else out * self.gamma

    def _direction(self, xz: Tensor, suffix: str) -> Tensor:
        convolution = self.get_submodule("conv1d" + suffix)
        dt_proj = self.get_submodule("dt_proj" + suffix)
        assert isinstance(convolution, nn.Conv1d)
        assert isinstance(dt_proj, nn.Linear)
        a_log = tensor_of(self, f"A{suffix}_log")
        return mamba_inner_fn_no_out_proj(
            xz,
            convolution.weight,
            convolution.bias,
            tensor_of(self, f"x_proj{suffix}.weight"),
            dt_proj.weight,
            -torch.exp(a_log.float()),
            D=tensor_of(self, "D" + suffix).float(),
            delta_bias=dt_proj.bias.float(),
        )


def _swapped(sequence: Tensor, rows: int, columns: int) -> Tensor:
    """[B, D, rows * columns], row by row, to the same column by column."""
    return sequence.reshape(*sequence.shape[:-1], rows, columns).transpose(-1, -2).flatten(-2)
