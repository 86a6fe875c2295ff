"""How many blocks of a kernel fit into a multiprocessor at a time."""

from __future__ import annotations

from benchmarks.kernel_model.gpus import KIB, SCHEDULERS, WARP, Gpu

_REGISTER_UNIT = 256  # registers are given to a warp in such portions
_SHARED_UNIT = 128
_RESERVED_SHARED = KIB  # of every block, by the driver


def resident_blocks(gpu: Gpu, *, registers: int, block_warps: int, shared_bytes: int) -> int:
    """Blocks of `block_warps` warps that one multiprocessor holds; 0 where not even one fits."""
    per_warp = -(-registers * WARP // _REGISTER_UNIT) * _REGISTER_UNIT
    # Each scheduler has a quarter of the registers.
    by_registers = gpu.registers // SCHEDULERS // per_warp * SCHEDULERS // block_warps
    shared = -(-shared_bytes // _SHARED_UNIT) * _SHARED_UNIT + _RESERVED_SHARED
    by_shared = gpu.shared_bytes // shared if shared_bytes <= gpu.shared_bytes_per_block else 0
    return min(by_registers, by_shared, gpu.max_warps // block_warps, gpu.max_blocks)
