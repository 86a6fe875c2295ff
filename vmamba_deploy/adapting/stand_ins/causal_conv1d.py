"""`causal_conv1d`: the depthwise convolution of a sequence that sees no later step."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from vmamba_deploy.errors import UsageError


def causal_conv1d_fn(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    seq_idx: Tensor | None = None,
    initial_states: Tensor | None = None,
    return_final_states: bool = False,
    final_states_out: Tensor | None = None,
    activation: str | None = None,
) -> Tensor:
    """Convolve [B, D, L] with weight [D, W] along L, zeros before its start.

    Raises:
        UsageError: packed sequences, states kept between calls, or another activation than SiLU.
    """
    asked = {
        "seq_idx": seq_idx is not None,
        "initial_states": initial_states is not None,
        "return_final_states": return_final_states,
        "final_states_out": final_states_out is not None,
    }
    for name, wanted in asked.items():
        if wanted:
            raise UsageError(
                f"causal_conv1d_fn with {name} is not computed here",
                hint="call the network on whole sequences, without a cache",
            )
    if activation not in (None, "silu", "swish"):
        raise UsageError(f"causal_conv1d_fn has no activation {activation!r}: 'silu' or None")
    channels, width = weight.shape
    padded = F.pad(x, (width - 1, 0))
    y = F.conv1d(padded, weight.unsqueeze(1).to(x.dtype), _as(bias, x), groups=channels)
    return y if activation is None else F.silu(y)


def _as(bias: Tensor | None, x: Tensor) -> Tensor | None:
    return None if bias is None else bias.to(x.dtype)


def causal_conv1d_fwd(x: Tensor, weight: Tensor, bias: Tensor | None, *others: Any) -> Tensor:
    """`causal_conv1d_cuda.causal_conv1d_fwd`, as each of its versions is called.

    Args:
        x: [B, D, L].
        weight: [D, W].
        bias: [D] or None.
        others: what is kept between calls, of which all must be None; a tensor for the result,
            among them, in later versions; and last whether SiLU follows.
    """
    *tensors, silu = others
    y = causal_conv1d_fn(x, weight, bias, activation="silu" if silu else None)
    given: list[Tensor] = [each for each in tensors if each is not None]
    if not given:
        return y
    # Later versions hand in the tensor for the result, and it alone has its shape.
    if len(given) > 1 or given[0].shape != y.shape:
        raise UsageError("causal_conv1d_fwd of packed sequences or with a cache is not computed")
    return given[0].copy_(y)
