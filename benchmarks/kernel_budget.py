"""What the CUDA kernels cost, held by a budget: `python -m benchmarks.kernel_budget`.

For every kernel and architecture, as ptxas gives them: registers of a thread; bytes spilled (stores
and loads), of stack and of static shared memory; named barriers. And, from the disassembly, the
instructions of the inner loop: all from its first one to its jump back, each once, however often it
runs and behind whichever branch it stands. The inner loop is the one in which most powers of two
(MUFU.EX2) are computed, loops around it left out: its pass is a tile of a route, or a chunk.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from vmamba_deploy.artifacts.atomic import atomic_write
from vmamba_deploy.errors import BuildError, EnvironmentProblem, VmambaError
from vmamba_deploy.native.cuda import require_cuda
from vmamba_deploy.native.layout import cache_folder, source_folder
from vmamba_deploy.native.processes import output_of, telling_lines
from vmamba_deploy.native.toolchain import find_host_compiler

ARCHITECTURES = ("8.0", "8.7", "8.9", "9.0", "10.0", "12.0")
BUDGET = Path(__file__).with_suffix(".json")
PAGE = Path(__file__).parents[1] / "docs" / "kernel_resources.md"
EXCEEDED = 6
_COMMAND = "python -m benchmarks.kernel_budget"
# As CMake's Release build has them; the report of ptxas beside it.
_FLAGS = ("-O3", "-DNDEBUG", "-std=c++17", "-Xcompiler=-fPIC,-fvisibility=hidden", "-Xptxas=-v")
_PTXAS = {
    "registers": r"Used (\d+) registers",
    "spilled": r"(\d+) bytes spill \w+",
    "stack": r"(\d+) bytes stack frame",
    "shared": r"(\d+) bytes smem",
    "barriers": r"used (\d+) barriers",
}
COLUMNS = (*_PTXAS, "instructions")
_REGISTER_UNIT = 8  # in which threads get them: where it takes one more, fewer warps may fit
_ENTRY = re.compile(r"^ptxas info +: Compiling entry function '(\S+)'", re.MULTILINE)
_FUNCTION = re.compile(r"^\.text\.(\S+):$", re.MULTILINE)
_CODE = re.compile(r"^(\.L_\w+):|^\s+/\*[0-9a-f]{4,}\*/\s+(\S.*?)\s*;", re.MULTILINE)
# Before 9.0 a jump within a function may come as a call from which nothing returns.
_JUMP = re.compile(r"\b(?:BRA|JMP|CALL)\b.*`\((\.L_\w+)\)")

Costs = Mapping[str, Mapping[str, Sequence[int]]]  # by kernel and architecture, as COLUMNS has them


def kernel_costs(ptxas: str, listing: str) -> Iterator[tuple[str, list[int]]]:
    """The mangled name of each kernel and its cost, from `ptxas -v` and `nvdisasm -c`."""
    code = _FUNCTION.split(listing)[1:]
    functions = dict(zip(code[::2], code[1::2], strict=True))
    reports = _ENTRY.split(ptxas)[1:]
    for name, report in zip(reports[::2], reports[1::2], strict=True):
        used = [sum(map(int, re.findall(pattern, report))) for pattern in _PTXAS.values()]
        yield name, [*used, inner_loop(functions[name])]


def inner_loop(code: str) -> int:
    """Instructions of a function's inner loop; 0 where there is none."""
    labels: dict[str, int] = {}
    loops: dict[int, int] = {}  # the last instruction, by the first
    powers: list[int] = []
    count = 0
    for label, instruction in _CODE.findall(code):
        if label:
            labels[label] = count
            continue
        jump = _JUMP.search(instruction)
        if jump and jump[1] in labels:  # met before: it goes back
            loops[labels[jump[1]]] = count
        if "MUFU.EX2" in instruction:
            powers.append(count)
        count += 1
    around = ([loop for loop in loops.items() if loop[0] <= at <= loop[1]] for at in powers)
    inner = Counter(min(each, key=lambda loop: loop[1] - loop[0]) for each in around if each)
    if not inner:
        return 0
    ((begin, end), _), *_ = inner.most_common(1)
    return end - begin + 1


def measure(architectures: Sequence[str] = ARCHITECTURES, plugins: Path | None = None) -> Costs:
    """What the kernels of the native sources cost, compiled (two at a time) or from the cache.

    Raises:
        EnvironmentProblem: nvcc, nvdisasm or c++filt is not to be had.
        BuildError: the kernels do not compile.
    """
    nvdisasm, sources = require_nvdisasm(), plugins or source_folder()

    def of_architecture(architecture: str) -> Iterator[tuple[str, list[int]]]:
        cubin = _compiled(architecture, sources)
        ptxas = cubin.with_suffix(".ptxas").read_text()
        costs = dict(kernel_costs(ptxas, output_of([nvdisasm, "-c", cubin])))
        names = output_of(["c++filt", *costs]).splitlines()
        return zip(map(short_name, names), costs.values(), strict=True)

    found: dict[str, dict[str, list[int]]] = {}
    with ThreadPoolExecutor(2) as pool:
        made = pool.map(of_architecture, architectures)
        for architecture, costs in zip(architectures, made, strict=True):
            for name, cost in costs:
                found.setdefault(name, {})[architecture] = cost
    return dict(sorted(found.items()))


def require_nvdisasm() -> Path:
    """The disassembler of the development requirements, or that of a CUDA toolkit.

    Raises:
        EnvironmentProblem: there is neither.
    """
    packaged = Path(sysconfig.get_path("purelib"), "nvidia/cu13/bin/nvdisasm")
    found = packaged if os.access(packaged, os.X_OK) else shutil.which("nvdisasm")
    if found is None:
        raise EnvironmentProblem("no nvdisasm found", hint="pip install nvidia-cuda-nvdisasm")
    return Path(found)


def _compiled(architecture: str, plugins: Path) -> Path:
    """Machine code, ptxas's report beside it; kept under a hash of all that it is made of."""
    toolkit, number = require_cuda(), architecture.replace(".", "")
    source = plugins / "kernels/cuda/selective_scan_2d.cu"
    command: list[str | Path] = [toolkit.nvcc, *_FLAGS, f"-I{plugins / 'include'}"]
    command += [
        f"-I{plugins / 'kernels'}",
        f"--generate-code=arch=compute_{number},code=sm_{number}",
    ]
    command.append(f"-ccbin={toolkit.host_compiler(find_host_compiler()).path}")
    made_of = f"{toolkit.version} {_FLAGS} {output_of([*command, '-E', source])}"
    digest = hashlib.sha256(made_of.encode()).hexdigest()[:16]
    cubin = cache_folder() / "kernel_budget" / f"{number}-{digest}.cubin"
    if not cubin.is_file():
        cubin.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(cubin) as partial, atomic_write(cubin.with_suffix(".ptxas")) as report:
            full = [*map(str, command), "-cubin", "-o", str(partial), str(source)]
            done = subprocess.run(full, capture_output=True, text=True)
            if done.returncode != 0:
                raise BuildError(f"{source} does not compile:\n{telling_lines(done.stderr)}")
            report.write_text(done.stderr)
    return cubin


def short_name(name: str) -> str:
    """A kernel's name as a C++ programmer writes it, without namespace and parameters."""
    return re.sub(r"\((?:int|bool)\)|\bvmamba::|^void ", "", name).partition("(")[0]


def excesses(budget: Costs, measured: Costs) -> list[str]:
    """What costs more than the budget allows on an architecture that was measured, a line each.

    Instructions may be 2% and one more, registers as many as take no further unit of eight.
    """
    found = []
    for architecture in sorted({each for costs in measured.values() for each in costs}, key=float):
        for name in sorted({*budget, *measured}):
            before = budget.get(name, {}).get(architecture)
            now = measured.get(name, {}).get(architecture)
            if before is None and now is None:
                continue
            if before is None or now is None:
                gone = "not in the budget" if now else "in the budget, but no kernel any more"
                found.append(f"{name} on {architecture}: {gone}")
                continue
            found += [
                f"{name} on {architecture}: {column} {old} -> {new}"
                for column, old, new in zip(COLUMNS, before, now, strict=True)
                if _exceeds(column, old, new)
            ]
    return found


def _exceeds(column: str, old: int, new: int) -> bool:
    if column == "instructions":
        return new > 1.02 * old + 1 or new == 0 < old  # 0: the loop is not found any more
    if column == "registers":
        return -(-new // _REGISTER_UNIT) > -(-old // _REGISTER_UNIT)
    return new > old


def read_budget() -> dict[str, Any]:
    """The checked-in budget: `nvcc`, the compiler that made it, and `kernels`, the costs."""
    budget: dict[str, Any] = json.loads(BUDGET.read_text())
    return budget


def budget_text(nvcc: str, costs: Costs) -> str:
    """The budget as JSON, a kernel a line."""
    kernels = ",\n".join(f"{json.dumps(name)}: {json.dumps(costs[name])}" for name in costs)
    head = f'"nvcc": {json.dumps(nvcc)},\n"columns": {json.dumps(COLUMNS)}'
    return f'{{\n{head},\n"kernels": {{\n{kernels}\n}}\n}}\n'


def page_text(nvcc: str, costs: Costs) -> str:
    """The budget as docs/kernel_resources.md."""
    rows = [["kernel", *ARCHITECTURES], ["---"] * (1 + len(ARCHITECTURES))]
    rows += [[f"`{name}`", *map(_cell, costs[name].values())] for name in costs]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"""# What the CUDA kernels cost

Written by `{_COMMAND} --write` from the machine code that nvcc {nvcc} makes. CI compares what it
compiles with these numbers, and so does `make kernel-budget`.

Registers of a thread / instructions of the inner loop / named barriers, by compute capability;
`+n`: bytes spilled. Static shared memory and stack frames beyond the spills: none, unless a cell says
so. The loop is counted as it stands in the code: of the ways past a branch all, of an inner loop one
pass.

{table}
"""


def _cell(cost: Sequence[int]) -> str:
    registers, spilled, stack, shared, barriers, instructions = cost
    text = f"{registers}{f' +{spilled}' if spilled else ''} / {instructions} / {barriers}"
    if stack and not spilled:
        text += f", {stack} B stack"
    return text + (f", {shared} B shared" if shared else "")


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, or write; the exit code."""
    parser = argparse.ArgumentParser(prog=_COMMAND, description="The budget of the CUDA kernels.")
    parser.add_argument("--write", action="store_true", help="make what they cost now the budget")
    write: bool = parser.parse_args(arguments).write
    measured, nvcc = measure(), require_cuda().version
    if write:
        for path, text in ((BUDGET, budget_text), (PAGE, page_text)):
            path.write_text(text(nvcc, measured))
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
        print(f"error: {error.message}\nhint: {error.hint}", file=sys.stderr)
        sys.exit(int(error.exit_code))
