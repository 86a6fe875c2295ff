"""The small kernels of loops.cu, compiled once."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.kernel_model.sass import Function, kernels
from benchmarks.kernel_model.tools import MachineCode, demangled, machine_code
from vmamba_deploy.errors import EnvironmentProblem

ARCHITECTURES = (80, 90, 120)


def compiled_or_skip(source: Path, architectures: tuple[int, ...]) -> list[MachineCode]:
    try:
        return machine_code([source], architectures)
    except EnvironmentProblem as problem:
        pytest.skip(f"{problem.message}: {problem.hint}")


@pytest.fixture(scope="session")
def small_code() -> dict[int, MachineCode]:
    source = Path(__file__).with_name("loops.cu")
    return {each.architecture: each for each in compiled_or_skip(source, ARCHITECTURES)}


@pytest.fixture(scope="session", params=ARCHITECTURES)
def small_kernels(request, small_code) -> dict[str, Function]:
    return {demangled(name): each for name, each in kernels(small_code[request.param]).items()}
