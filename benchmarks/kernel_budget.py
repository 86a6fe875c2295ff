"""Compares what the CUDA kernels cost with their budget; exit code 6 where it is more.

python -m benchmarks.kernel_budget            compare, on all architectures
python -m benchmarks.kernel_budget --write    make what they cost now the budget, and its page
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.kernel_costs import (
    ARCHITECTURES,
    COLUMNS,
    Costs,
    compiler_version,
    measure,
    sources_sha256,
)
from vmamba_deploy.errors import VmambaError

BUDGET = Path(__file__).with_suffix(".json")
PAGE = Path(__file__).parents[1] / "docs" / "kernel_resources.md"
EXCEEDED = 6
_COMMAND = "python -m benchmarks.kernel_budget"
_REGISTER_UNIT = 8  # in which threads get them: where it takes one more, fewer warps may fit


def excesses(budget: Costs, measured: Costs) -> list[str]:
    """What costs more than the budget allows, a line each; of the architectures that were measured.

    Instructions may be 2% and one more, registers as many as take no further unit of eight.
    """
    found = []
    for architecture in sorted({each for costs in measured.values() for each in costs}, key=float):
        for name in sorted({*budget, *measured}):
            before, now = (each.get(name, {}).get(architecture) for each in (budget, measured))
            place = f"{name} on {architecture}"
            if before and now:
                found += [
                    f"{place}: {column} {old} -> {new}"
                    for column, old, new in zip(COLUMNS, before, now, strict=True)
                    if _exceeds(column, old, new)
                ]
            elif before or now:
                found.append(f"{place}: {'no such kernel any more' if before else 'no budget'}")
    return found


def _exceeds(column: str, old: int, new: int) -> bool:
    if column == "instructions":
        return new > 1.02 * old + 1 or new == 0 < old  # 0: the loop is not found any more
    if column == "registers":
        return -(-new // _REGISTER_UNIT) > -(-old // _REGISTER_UNIT)
    return new > old


def read_budget() -> dict[str, Any]:
    """The checked-in budget: `nvcc`, `sources` (their sha256), and `kernels`, the costs."""
    budget: dict[str, Any] = json.loads(BUDGET.read_text())
    return budget


def budget_text(nvcc: str, sources: str, costs: Costs) -> str:
    """The budget as JSON, a kernel a line."""
    kernels = ",\n".join(f"{json.dumps(name)}: {json.dumps(costs[name])}" for name in costs)
    head = f'"nvcc": {json.dumps(nvcc)},\n"sources": {json.dumps(sources)}'
    columns = f'"columns": {json.dumps(COLUMNS)}'
    return f'{{\n{head},\n{columns},\n"kernels": {{\n{kernels}\n}}\n}}\n'


def page_text(nvcc: str, costs: Costs) -> str:
    """The budget as docs/kernel_resources.md."""
    rows = [["kernel", *ARCHITECTURES], ["---"] * (1 + len(ARCHITECTURES))]
    rows += [[f"`{name}`", *map(_cell, costs[name].values())] for name in costs]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"""# What the CUDA kernels cost

Written by `{_COMMAND} --write`, from the machine code of nvcc {nvcc}.
CI, and `make kernel-budget`, compare what they compile with these numbers. How fast the kernels
are, only a GPU shows: [performance.md](performance.md).

Registers of a thread / instructions of the inner loop / named barriers, by compute capability.
`+n`: bytes spilled; of stack and of static shared memory there is no more, unless a cell says so.
The loop is a piece of a route (a tile or a chunk), and in `pool_boxes` some rows of a map, counted
as it stands in the code: both ways of a branch, one pass of a loop inside.

{table}
"""


def _cell(cost: Sequence[int]) -> str:
    registers, spilled, stack, shared, barriers, instructions = cost
    text = f"{registers}{f' +{spilled}' if spilled else ''} / {instructions} / {barriers}"
    text += f", {stack} B stack" if stack > spilled else ""
    return text + (f", {shared} B shared" if shared else "")


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, or write; the exit code."""
    parser = argparse.ArgumentParser(prog=_COMMAND, description=__doc__.partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="make what they cost now the budget")
    write: bool = parser.parse_args(arguments).write
    measured, nvcc = measure(), compiler_version()
    if write:
        BUDGET.write_text(budget_text(nvcc, sources_sha256(), measured))
        PAGE.write_text(page_text(nvcc, measured))
        return 0
    budget = read_budget()
    found = excesses(budget["kernels"], measured)
    print("\n".join(found) or "within the budget")
    if found:
        print(f"the budget is of nvcc {budget['nvcc']}, this is of {nvcc}; --write makes a new one")
    return EXCEEDED if found else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except VmambaError as error:
        hint = f"\nhint: {error.hint}" if error.hint else ""
        print(f"error: {error.message}{hint}", file=sys.stderr)
        sys.exit(int(error.exit_code))
