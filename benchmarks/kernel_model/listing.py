"""The loops of the kernels of a source, as a table for the terminal."""

from __future__ import annotations

import re

from benchmarks.kernel_model.classes import Kind
from benchmarks.kernel_model.profile import Passage, profile
from benchmarks.kernel_model.sass import kernels, resources
from benchmarks.kernel_model.solo import solo_pass
from benchmarks.kernel_model.tools import MachineCode, demangled

_COLUMNS = tuple(Kind)


def loop_tables(
    code: MachineCode,
    *,
    pattern: str = "",
    opcodes: bool = False,
    waits: int = 0,
    per: float = 1.0,
) -> str:
    """Resources and, for each loop, the instructions of a pass, of the kernels whose name matches.

    Numbers are instructions of a warp in one pass of the loop's body, inner loops left out; a block
    behind a branch that goes either way counts half. `alone` is the cycles of a pass of a warp that
    has the multiprocessor for itself; `waits` asks for so many of the longest waits in it. All are
    divided by `per`, such as the elements of a thread in a pass.
    """
    used = resources(code.ptxas)
    parts = []
    for name, function in kernels(code).items():
        title = demangled(name)
        if re.search(pattern, title) is None:
            continue
        have = used[name]
        parts.append(
            f"{title}  sm_{code.architecture}: {have.registers} registers, "
            f"{have.static_shared_bytes} B static shared, {have.stack_bytes} B stack, "
            f"{have.spill_store_bytes}+{have.spill_load_bytes} B spilled"
        )
        parts += _table(profile(function), opcodes, waits, per)
        parts.append("")
    return "\n".join(parts)


def _table(outermost: Passage, opcodes: bool, waits: int, per: float) -> list[str]:
    head = f"  {'loop':20}{'at':34}{'all':>8}{'alone':>8}"
    lines = [head + "".join(f"{kind:>9}" for kind in _COLUMNS)]
    for row in outermost.walk():
        counts = row.by_kind()
        alone = solo_pass(row.steps)
        lines.append(
            f"  {'  ' * row.depth + (row.name or 'no loop'):20}{row.place:34}"
            f"{_number(row.count() / per):>8}{_number(alone.cycles / per):>8}"
            + "".join(f"{_number(counts[kind] / per):>9}" for kind in _COLUMNS)
        )
        if opcodes:
            lines.append("      " + _opcodes(row.by_mnemonic()))
        lines += [
            f"      {_number(wait.cycles / per):>7} waiting for {wait.opcode:8} {wait.text}"
            for wait in alone.waits[:waits]
        ]
    return lines


def _number(count: float) -> str:
    if not count:
        return "."
    return f"{count:.0f}" if count >= 20 else f"{count:.3g}"


def _opcodes(counts: dict[str, float]) -> str:
    return ", ".join(
        f"{name} {count:.0f}" for name, count in sorted(counts.items(), key=lambda each: -each[1])
    )
