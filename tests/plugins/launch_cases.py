"""Small calls for every way in which the CUDA kernels are launched, each on a GPU that leads to it.

The library's own plan decides; the tests check that it still decides as the names say.
"""

from __future__ import annotations

from dataclasses import dataclass

from vmamba_deploy.ops.contract import ScanDims


@dataclass(frozen=True)
class EmulatedDevice:
    """Multiprocessors and bytes of shared memory: of a block, of a multiprocessor."""

    multiprocessors: int
    shared_bytes_per_block: int
    shared_bytes_per_multiprocessor: int
    compute_capability: int = 90


@dataclass(frozen=True)
class Way:
    """How a call is launched. `tiles_per_segment` is 0 where routes are not cut."""

    map: str
    warps_per_scan: int
    scans_per_block: int
    tiles_per_segment: int = 0


@dataclass(frozen=True)
class LaunchCase:
    device: EmulatedDevice
    way: Way
    dims: ScanDims

    def __str__(self) -> str:
        way = self.way
        cut = f"-segments{way.tiles_per_segment}" if way.tiles_per_segment else ""
        return (
            f"N{self.dims.state}-{way.map}-warps{way.warps_per_scan}"
            f"-scans{way.scans_per_block}{cut}-D{self.dims.channels}"
        )


LARGE = EmulatedDevice(132, 232448, 233472)
SMALL = EmulatedDevice(4, 232448, 233472)
ONE = EmulatedDevice(1, 232448, 233472)
TIGHT = EmulatedDevice(132, 49152, 65536)
TINY = EmulatedDevice(1, 8192, 233472)
TINY_4 = EmulatedDevice(4, 12000, 65536)

LAUNCH_CASES = [
    LaunchCase(LARGE, Way("shared", 1, 1), ScanDims(1, 6, 9, 13, 1, 6)),
    LaunchCase(SMALL, Way("shared", 1, 2), ScanDims(1, 7, 7, 20, 1, 2)),
    LaunchCase(LARGE, Way("shared", 1, 4), ScanDims(1, 7, 7, 63, 1, 6)),
    LaunchCase(SMALL, Way("shared", 2, 1), ScanDims(1, 7, 13, 4, 1, 6)),
    LaunchCase(LARGE, Way("shared", 4, 1), ScanDims(1, 14, 13, 5, 1, 2)),
    LaunchCase(LARGE, Way("shared", 8, 1), ScanDims(1, 15, 28, 4, 1, 6)),
    LaunchCase(LARGE, Way("shared", 12, 1), ScanDims(2, 20, 33, 4, 1, 7)),
    LaunchCase(TIGHT, Way("shared", 1, 1, 1), ScanDims(1, 20, 7, 4, 1, 6)),
    LaunchCase(SMALL, Way("shared", 1, 1, 2), ScanDims(1, 56, 56, 4, 1, 2)),
    LaunchCase(TINY, Way("global", 2, 1), ScanDims(1, 7, 13, 4, 1, 6)),
    LaunchCase(TINY, Way("global", 4, 1), ScanDims(1, 14, 13, 6, 1, 2)),
    LaunchCase(TINY_4, Way("global", 8, 1), ScanDims(1, 15, 28, 4, 1, 2)),
    LaunchCase(TIGHT, Way("global", 12, 1), ScanDims(1, 20, 33, 4, 1, 2)),
    LaunchCase(TINY, Way("shared", 1, 1), ScanDims(6, 7, 7, 4, 2, 2)),
    LaunchCase(ONE, Way("shared", 1, 2), ScanDims(6, 7, 7, 20, 2, 6)),
    LaunchCase(ONE, Way("shared", 1, 4), ScanDims(2, 7, 7, 64, 2, 6)),
    LaunchCase(ONE, Way("shared", 2, 1), ScanDims(1, 7, 7, 4, 2, 2)),
    LaunchCase(SMALL, Way("shared", 4, 1), ScanDims(1, 7, 7, 7, 19, 6)),
    LaunchCase(TINY, Way("shared", 1, 1, 1), ScanDims(1, 7, 13, 4, 2, 2)),
    LaunchCase(ONE, Way("shared", 1, 1, 2), ScanDims(2, 40, 13, 4, 2, 6)),
    LaunchCase(ONE, Way("shared", 1, 1, 4), ScanDims(1, 40, 56, 4, 2, 2)),
    LaunchCase(TIGHT, Way("shared", 2, 1, 1), ScanDims(1, 7, 13, 4, 2, 6)),
    LaunchCase(LARGE, Way("shared", 4, 1, 1), ScanDims(1, 7, 13, 9, 5, 3)),
    LaunchCase(TINY, Way("global", 1, 2), ScanDims(3, 7, 13, 20, 2, 6)),
    LaunchCase(TINY, Way("global", 1, 3), ScanDims(2, 14, 7, 64, 2, 2)),
    LaunchCase(TINY, Way("global", 2, 1), ScanDims(2, 7, 13, 4, 2, 2)),
    LaunchCase(ONE, Way("global", 4, 1), ScanDims(3, 56, 14, 4, 16, 6)),
]
