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

RUNS, RUN_PIXELS, GROUP_CHANNELS, TERMS, STATE_BATCH, WARP = 8, 7, 16, 16, 8, 32
TILE_PIXELS = RUNS * RUN_PIXELS
ELEMENTS_PER_THREAD = TILE_PIXELS * GROUP_CHANNELS // WARP  # of a tile


@dataclass(frozen=True)
class Work:
    """What one warp of a launch does with one item: some routes of a segment of one scan."""

    shape: OpShape
    plan: Plan
    routes: tuple[int, ...]  # that the launch walks, one after the other
    item_routes: int  # how many of them one item walks

    @property
    def length(self) -> int:
        """Pixels of the map."""
        return self.shape.side**2

    @property
    def states(self) -> int:
        """States that a warp computes: where there are many, the warps of a scan divide them."""
        return -(-self.shape.state // self.plan.warps_per_scan)

    @property
    def turns(self) -> float:
        """Tiles that a warp takes of a route: where there is one state, the warps take turns."""
        tiles = min(self.plan.tiles, self.plan.tiles_per_segment)
        return max(1.0, tiles / self.plan.warps_per_scan) if self.shape.state == 1 else tiles

    @property
    def taking_turns(self) -> float:
        """1 where the warps of a scan take its tiles in turn and hand the state on, else 0."""
        return float(self.plan.warps_per_scan > 1 and self.shape.state == 1)

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
        return 0.0 if self.length % TILE_PIXELS == 0 else 1.0 / self.plan.tiles


@dataclass(frozen=True)
class Trip:
    """How often a loop runs; `unit` tells by which class of instruction it was unrolled."""

    statement: str
    count: Callable[[Work], float]
    unit: tuple[Kind, int] | None = None  # a class, and its instructions in one iteration


def _folded_batches(work: Work) -> float:
    """Of the segments before one, on average; of one state every run folds a part of them."""
    earlier = (work.plan.segments - 1) / 2
    return math.ceil(earlier / RUNS / 4) if work.shape.state == 1 else math.ceil(earlier / 2)


def _carry_rounds(work: Work) -> float:
    return math.ceil(work.states * GROUP_CHANNELS / WARP)


def _full_products(work: Work) -> float:
    return max(0.0, math.ceil((work.shape.rank - TERMS - TERMS / 2) / TERMS))


_TILE_LOOP = r"turn < turns\.count\(\)"
TRIPS = (
    Trip(r"item < items", lambda work: 1.0),
    Trip(r"step < 2 \* params\.last_pass", lambda work: work.item_routes),
    Trip(_TILE_LOOP, lambda work: work.turns),
    Trip(r"r < params\.rank; r \+= kRuns", lambda work: math.ceil(work.shape.rank / RUNS)),
    Trip(r"r < params\.rank; \+\+r", lambda work: work.shape.rank, (Kind.SHARED, 1)),
    Trip(r"term < params\.rank; term \+= kTerms", lambda work: math.ceil(work.shape.rank / TERMS)),
    Trip(r"term \+ kTerms / 2 < params\.rank", _full_products),
    Trip(r"n < (scan\.)?end_state\(\); n \+= kRuns", lambda work: math.ceil(work.states / RUNS)),
    Trip(r"batch < end; batch \+= kBatch", _folded_batches),
    Trip(r"first < end_state\(\)", lambda work: math.ceil(work.states / STATE_BATCH)),
    Trip(r"n < count; \+\+n", lambda work: min(work.states, STATE_BATCH)),
    Trip(r"n < end; n \+= kWarpLanes\) scan\.carry", _carry_rounds, (Kind.SHARED, 1)),
    Trip(r"n < end; n \+= kWarpLanes\) ends", _carry_rounds, (Kind.SHARED, 1)),
    Trip(r"turn < members_", lambda work: work.plan.warps_per_scan),
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
    (r"pair_wait\(own_barrier\)", lambda work: work.taking_turns),
    (r"pair_arrive\(next_barrier\)", lambda work: work.taking_turns),
    (r"set_start\(params", lambda work: 1.0 - work.taking_turns),
    (r"batch \+ k >= end", lambda work: 1.0),
    (r"segments\.fold\(", lambda work: float(work.plan.segments > 1)),
    (r"at\[(0|second|params_\.state)", lambda work: work.shape.state % 2),
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
    """Whether this is the loop whose pass is one tile of one route."""
    return passage.depth > 0 and _rule(passage).statement == _TILE_LOOP


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
