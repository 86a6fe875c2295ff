"""How often each loop of the CUDA kernels runs, and how often each of their branches is taken.

A loop is known by its source line, code behind a branch by the line of the branch or of a call in
it. So the sources may move, but a loop or branch that is rewritten must be named here again: a loop
without a rule is an error, and so is a rule that finds nothing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.kernel_model.classes import Kind
from benchmarks.kernel_model.plan import Plan
from benchmarks.kernel_model.profile import Hint, Passage
from benchmarks.op_shapes import ROUTES, OpShape
from vmamba_deploy.errors import BuildError

RUNS, RUN_PIXELS, TERMS, WARP = 8, 7, 16, 32
_TILE_PIXELS, _CHUNK_PIXELS = RUNS * RUN_PIXELS, 8
_AHEAD = 16  # segments of a pass of channel_starts


def group_channels(state: int) -> int:
    """Channels of one scan."""
    return 16 if state == 1 else WARP


def tile_pixels(state: int) -> int:
    """Pixels that one pass of the loop over a route takes: a tile, or where N > 1 a chunk."""
    return _TILE_PIXELS if state == 1 else _CHUNK_PIXELS


def elements_per_thread(state: int) -> int:
    """Pixels times channels of such a pass that one thread computes."""
    return tile_pixels(state) * group_channels(state) // WARP


@dataclass(frozen=True)
class Work:
    """What one warp of a launch does with one item: some routes of a segment of one scan."""

    shape: OpShape
    plan: Plan
    routes: tuple[int, ...]  # that the launch walks, one after the other
    item_routes: int  # how many of them one item walks
    merges: bool = True

    @property
    def length(self) -> int:
        """Pixels of the map."""
        return self.shape.side**2

    @property
    def walks(self) -> int:
        """Walks over each route where N > 1: each takes some of the states."""
        return -(-self.shape.state // self.plan.walk_states)

    @property
    def turns(self) -> float:
        """Tiles that a warp takes of a route, or chunks of one of the halves in which it merges."""
        tiles = min(self.plan.tiles, self.plan.tiles_per_segment)
        if self.shape.state > 1:
            return tiles / 2 if self.merges else tiles
        return max(1.0, tiles / self.members)

    @property
    def members(self) -> int:
        """Warps of a scan that go one way."""
        return max(1, self.plan.warps_per_scan // 2)

    @property
    def taking_turns(self) -> float:
        """1 where the warps of a way take its tiles in turn and hand the state on, else 0."""
        return float(self.members > 1 and self.shape.state == 1)

    @property
    def global_loads(self) -> tuple[int, ...]:
        """The routes that read the map from global memory."""
        if self.plan.global_map:
            return (1, 2, 3)
        return (1,) if self.plan.segments > 1 else ()

    @property
    def global_stores(self) -> tuple[int, ...]:
        """The routes that write the map to global memory."""
        if self.plan.global_map:
            return (0, 1, 2)
        return (2,) if self.plan.segments > 1 else ()

    def part(self, *routes: int) -> float:
        """The part of this launch's passes that is spent on these routes."""
        return sum(1 for route in self.routes if route in routes) / len(self.routes)

    @property
    def holds_runs(self) -> float:
        """1 where no run goes over the end of a line, else 0."""
        return float(self.shape.side % RUN_PIXELS == 0)

    @property
    def cut_tiles(self) -> float:
        """The part of the tiles that reach past the end of the map."""
        return 0.0 if self.length % tile_pixels(self.shape.state) == 0 else 1.0 / self.plan.tiles


@dataclass(frozen=True)
class Trip:
    """How often a loop runs; `unit` tells by which class of instruction it was unrolled."""

    statement: str
    count: Callable[[Work], float]
    unit: tuple[Kind, int] | None = None  # a class, and its instructions in one iteration


def _folded_batches(work: Work) -> float:
    """Of the segments before one, on average; every run folds a part of them."""
    return math.ceil((work.plan.segments - 1) / 2 / RUNS / 4)


def _passed_segments(work: Work) -> float:
    """Segments that a warp passes to find its start where N > 1, on average."""
    return 1.0 if work.plan.finds_starts else (work.plan.segments - 1) / 2


def _full_products(work: Work) -> float:
    return max(0.0, math.ceil((work.shape.rank - TERMS - TERMS / 2) / TERMS))


_TILE_LOOPS = (r"turn < turns\.count\(\)", r"number < chunks", r"left > 0; left -= kAhead")
TRIPS = (
    Trip(r"item < items", lambda work: 1.0),
    # N = 1.
    Trip(r"step < 2 \* params\.last_pass", lambda work: work.item_routes),
    Trip(_TILE_LOOPS[0], lambda work: work.turns),
    Trip(r"r < params\.rank; r \+= kRuns", lambda work: math.ceil(work.shape.rank / RUNS)),
    Trip(r"r < params\.rank; \+\+r", lambda work: work.shape.rank, (Kind.SHARED, 1)),
    Trip(r"term < params\.rank; term \+= kTerms", lambda work: math.ceil(work.shape.rank / TERMS)),
    Trip(r"term \+ kTerms / 2 < params\.rank", _full_products),
    Trip(r"batch < end; batch \+= kBatch", _folded_batches),
    # N > 1. A pair of warps walks two routes at a time.
    Trip(r"pass <= params\.last_pass", lambda work: work.item_routes / 2),
    Trip(r"first < params\.state; first \+=", lambda work: work.walks),
    Trip(r"half != 2; \+\+half", lambda work: 2.0),
    Trip(_TILE_LOOPS[1], lambda work: work.turns),
    Trip(r"i < end; \+\+i", _passed_segments),
    Trip(_TILE_LOOPS[2], lambda work: math.ceil(work.plan.segments / _AHEAD)),
    Trip(r"term = 0; term < params_\.rank", lambda work: math.ceil(work.shape.rank / TERMS)),
    Trip(
        r"term = 2 \* kTerms; term < params_\.rank",
        lambda work: max(0, math.ceil(work.shape.rank / TERMS) - 2),
    ),
    Trip(r"r < params_\.rank; \+\+r", lambda work: work.shape.rank),
)

# Of a branch inside a branch both count. Inputs and y are halves: y is rounded.
BRANCHES: tuple[tuple[str, Callable[[Work], float]], ...] = (
    (r"load_skip\(run, out\)", lambda work: work.part(0)),
    (r"load_from\(run, global\(\), out\)", lambda work: work.part(*work.global_loads)),
    (
        r"load_from\(run, shared_, out\)",
        lambda work: work.part(1, 2, 3) - work.part(*work.global_loads),
    ),
    (r"store_to\(run, y<T>", lambda work: work.part(3)),
    (r"store_to\(run, y<float>", lambda work: 0.0),
    (r"store_to\(run, global\(\), out\)", lambda work: work.part(*work.global_stores)),
    (
        r"store_to\(run, shared_, out\)",
        lambda work: work.part(0, 1, 2) - work.part(*work.global_stores),
    ),
    (r"add_terms<1, true>", lambda work: float(work.shape.rank <= TERMS // 2)),
    (r"add_terms<2, true>", lambda work: float(work.shape.rank > TERMS // 2)),
    (
        r"add_terms<1, false>",
        lambda work: float(
            work.shape.rank > TERMS // 2 and 0 < work.shape.rank % TERMS <= TERMS // 2
        ),
    ),
    (r"position\(j\) >= params_\.length", lambda work: work.cut_tiles),
    # Both stand where the tile is known to be cut.
    (r"position\(j\) < params_\.length", lambda work: work.cut_tiles),
    (r"run\.(pixels|slots)\[j\] = walk\.\w+\(\) \+ j", lambda work: work.holds_runs),
    (r"walk\.advance\(\)", lambda work: 1.0 - work.holds_runs),
    (r"in_segment", lambda work: float(work.plan.segments > 1)),
    (r"if \(meets_\) __syncthreads", lambda work: 0.1),  # once in a pass
    (r"pair_wait\(own_barrier\)", lambda work: work.taking_turns),
    (r"pair_arrive\(next_barrier\)", lambda work: work.taking_turns),
    (r"set_start\(params", lambda work: 1.0 - work.taking_turns),
    (r"batch \+ k >= end", lambda work: 1.0),
    (r"segments\.fold\(", lambda work: float(work.plan.segments > 1)),
    # N > 1: the last walk over a pixel writes y.
    (
        r"store_to\(static_cast<T \*>\(params_\.args\.y\)",
        lambda work: work.part(1, 3) / 2 / work.walks,
    ),
    (r"add_terms\(kTerms, second, acc\)", lambda work: float(work.shape.rank > TERMS)),
)


def hints(work: Work) -> list[Hint]:
    """How often the code behind each known branch runs."""
    return [Hint(pattern, likelihood(work)) for pattern, likelihood in BRANCHES]


def trips(passage: Passage, work: Work) -> float:
    """Passes of a loop in one of the loop around it; 0 where it is not entered.

    Raises:
        BuildError: the loop is not in the table.
    """
    rule = _rule(passage)
    count = float(rule.count(work))
    if rule.unit is not None:
        kind, per_iteration = rule.unit
        unrolled = max(1, round(passage.by_kind()[kind] / per_iteration))
        # Iterations that do not fill an unrolled pass run in a loop of their own, or in branches.
        return count / unrolled
    return count


def is_tile_loop(passage: Passage) -> bool:
    """Whether this is the loop whose pass is one tile or chunk of a route, or some segments."""
    return passage.depth > 0 and _rule(passage).statement in _TILE_LOOPS


def _rule(passage: Passage) -> Trip:
    for statement in passage.statements:
        for rule in TRIPS:
            if re.search(rule.statement, statement):
                return rule
    raise BuildError(
        f"the loop at {passage.place} has no rule: {passage.statement or 'no source line'}",
        hint="say how often it runs in benchmarks/kernel_model/kernels.py",
    )


def unused_rules(outermost: Sequence[Passage]) -> list[str]:
    """The patterns of `TRIPS` that no loop of these kernels has."""
    used = {_rule(each).statement for kernel in outermost for each in kernel.walk() if each.depth}
    return [rule.statement for rule in TRIPS if rule.statement not in used]


ALL_ROUTES = tuple(range(ROUTES))
ROWS, COLUMNS = (0, 2), (1, 3)
