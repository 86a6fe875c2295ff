"""The GPUs that times are predicted for: one table of what the model knows of each.

Sources. Lanes per clock: "Arithmetic Instructions" of the CUDA C++ Programming Guide (results per
clock cycle per multiprocessor: float32 64 on 8.0 and 128 on 8.6, 8.7, 8.9 and 9.0; integer add,
compare, logic 64; exp2, log2, rcp 16; warp shuffle 32; all of a multiprocessor's four schedulers
together; pairs of halves at the rate of floats on 9.0, at half of it on 8.6 to 8.9). Which
instruction goes where: "Pipelines" of the Nsight Compute documentation. Limits of
a multiprocessor: "Technical Specifications per Compute Capability" of the same guide. Clocks,
numbers of multiprocessors, peak bandwidths and tensor rates: the white papers of A100, H100 and Ada
and the data sheet of Jetson AGX Orin. Copy and L2 bandwidths: what public measurements attain (the
H100's copy is the 3.0 TB/s that was measured together with the public code's times). A tag lookup
serves four cache lines a clock (a statement of the vendor on its developer forum, for Volta and
after).
"""

from __future__ import annotations

from dataclasses import dataclass

SCHEDULERS = 4  # of a multiprocessor, each with its own pipes but for the load/store unit
WARP = 32


@dataclass(frozen=True)
class Gpu:
    """One GPU; bandwidths in bytes per second, rates per clock and multiprocessor."""

    name: str
    compute_capability: int  # 90 for 9.0
    multiprocessors: int
    clock_hz: float
    dram_bytes_per_s: float  # of a copy
    l2_bytes_per_s: float
    l2_bytes: int
    shared_bytes: int  # of a multiprocessor
    shared_bytes_per_block: int
    max_warps: int
    max_blocks: int
    float_lanes: int
    tensor_macs: int  # half or bfloat16 products with float32 sums by mma.sync, dense
    half_lanes: int = 64  # pairs of halves
    alu_lanes: int = 64
    special_lanes: int = 16
    registers: int = 65536
    launch_s: float = 2.0e-6  # of a further kernel in a replayed CUDA graph
    l2_latency: int = 260  # cycles

    @property
    def special_per_s(self) -> float:
        """Special functions of the whole GPU in a second."""
        return self.special_lanes * self.multiprocessors * self.clock_hz


KIB, MIB = 1 << 10, 1 << 20
H100 = Gpu(
    name="H100 SXM",
    compute_capability=90,
    multiprocessors=132,
    clock_hz=1.755e9,
    dram_bytes_per_s=3.0e12,
    l2_bytes_per_s=5.5e12,
    l2_bytes=50 * MIB,
    shared_bytes=228 * KIB,
    shared_bytes_per_block=227 * KIB,
    max_warps=64,
    max_blocks=32,
    float_lanes=128,
    half_lanes=128,
    tensor_macs=1280,  # mma.sync attains about five eighths of wgmma's 2048
)
A100 = Gpu(
    name="A100 SXM 80 GB",
    compute_capability=80,
    multiprocessors=108,
    clock_hz=1.41e9,
    dram_bytes_per_s=1.75e12,
    l2_bytes_per_s=4.0e12,
    l2_bytes=40 * MIB,
    shared_bytes=164 * KIB,
    shared_bytes_per_block=163 * KIB,
    max_warps=64,
    max_blocks=32,
    float_lanes=64,
    tensor_macs=1024,
    l2_latency=220,
)
RTX_4090 = Gpu(
    name="RTX 4090",
    compute_capability=89,
    multiprocessors=128,
    clock_hz=2.52e9,
    dram_bytes_per_s=0.92e12,
    l2_bytes_per_s=4.5e12,
    l2_bytes=72 * MIB,
    shared_bytes=100 * KIB,
    shared_bytes_per_block=99 * KIB,
    max_warps=48,
    max_blocks=24,
    float_lanes=128,
    tensor_macs=256,  # half the rate of sums in half precision
    l2_latency=270,
)
ORIN = Gpu(
    name="Jetson AGX Orin",
    compute_capability=87,
    multiprocessors=16,
    clock_hz=1.3e9,
    dram_bytes_per_s=0.17e12,
    l2_bytes_per_s=0.6e12,
    l2_bytes=4 * MIB,
    shared_bytes=164 * KIB,
    shared_bytes_per_block=163 * KIB,
    max_warps=48,
    max_blocks=16,
    float_lanes=128,
    tensor_macs=512,
    launch_s=5.0e-6,
    l2_latency=220,
)
GPUS = (H100, A100, RTX_4090, ORIN)
