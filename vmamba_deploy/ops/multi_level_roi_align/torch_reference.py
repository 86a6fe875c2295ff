"""The op in plain PyTorch: readable, on any device, differentiable by the maps; box by box."""

from __future__ import annotations

import torch
from torch import Tensor

from vmamba_deploy.ops.multi_level_roi_align.constants import (
    CANONICAL_SIZE,
    LEVEL_EPSILON,
    MAX_SIDE,
    STRIDES,
)
from vmamba_deploy.ops.multi_level_roi_align.specification import MULTI_LEVEL_ROI_ALIGN
from vmamba_deploy.ops.torch_registration import TORCH_DTYPES


def box_levels(boxes: Tensor) -> Tensor:
    """The index in `STRIDES` of the level that serves each box; -1 where its features are zeros.

    Args:
        boxes: [..., 4] float32: x1, y1, x2, y2 in pixels of the network's input.

    Returns:
        [...] int64.
    """
    width, height = (boxes[..., 2:] - boxes[..., :2]).unbind(-1)
    scale = torch.sqrt(width * height) / CANONICAL_SIZE + LEVEL_EPSILON
    level = sum((scale >= 2**step).long() for step in range(1, len(STRIDES)))
    counts = (width > 0) & (height > 0) & (width <= MAX_SIDE) & (height <= MAX_SIDE)
    return torch.where(counts, level, -1)


def interpolation_matrix(
    low: Tensor, high: Tensor, stride: int, bins: int, size: int, dtype: torch.dtype
) -> Tensor:
    """The mean of the samples of each bin as a matrix [bins, size].

    Args:
        low: where the box begins in this direction, in pixels of the network's input: float32, [].
        high: where it ends.
        stride: of the map.
        bins: in this direction.
        size: of the map.
        dtype: of the result.
    """
    start = low / stride - 0.5
    bin_size = (high / stride - 0.5 - start) / bins
    samples = max(int(torch.ceil(bin_size)), 1)
    number = torch.arange(bins, dtype=low.dtype, device=low.device)
    half = torch.arange(samples, dtype=low.dtype, device=low.device) + 0.5
    position = (start + number * bin_size)[:, None] + half * bin_size / samples
    counts = ((position >= -1) & (position <= size) & (bin_size > 0)).to(dtype)
    inside = position.to(dtype).clamp(0, size - 1)
    lower = inside.long()
    share = (inside - lower) * counts
    matrix = torch.zeros(bins, size, dtype=dtype, device=low.device)
    matrix.scatter_add_(1, lower, (counts - share) / samples)
    return matrix.scatter_add_(1, (lower + 1).clamp(max=size - 1), share / samples)


def multi_level_roi_align_reference(
    p2: Tensor,
    p3: Tensor,
    p4: Tensor,
    p5: Tensor,
    boxes: Tensor,
    output_size: int,
    out_dtype: int,
) -> Tensor:
    """Pool the features of each box from the map of its level (docs/multi_level_roi_align.md).

    Arithmetic is float32 whatever the dtype of the maps, and float64 when they are float64, so that
    gradients can be checked numerically. Autocast is switched off inside. The boxes have no
    gradient.

    Args:
        p2: [B, C, H2, W2], stride 4.
        p3: [B, C, H3, W3], stride 8.
        p4: [B, C, H4, W4], stride 16.
        p5: [B, C, H5, W5], stride 32.
        boxes: [B, K, 4] float32: x1, y1, x2, y2 in pixels of the network's input.
        output_size: S.
        out_dtype: ONNX code of the result (1, 10 or 16); float64 maps give float64.

    Returns:
        [B, K, C, S, S].

    Raises:
        ValueError: an input whose shape does not fit the others, or an unknown `out_dtype`.
    """
    maps = (p2, p3, p4, p5)
    shapes = [tensor.shape for tensor in (*maps, boxes)]
    sizes = MULTI_LEVEL_ROI_ALIGN.read_sizes(shapes, (output_size, out_dtype))
    if out_dtype not in TORCH_DTYPES:
        raise ValueError(f"out_dtype is {out_dtype}, expected one of {sorted(TORCH_DTYPES)}")
    double = p2.dtype == torch.float64
    compute = torch.float64 if double else torch.float32
    fixed = boxes.detach().to(torch.float32)
    with torch.autocast(device_type=p2.device.type, enabled=False):
        features = [tensor.to(compute) for tensor in maps]
        pooled = [
            _pool_box([each[image] for each in features], box, level, output_size)
            for image in range(sizes["B"])
            for box, level in zip(fixed[image], box_levels(fixed[image]).tolist(), strict=True)
        ]
    empty = features[0].new_zeros(0, sizes["C"], output_size, output_size)
    y = torch.stack(pooled) if pooled else empty
    y = y.reshape(sizes["B"], sizes["K"], sizes["C"], output_size, output_size)
    return y if double else y.to(TORCH_DTYPES[out_dtype])


def _pool_box(maps: list[Tensor], box: Tensor, level: int, output_size: int) -> Tensor:
    if level < 0:
        return maps[0].new_zeros(maps[0].shape[0], output_size, output_size)
    features, stride = maps[level], STRIDES[level]
    x1, y1, x2, y2 = box
    _, height, width = features.shape
    down = interpolation_matrix(y1, y2, stride, output_size, height, features.dtype)
    across = interpolation_matrix(x1, x2, stride, output_size, width, features.dtype)
    return down @ features @ across.T
