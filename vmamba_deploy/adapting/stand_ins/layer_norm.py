"""`mamba_ssm.ops.triton.layer_norm`: the norms that are fused there with the residual sum."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from vmamba_deploy.errors import UsageError


def rms_norm_fn(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    residual: Tensor | None = None,
    *,
    eps: float = 1e-6,
    prenorm: bool = False,
    residual_in_fp32: bool = False,
    **others: Any,
) -> Any:
    """RMSNorm over the last axis of x, or of x + residual, with statistics in float32.

    Returns:
        The normalised tensor in the dtype of x; with `prenorm` also what was normalised.

    Raises:
        UsageError: dropout, or two norms in one call.
    """
    return _normalise(x, weight, bias, residual, (eps, prenorm, residual_in_fp32), others, _rms)


def layer_norm_fn(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    residual: Tensor | None = None,
    *,
    eps: float = 1e-6,
    prenorm: bool = False,
    residual_in_fp32: bool = False,
    is_rms_norm: bool = False,
    **others: Any,
) -> Any:
    """LayerNorm, or with `is_rms_norm` RMSNorm; else as `rms_norm_fn`."""
    kind = _rms if is_rms_norm else _centred
    return _normalise(x, weight, bias, residual, (eps, prenorm, residual_in_fp32), others, kind)


class RMSNorm(nn.Module):
    """`rms_norm_fn` with its weight."""

    def __init__(
        self,
        hidden_size: int,
        eps: float = 1e-5,
        dropout_p: float = 0.0,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        _refuse({"dropout_p": dropout_p})
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(hidden_size, device=device, dtype=dtype))
        self.register_parameter("bias", None)

    def forward(
        self,
        x: Tensor,
        residual: Tensor | None = None,
        prenorm: bool = False,
        residual_in_fp32: bool = False,
    ) -> Any:
        """Normalise [..., C]."""
        return rms_norm_fn(
            x,
            self.weight,
            None,
            residual,
            eps=self.eps,
            prenorm=prenorm,
            residual_in_fp32=residual_in_fp32,
        )


def _normalise(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    residual: Tensor | None,
    options: tuple[float, bool, bool],
    others: dict[str, Any],
    kind: Any,
) -> Any:
    _refuse(others)
    eps, prenorm, residual_in_fp32 = options
    # float64 stays what it is; half precision is summed in float32.
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    total = wide if residual is None else wide + residual.to(wide.dtype)
    y = kind(total, eps) * weight.to(wide.dtype)
    if bias is not None:
        y = y + bias.to(wide.dtype)
    kept = x.dtype if residual is None else residual.dtype
    residual_out = total.to(torch.float32 if residual_in_fp32 else kept)
    return (y.to(x.dtype), residual_out) if prenorm else y.to(x.dtype)


def _rms(x: Tensor, eps: float) -> Tensor:
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps)


def _centred(x: Tensor, eps: float) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    return centred * torch.rsqrt(centred.square().mean(-1, keepdim=True) + eps)


def _refuse(options: dict[str, Any]) -> None:
    for name, value in options.items():
        if value is not None and not (isinstance(value, bool | int | float) and value == 0):
            raise UsageError(f"the norms of mamba_ssm are not computed here with {name}={value!r}")
