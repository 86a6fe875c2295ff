"""Small calls for every way in which the CUDA kernels are launched, each on a GPU that leads to it.

The library's own plan decides which way a call goes, so the calls are searched for.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from vmamba_deploy.ops.selective_scan.specification import ALL_ROUTES, ScanDims
from vmamba_deploy.testing import every_form


@dataclass(frozen=True)
class EmulatedDevice:
    """Multiprocessors, bytes of shared memory (of a block, of a multiprocessor), blocks of one."""

    multiprocessors: int
    shared_bytes_per_block: int
    shared_bytes_per_multiprocessor: int
    blocks_per_multiprocessor: int = 32
    compute_capability: int = 90


@dataclass(frozen=True)
class Way:
    """How a call is launched. `pieces_per_segment` is 0 where uncut."""

    walk_states: int  # of one walk over a route
    map: str
    warps_per_scan: int
    several_scans: bool = False  # in a block
    pieces_per_segment: int = 0
    finds_starts: bool = False  # in a launch of its own
    routes: int = len(ALL_ROUTES)

    def __str__(self) -> str:
        parts = [f"{self.walk_states}-states", f"{self.map}-map", f"{self.warps_per_scan}-warps"]
        parts += ["several-scans"] * self.several_scans
        parts += [f"segments-of-{self.pieces_per_segment}"] * self.is_cut
        parts += ["found-starts"] * self.finds_starts
        return "-".join(parts + [f"{self.routes}-routes"] * (self.routes < len(ALL_ROUTES)))

    @property
    def is_cut(self) -> bool:
        """Whether routes are cut into segments."""
        return self.pieces_per_segment > 0


@dataclass(frozen=True)
class LaunchCase:
    """A call on a GPU."""

    device: EmulatedDevice
    dims: ScanDims


LARGE = EmulatedDevice(132, 232448, 233472)
SMALL = EmulatedDevice(4, 232448, 233472)
ONE = EmulatedDevice(1, 232448, 233472)
TIGHT = EmulatedDevice(132, 49152, 65536)
_TIGHTER = (
    EmulatedDevice(16, 10000, 233472),
    EmulatedDevice(4, 12000, 65536),
    EmulatedDevice(1, 8192, 233472),
)
_DEVICES = (LARGE, SMALL, ONE, TIGHT, *_TIGHTER)

WAYS = [
    *(Way(1, "shared", warps) for warps in (1, 2, 4, 6, 8, 12)),
    *(Way(1, "global", warps) for warps in (2, 4, 6, 8)),
    Way(1, "shared", 1, several_scans=True),
    Way(1, "shared", 1, pieces_per_segment=2),
    *(Way(1, "shared", 2, pieces_per_segment=tiles) for tiles in (1, 2, 4)),
    *(
        Way(states, "global", warps, False, chunks, starts, routes)
        for routes, warps in ((4, 2), (3, 1), (2, 2), (1, 1))
        for states in (8, 16)
        for chunks, starts in ((0, False), (1, False), (1, True), (2, False), (2, True))
    ),
]
_DRAWS = 20_000


def smallest_cases(
    way_of: Callable[[EmulatedDevice, ScanDims], Way | None],
) -> dict[Way, LaunchCase]:
    """The smallest call found of each way, among some of SelectiveScan2D and some of any form."""
    smallest: dict[Way, LaunchCase] = {}
    for case in (*_drawn(3), *_in_any_form(_drawn(5))):
        way = way_of(case.device, case.dims)
        if way is not None and (
            way not in smallest or _work(case.dims) < _work(smallest[way].dims)
        ):
            smallest[way] = case
    return smallest


def _drawn(seed: int) -> Iterator[LaunchCase]:
    """Calls of SelectiveScan2D; no two sides, channels or ranks are always even."""
    draw = random.Random(seed)
    for _ in range(_DRAWS):
        device = draw.choice(_DEVICES)
        dims = ScanDims(
            batch=draw.choice((1, 1, 2, 3, 6)),
            height=draw.choice((7, 8, 13, 14, 20, 30, 41, 56)),
            width=draw.choice((5, 7, 12, 13, 28, 33, 56)),
            channels=draw.choice((4, 5, 13, 20, 33, 63)),
            state=draw.choice((1, 1, 2, 3, 4, 6, 10, 17)),
            rank=draw.choice((2, 3, 6, 12)),
        )
        yield LaunchCase(device, dims)


def _in_any_form(cases: Iterable[LaunchCase]) -> Iterator[LaunchCase]:
    draw = random.Random(7)
    for case in cases:
        yield replace(case, dims=draw.choice(every_form(case.dims)))


def _work(dims: ScanDims) -> int:
    return dims.batch * dims.length * dims.channels * dims.state * len(dims.routes)
