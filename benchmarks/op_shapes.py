"""The eight shapes at which the op is judged, what the public code took, and what no op avoids."""

from __future__ import annotations

from dataclasses import dataclass

from vmamba_deploy.ops.selective_scan.specification import ScanDims


@dataclass(frozen=True)
class OpShape:
    """One op of a published network: a square map of `side`, D channels, N state, R rank."""

    side: int
    channels: int
    state: int
    rank: int

    @property
    def name(self) -> str:
        """Such as `D96 L3136 N1`."""
        return f"D{self.channels} L{self.side**2} N{self.state}"

    def dims(self, batch: int) -> ScanDims:
        """The sizes of one call."""
        return ScanDims(batch, self.side, self.side, self.channels, self.state, self.rank)


def bytes_moved(dims: ScanDims) -> int:
    """Reading every x and the projections once, writing y once, all in half precision."""
    maps = len(dims.routes) if dims.x_per_route else 1
    features = len(dims.routes) * dims.route_features
    return 2 * dims.batch * dims.length * ((maps + 1) * dims.channels + features)


def special_functions(dims: ScanDims) -> int:
    """Exponentials and logarithms that no formula avoids, over all routes.

    softplus takes one 2^x, with a polynomial for the logarithm; each state's decay takes another:
    1 + N per pixel, channel and route.
    """
    return len(dims.routes) * dims.batch * dims.length * dims.channels * (1 + dims.state)


# Microseconds of the public chain by batch size: cross-scan (Triton), x_proj and dt_proj (grouped
# 1x1 convolutions), selective_scan (CUDA), cross-merge (Triton); fp16, CUDA graph replay, one H100
# with a copy bandwidth of 3.0 TB/s, torch 2.11, CUDA 13. On another occasion than any time of ours.
PUBLISHED: dict[OpShape, dict[int, float]] = {
    OpShape(56, 96, 1, 6): {128: 3566, 1: 72},
    OpShape(28, 192, 1, 12): {128: 1460, 1: 43},
    OpShape(14, 384, 1, 24): {128: 752, 1: 74},
    OpShape(7, 768, 1, 48): {128: 689, 1: 79},
    OpShape(56, 192, 1, 6): {128: 6061, 1: 78},
    OpShape(56, 192, 16, 6): {128: 16699, 1: 152},
    OpShape(14, 768, 16, 24): {128: 3714, 1: 74},
    OpShape(7, 1536, 16, 48): {128: 4138, 1: 76},
}
OP_SHAPES = tuple(PUBLISHED)
BATCHES = (128, 1)
# (height, width) of images, at which the cost of a pixel should be the same.
RESOLUTIONS = ((224, 224), (512, 512), (768, 768), (1024, 1024), (800, 1280))

# What is asked of the ratio to the reference chain of the same run, by batch size: must and goal.
MUST_RATIO = {128: 5.0, 1: 3.0}
GOAL_RATIO = {128: 10.0, 1: 5.0}
