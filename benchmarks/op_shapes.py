"""The eight shapes at which the op is judged, and what the public code took for the same work."""

from __future__ import annotations

from dataclasses import dataclass

from vmamba_deploy.ops.selective_scan_2d.specification import ROUTES, ScanDims


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

    @property
    def proj_features(self) -> int:
        """Low-rank projections per pixel: for each route dt (R), B (N), C (N)."""
        return ROUTES * (self.rank + 2 * self.state)

    def bytes_moved(self, batch: int, element_bytes: int = 2) -> int:
        """Reading x and the projections once, writing y once, all in one dtype."""
        values = 2 * self.channels + self.proj_features
        return batch * self.side**2 * values * element_bytes

    def special_functions(self, batch: int) -> int:
        """Exponentials and logarithms that no formula avoids, over all routes.

        softplus takes one 2^x, with a polynomial for the logarithm; each state's decay takes
        another: 1 + N per pixel, channel and route.
        """
        return ROUTES * batch * self.side**2 * self.channels * (1 + self.state)


@dataclass(frozen=True)
class PublishedTimes:
    """Microseconds of the public chain and of its scan kernel alone, at one batch size."""

    chain_us: float
    scan_kernel_us: float


# The public chain: cross-scan (Triton), x_proj and dt_proj (grouped 1x1 convolutions),
# selective_scan (CUDA), cross-merge (Triton); fp16, CUDA graph replay, one H100 with a copy
# bandwidth of 3.0 TB/s, torch 2.11, CUDA 13. Taken on another occasion than any time of ours.
PUBLISHED: dict[OpShape, dict[int, PublishedTimes]] = {
    OpShape(56, 96, 1, 6): {128: PublishedTimes(3566, 1095), 1: PublishedTimes(72, 16)},
    OpShape(28, 192, 1, 12): {128: PublishedTimes(1460, 551), 1: PublishedTimes(43, 10)},
    OpShape(14, 384, 1, 24): {128: PublishedTimes(752, 304), 1: PublishedTimes(74, 8)},
    OpShape(7, 768, 1, 48): {128: PublishedTimes(689, 285), 1: PublishedTimes(79, 9)},
    OpShape(56, 192, 1, 6): {128: PublishedTimes(6061, 2173), 1: PublishedTimes(78, 26)},
    OpShape(56, 192, 16, 6): {128: PublishedTimes(16699, 12408), 1: PublishedTimes(152, 107)},
    OpShape(14, 768, 16, 24): {128: PublishedTimes(3714, 2955), 1: PublishedTimes(74, 41)},
    OpShape(7, 1536, 16, 48): {128: PublishedTimes(4138, 3436), 1: PublishedTimes(76, 40)},
}
OP_SHAPES = tuple(PUBLISHED)
BATCHES = (128, 1)

# Images/s of the public code at batch 128, 224 x 224, on the same occasion.
PUBLISHED_IMAGES_PER_S = {
    "vmamba_tiny_s1l8": {"eager fp32": 2712, "eager AMP fp16": 2883, "torch.compile": 4242},
    "vmamba_base_s1l20": {"eager fp32": 1392, "eager AMP fp16": 1589},
    "vanilla_vmamba_tiny": {"eager fp32": 751, "eager AMP fp16": 842},
}

# What is asked of the ratio to the reference chain of the same run, by batch size: must and goal.
MUST_RATIO = {128: 5.0, 1: 3.0}
GOAL_RATIO = {128: 10.0, 1: 5.0}
