"""The time of the op on a GPU, from the kernels' machine code.

For each launch, cycles of a warp's item = sum over its loops of passes x cycles of a pass, the
latter simulated with as many warps on a scheduler as fit (simulate.py), divided by EFFICIENCY.
Where several warps pass a carry along, a route takes at least tiles x cycles of one hand-over.
Blocks run in rounds of as many as are resident; the last round has what is left. The launch takes
the longest of that, its bytes over the L2's bandwidth and its bytes over the memory's, plus the
cost of a launch. The op is the sum of its launches and of x_proj.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

from benchmarks.kernel_model.classes import Kind
from benchmarks.kernel_model.compiled import CompiledKernels
from benchmarks.kernel_model.gpus import SCHEDULERS, Gpu
from benchmarks.kernel_model.handover import handover_cycles
from benchmarks.kernel_model.kernels import (
    ALL_ROUTES,
    COLUMNS,
    ROWS,
    Work,
    elements_per_thread,
    group_channels,
    hints,
    is_tile_loop,
    trips,
)
from benchmarks.kernel_model.occupancy import resident_blocks
from benchmarks.kernel_model.pipes import ROW_LINES, SCATTERED_LINES
from benchmarks.kernel_model.plan import Plan, make_plan
from benchmarks.kernel_model.profile import Passage, Step, profile
from benchmarks.kernel_model.sass import Instruction
from benchmarks.kernel_model.simulate import pass_cycles
from benchmarks.kernel_model.traffic import projection_seconds, route_traffic
from benchmarks.op_shapes import PUBLISHED, ROUTES, OpShape
from vmamba_deploy.errors import BuildError

# What a scheduler attains of the simulated rate: the rest goes to instruction fetches, register
# banks and uneven blocks. Not measured yet; set it from the first profile.
EFFICIENCY = 0.85


@dataclass(frozen=True)
class LoopCost:
    """What one loop adds to an item of a warp, inner loops left out."""

    loop: str  # its source line, "" for the code outside of all loops
    passes: float
    instructions: float  # of a pass
    cycles: float  # of a pass, with the warps that share the scheduler

    @property
    def total_cycles(self) -> float:
        """Cycles of all passes."""
        return self.passes * self.cycles


@dataclass(frozen=True)
class LaunchPrediction:
    """One kernel of a call."""

    kernel: str
    blocks: int
    block_warps: int
    warps_per_scheduler: float  # while the GPU is full
    instructions_per_element: float  # of the tile loop, over its elements and routes
    compute_us: float
    l2_us: float
    dram_us: float
    bound: str
    total_us: float
    loops: tuple[LoopCost, ...]  # of one item, while the GPU is full


@dataclass(frozen=True)
class Prediction:
    """The op at one shape and batch on one GPU."""

    gpu: str
    shape: str
    batch: int
    plan: str
    launches: tuple[LaunchPrediction, ...]
    projection_us: float
    total_us: float
    floor_us: float
    floor_bound: str
    published_chain_us: float  # NaN where it is not known

    @property
    def bound(self) -> str:
        """What bounds the longest of its launches."""
        return max(self.launches, key=lambda launch: launch.total_us).bound

    @property
    def speedup(self) -> float:
        """Over the public chain, whose time is of an H100."""
        return self.published_chain_us / self.total_us


def predict(code: CompiledKernels, shape: OpShape, batch: int, gpu: Gpu) -> Prediction:
    """The op with float16 inputs and output."""
    plan = make_plan(shape, batch, gpu)
    published = PUBLISHED.get(shape, {}).get(batch)
    model = _Model(code, shape, batch, gpu, plan)
    launches = tuple(model.launches())
    projection = projection_seconds(shape, batch, gpu)
    by_bytes = shape.bytes_moved(batch) / gpu.dram_bytes_per_s
    by_special = shape.special_functions(batch) / gpu.special_per_s
    return Prediction(
        gpu=gpu.name,
        shape=shape.name,
        batch=batch,
        plan=_plan_text(plan),
        launches=launches,
        projection_us=projection * 1e6,
        total_us=sum(launch.total_us for launch in launches) + projection * 1e6,
        floor_us=max(by_bytes, by_special) * 1e6,
        floor_bound="bytes" if by_bytes > by_special else "special functions",
        published_chain_us=published.chain_us if published else math.nan,
    )


def _plan_text(plan: Plan) -> str:
    place = "global" if plan.global_map else "shared"
    split = f", {plan.segments} segments" if plan.segments > 1 else ""
    return f"{place} map, {plan.scans_per_block} x {plan.warps_per_scan} warps{split}"


class _Model:
    def __init__(
        self, code: CompiledKernels, shape: OpShape, batch: int, gpu: Gpu, plan: Plan
    ) -> None:
        self._code, self._shape, self._batch, self._gpu = code, shape, batch, gpu
        self._plan = plan
        self._groups = -(-shape.channels // group_channels(shape.state))

    def launches(self) -> list[LaunchPrediction]:
        return self._tile_launches() if self._shape.state == 1 else self._channel_launches()

    def _tile_launches(self) -> list[LaunchPrediction]:
        merge = "merge_routes<__half, true>"
        plan = self._plan
        group_blocks = -(-self._groups // plan.scans_per_block)
        blocks = self._batch * plan.segments * group_blocks
        # Where the channels do not fill the last block of an image, some of its warps are idle.
        warps = plan.block_warps * self._groups / (group_blocks * plan.scans_per_block)
        ways = 2 if plan.warps_per_scan > 1 else 1  # that a scan's warps go at once
        if plan.segments == 1:
            return [self._launch(merge, blocks, warps, self._work(ALL_ROUTES, ROUTES // ways))]
        ends = "segment_ends<__half, true>"
        one_route = self._work(ALL_ROUTES, 1, merges=False)
        return [
            self._launch(ends, blocks * ROUTES // ways, warps, one_route),
            self._launch(merge, blocks, warps, self._work(ROWS, 2 // ways)),
            self._launch(merge, blocks, warps, self._work(COLUMNS, 2 // ways)),
        ]

    def _channel_launches(self) -> list[LaunchPrediction]:
        plan, states = self._plan, self._plan.walk_states // 2
        merge = f"merge_channels<__half, {states}, true>"
        scans = self._batch * plan.segments * self._groups
        if plan.segments == 1:
            return [self._of_warps(merge, 2 * scans, self._work(ALL_ROUTES, ROUTES))]
        one_route = self._work(ALL_ROUTES, 1, merges=False)
        rows = self._batch * self._groups * ROUTES * self._shape.state
        starts = self._of_warps("channel_starts", rows, one_route)
        return [
            self._of_warps(f"channel_ends<__half, {states}, true>", ROUTES * scans, one_route),
            *([starts] if plan.finds_starts else []),
            self._of_warps(merge, 2 * scans, self._work(ROWS, len(ROWS))),
            self._of_warps(merge, 2 * scans, self._work(COLUMNS, len(COLUMNS))),
        ]

    def _of_warps(self, name: str, warps: int, work: Work) -> LaunchPrediction:
        blocks = -(-warps // self._plan.block_warps)
        return self._launch(name, blocks, warps / blocks, work)

    def _work(self, routes: tuple[int, ...], item_routes: int, merges: bool = True) -> Work:
        return Work(self._shape, self._plan, routes, item_routes, merges)

    def _launch(self, name: str, blocks: int, busy_warps: float, work: Work) -> LaunchPrediction:
        gpu, plan = self._gpu, self._plan
        function, used = self._code.named(name)
        resident = resident_blocks(
            gpu,
            registers=used.registers,
            block_warps=plan.block_warps,
            shared_bytes=plan.shared_bytes + used.static_shared_bytes,
        )
        if resident == 0:
            raise BuildError(f"a block of {name} does not fit into a multiprocessor of {gpu.name}")
        outermost = profile(function, hints(work))
        per_multiprocessor = math.ceil(blocks / gpu.multiprocessors)
        full_rounds, rest = divmod(per_multiprocessor, resident)
        cycles = 0.0
        for rounds, blocks_held in ((full_rounds, resident), (1, rest)):
            if rounds and blocks_held:
                warps = math.ceil(blocks_held * busy_warps / SCHEDULERS)
                costs = self._loop_costs(outermost, work, warps)
                cycles += rounds * sum(cost.total_cycles for cost in costs)
        compute = cycles / EFFICIENCY / gpu.clock_hz
        held = min(per_multiprocessor, resident)
        in_flight = min(blocks, resident * gpu.multiprocessors) * plan.scans_per_block
        traffic = route_traffic(work, self._batch, in_flight, gpu)
        times = {
            "instructions and latency": compute,
            "L2 bytes": traffic.l2 / gpu.l2_bytes_per_s,
            "memory bytes": traffic.dram / gpu.dram_bytes_per_s,
        }
        bound = max(times, key=lambda each: times[each])
        return LaunchPrediction(
            kernel=name,
            blocks=blocks,
            block_warps=plan.block_warps,
            warps_per_scheduler=held * busy_warps / SCHEDULERS,
            instructions_per_element=sum(tile_instructions(outermost, work).values())
            / elements_per_thread(self._shape.state),
            compute_us=compute * 1e6,
            l2_us=times["L2 bytes"] * 1e6,
            dram_us=times["memory bytes"] * 1e6,
            bound=bound,
            total_us=(times[bound] + gpu.launch_s) * 1e6,
            loops=tuple(
                self._loop_costs(outermost, work, math.ceil(held * busy_warps / SCHEDULERS))
            ),
        )

    def _loop_costs(
        self, passage: Passage, work: Work, warps: int, passes: float = 1.0
    ) -> list[LoopCost]:
        """Of a passage and all inside it, with `warps` on each scheduler."""
        lines = SCATTERED_LINES if self._shape.state == 1 else ROW_LINES
        cycles = _pass_cycles(tuple(_likely(passage.steps)), warps, self._gpu, lines)
        if passage.depth and is_tile_loop(passage) and work.taking_turns:
            hand_over = handover_cycles(_likely(passage.steps))
            cycles = max(cycles, work.members * hand_over)
        costs = [LoopCost(passage.statement, passes, passage.count(), cycles)]
        for inner in passage.inner:
            costs += self._loop_costs(inner, work, warps, passes * trips(inner, work))
        return costs


@cache
def _pass_cycles(trace: tuple[Instruction, ...], warps: int, gpu: Gpu, lines: int) -> float:
    return pass_cycles(trace, warps, gpu, lines)


def _likely(steps: list[Step]) -> list[Instruction]:
    return [step.instruction for step in steps if step.likelihood >= 0.5]


def tile_instructions(outermost: Passage, work: Work) -> dict[Kind, float]:
    """Instructions of a warp for one tile of one route by class, inner loops included."""
    loop = next((each for each in outermost.walk() if is_tile_loop(each)), None)
    if loop is None:
        raise BuildError("a kernel has no loop over tiles")
    return _by_kind(loop, work)


def _by_kind(passage: Passage, work: Work) -> dict[Kind, float]:
    counts = dict(passage.by_kind())
    for inner in passage.inner:
        passes = trips(inner, work)
        for kind, count in _by_kind(inner, work).items():
            counts[kind] = counts.get(kind, 0.0) + passes * count
    return counts
