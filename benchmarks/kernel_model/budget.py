"""What the kernels may cost: the checked-in budget, and what exceeds it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.kernel_model.compiled import CompiledKernels
from benchmarks.kernel_model.gpus import H100
from benchmarks.kernel_model.kernels import (
    ALL_ROUTES,
    Work,
    elements_per_thread,
    hints,
    tile_pixels,
)
from benchmarks.kernel_model.plan import Plan
from benchmarks.kernel_model.predict import tile_instructions
from benchmarks.kernel_model.profile import profile
from benchmarks.kernel_model.sass import Function, Resources
from benchmarks.op_shapes import ROUTES, OpShape
from vmamba_deploy.errors import InputFileError

BUDGET_FILE = Path(__file__).with_name("budget.json")
ARCHITECTURES = (80, 90)
# Compilers of one release differ by no more than this; a change of the sources that costs more is
# one to look at.
_RELATIVE, _ABSOLUTE = 0.02, 0.1
_REGISTER_UNIT = 8
_REWRITE = "if that is wanted: python -m benchmarks.kernel_model budget --write"

Json = dict[str, Any]


@dataclass(frozen=True)
class Excess:
    """One number of one kernel that is over its budget."""

    kernel: str
    architecture: int
    what: str
    before: float
    after: float

    def __str__(self) -> str:
        return (
            f"{self.kernel} on {self.architecture / 10}: {self.what} "
            f"{self.before:g} -> {self.after:g}"
        )


def measure(compiled: Mapping[int, CompiledKernels]) -> Json:
    """The budget that the kernels as they are would just keep, by architecture and kernel."""
    return {
        str(architecture): {
            name: _cost(name, function, code.used[name])
            for name, function in sorted(code.functions.items())
        }
        for architecture, code in sorted(compiled.items())
    }


def _cost(name: str, function: Function, used: Resources) -> Json:
    work = _work(name)
    counts = tile_instructions(profile(function, hints(work)), work)
    elements = elements_per_thread(work.shape.state)
    per_element = {
        kind.value: round(count / elements, 2) for kind, count in sorted(counts.items()) if count
    }
    return {
        "registers": used.registers,
        "spilled_bytes": used.spill_store_bytes + used.spill_load_bytes,
        "instructions_per_element": round(sum(counts.values()) / elements, 2),
        "by_class": per_element,
    }


def _work(name: str) -> Work:
    """The first row of the table with one state, or the one with sixteen, in one launch."""
    one_state = not name.startswith(("channel_", "merge_channels"))
    shape = OpShape(56, 96, 1, 6) if one_state else OpShape(56, 192, 16, 6)
    tiles = shape.side**2 // tile_pixels(shape.state)
    plan = Plan(
        global_map=not one_state,
        warps_per_scan=1 if one_state else 2,
        scans_per_block=1,
        tiles=tiles,
        tiles_per_segment=tiles,
        segments=1,
        shared_bytes=0,
        estimated_cycles=0.0,
        walk_states=1 if one_state else 16,
    )
    return Work(shape, plan, ALL_ROUTES, ROUTES)


def read_budget(path: Path = BUDGET_FILE) -> Json:
    """The checked-in budget.

    Raises:
        InputFileError: it is missing or no JSON.
    """
    try:
        budget: Json = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InputFileError(f"{path} cannot be read: {error}", hint=_REWRITE) from error
    return budget


def write_budget(measured: Json, path: Path = BUDGET_FILE) -> None:
    """Make what was measured the budget."""
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(json.dumps(measured, indent=1, sort_keys=True) + "\n")
    partial.replace(path)


def excesses(budget: Json, measured: Json) -> list[Excess]:
    """What costs more than the budget allows, or is not in it at all.

    Instructions may be 2% and a tenth of one over; registers may grow as long as no warp fewer fits
    into a multiprocessor; spills may not grow.
    """
    found = []
    for architecture, of_architecture in measured.items():
        for name, now in of_architecture.items():
            before = budget.get(architecture, {}).get(name)
            if before is None:
                found.append(Excess(name, int(architecture), "kernel without a budget", 0, 1))
                continue
            found += _compare(name, int(architecture), before, now)
    return found


def _compare(name: str, architecture: int, before: Json, now: Json) -> list[Excess]:
    found = []
    if now["spilled_bytes"] > before["spilled_bytes"]:
        spilled = before["spilled_bytes"], now["spilled_bytes"]
        found.append(Excess(name, architecture, "bytes spilled", *spilled))
    if _warps(now["registers"]) < _warps(before["registers"]):
        registers = before["registers"], now["registers"]
        found.append(
            Excess(name, architecture, "registers, which cost resident warps,", *registers)
        )
    if _exceeds(before["instructions_per_element"], now["instructions_per_element"]):
        counts = {"all": (before["instructions_per_element"], now["instructions_per_element"])}
        for kind, count in now["by_class"].items():
            counts[kind] = (before["by_class"].get(kind, 0.0), count)
        for kind, (old, new) in counts.items():
            if _exceeds(old, new):
                found.append(
                    Excess(name, architecture, f"instructions per element ({kind})", old, new)
                )
    return found


def _exceeds(before: float, after: float) -> bool:
    return after > before * (1 + _RELATIVE) + _ABSOLUTE


def _warps(registers: int) -> int:
    rounded = -(-registers // _REGISTER_UNIT) * _REGISTER_UNIT
    return H100.registers // (rounded * 32) // 4 * 4


def failure_text(found: list[Excess]) -> str:
    """The excesses as a message, a line each."""
    title = "over the budget of benchmarks/kernel_model/budget.json:"
    return "\n".join([title, *map(str, found), _REWRITE])
