"""What the CUDA kernels cost, read from their machine code.

As ptxas gives them: registers of a thread; bytes spilled (stores and loads), of stack and of static
shared memory; named barriers. And, from the disassembly, the instructions of the inner loop: all
from its first one to its jump back, each once, however often it runs and behind whichever branch it
stands. The inner loop is the one in which most powers of two (MUFU.EX2) are computed, loops around
it left out: its pass is a piece of a route of the scan. In a kernel without powers it is the one
with most loads of global memory: some rows of a map, where features of boxes are added up.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sysconfig
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from vmamba_deploy.artifacts.atomic import atomic_write
from vmamba_deploy.errors import BuildError, EnvironmentProblem
from vmamba_deploy.native.cuda import require_cuda
from vmamba_deploy.native.layout import cache_folder, source_folder
from vmamba_deploy.native.processes import output_of, telling_lines
from vmamba_deploy.native.toolchain import find_host_compiler

ARCHITECTURES = ("8.0", "8.7", "8.9", "9.0", "10.0", "12.0")
_SOURCES = ("selective_scan.cu", "multi_level_roi_align.cu")  # of kernels/cuda
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
_ENTRY = re.compile(r"^ptxas info +: Compiling entry function '(\S+)'", re.MULTILINE)
_FUNCTION = re.compile(r"^\.text\.(\S+):$", re.MULTILINE)
_CODE = re.compile(r"^(\.L_\w+):|^\s+/\*[0-9a-f]{4,}\*/\s+(\S.*?)\s*;", re.MULTILINE)
# Before 9.0 a jump within a function may come as a call from which nothing returns.
_MARKS = ("MUFU.EX2", "LDG")  # by what an inner loop is known: the first one that a kernel has
_JUMP = re.compile(r"\b(?:BRA|JMP|CALL)\b.*`\((\.L_\w+)\)")

Costs = Mapping[str, Mapping[str, Sequence[int]]]  # by kernel and architecture, as COLUMNS has them


def kernel_costs(ptxas: str, listing: str) -> Iterator[tuple[str, list[int]]]:
    """The mangled name of each kernel and its cost, from `ptxas -v` and `nvdisasm -c`.

    Raises:
        BuildError: what ptxas says has another form, which must not pass for nothing used.
    """
    code = _FUNCTION.split(listing)[1:]
    functions = dict(zip(code[::2], code[1::2], strict=True))
    reports = _ENTRY.split(ptxas)[1:]
    for name, report in zip(reports[::2], reports[1::2], strict=True):
        told = {column: re.findall(pattern, report) for column, pattern in _PTXAS.items()}
        silent = [column for column in told if not told[column] and column != "shared"]
        if silent:
            raise BuildError(f"ptxas tells nothing of {', '.join(silent)}:\n{report.strip()}")
        yield name, [*(sum(map(int, each)) for each in told.values()), inner_loop(functions[name])]


def inner_loop(code: str) -> int:
    """Instructions of a function's inner loop; 0 where there is none."""
    labels: dict[str, int] = {}
    loops: dict[int, int] = {}  # the last instruction, by the first
    marks: dict[str, list[int]] = {mark: [] for mark in _MARKS}
    count = 0
    for label, instruction in _CODE.findall(code):
        if label:
            labels[label] = count
            continue
        jump = _JUMP.search(instruction)
        if jump and jump[1] in labels:  # met before: it goes back
            loops[labels[jump[1]]] = count
        for mark, places in marks.items():
            if mark in instruction:
                places.append(count)
        count += 1
    places = next(filter(None, marks.values()), [])
    around = ([loop for loop in loops.items() if loop[0] <= at <= loop[1]] for at in places)
    inner = Counter(min(each, key=_length) for each in around if each)
    return _length(max(inner, key=lambda loop: (inner[loop], -_length(loop)), default=(0, -1)))


def _length(loop: tuple[int, int]) -> int:
    return loop[1] - loop[0] + 1


def measure(architectures: Sequence[str] = ARCHITECTURES, plugins: Path | None = None) -> Costs:
    """What the kernels of the native sources cost, compiled (two at a time) or from the cache.

    Raises:
        EnvironmentProblem: nvcc, nvdisasm or c++filt is not to be had.
        BuildError: the kernels do not compile.
    """
    nvdisasm, sources = require_nvdisasm(), plugins or source_folder()

    def of_one(wanted: tuple[str, str]) -> Iterator[tuple[str, list[int]]]:
        cubin = _compiled(*wanted, sources)
        ptxas = cubin.with_suffix(".ptxas").read_text()
        costs = dict(kernel_costs(ptxas, output_of([nvdisasm, "-c", cubin])))
        names = output_of(["c++filt", *costs]).splitlines()
        return zip(map(short_name, names), costs.values(), strict=True)

    found: dict[str, dict[str, list[int]]] = {}
    wanted = [(each, source) for each in architectures for source in _SOURCES]
    with ThreadPoolExecutor(2) as pool:
        for (architecture, _), costs in zip(wanted, pool.map(of_one, wanted), strict=True):
            for name, cost in costs:
                found.setdefault(name, {})[architecture] = cost
    return dict(sorted(found.items()))


def compiler_version() -> str:
    """That of nvcc, such as 13.0.88."""
    return require_cuda().version


def sources_sha256(plugins: Path | None = None) -> str:
    """Of all that the kernels are made of: equal ones cost the same under an equal nvcc."""
    root = plugins or source_folder()
    digest = hashlib.sha256(" ".join(_FLAGS).encode())
    for folder in ("include", "kernels/common", "kernels/cuda"):
        for path in sorted(each for each in (root / folder).rglob("*") if each.is_file()):
            digest.update(f"{path.relative_to(root).as_posix()}\n".encode() + path.read_bytes())
    return digest.hexdigest()


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


def _compiled(architecture: str, name: str, plugins: Path) -> Path:
    """Machine code, ptxas's report beside it; kept under a hash of all that it is made of."""
    toolkit, number = require_cuda(), architecture.replace(".", "")
    source = plugins / "kernels/cuda" / name
    command: list[str | Path] = [toolkit.nvcc, *_FLAGS]
    command += [f"-I{plugins / 'include'}", f"-I{plugins / 'kernels'}"]
    command += [f"--generate-code=arch=compute_{number},code=sm_{number}"]
    command += [f"-ccbin={toolkit.host_compiler(find_host_compiler()).path}"]
    text = output_of([*command, "-E", source])
    digest = hashlib.sha256(f"{toolkit.version} {_FLAGS} {text}".encode()).hexdigest()[:16]
    cubin = cache_folder() / "kernel_budget" / f"{number}-{digest}.cubin"
    if not cubin.is_file():
        cubin.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(cubin) as partial, atomic_write(cubin.with_suffix(".ptxas")) as report:
            full = [*map(str, command), "-cubin", "-o", str(partial), str(source)]
            done = subprocess.run(full, capture_output=True, text=True)
            if done.returncode != 0:
                raise BuildError(f"{source} does not compile:\n{telling_lines(done.stderr)}")
            if output_of([*command, "-E", source]) != text:
                raise BuildError("the sources changed while they were compiled", hint="once more")
            report.write_text(done.stderr)
    return cubin


def short_name(name: str) -> str:
    """A kernel's name as a C++ programmer writes it, without namespace and parameters."""
    return re.sub(r"\((?:int|bool)\)|\bvmamba::|^void ", "", name).partition("(")[0]
