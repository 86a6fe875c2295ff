"""From logits of pixels to their classes."""

from __future__ import annotations

import torch
from torch import Tensor


def pixel_labels(logits: Tensor) -> Tensor:
    """The classes [B, H, W] int32 of logits [B, K, H, W]: the first of the largest.

    A single logit stands for two classes, no and yes: 1 where it is above 0, which is where its
    sigmoid is above one half.
    """
    if logits.shape[1] == 1:
        return (logits[:, 0] > 0).to(torch.int32)
    return logits.argmax(dim=1).to(torch.int32)
