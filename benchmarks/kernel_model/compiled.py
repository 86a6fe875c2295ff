"""The op's kernels, compiled for one architecture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.kernel_model.sass import Function, Resources, kernels, resources
from benchmarks.kernel_model.tools import demangled, kernel_sources, machine_code
from vmamba_deploy.errors import BuildError


@dataclass(frozen=True)
class CompiledKernels:
    """The kernels of one architecture, by the name that a programmer writes."""

    functions: Mapping[str, Function]
    used: Mapping[str, Resources]

    def named(self, name: str) -> tuple[Function, Resources]:
        """A kernel.

        Raises:
            BuildError: there is none of this name.
        """
        if name not in self.functions:
            raise BuildError(
                f"no kernel {name} among {', '.join(sorted(self.functions))}",
                hint="name the kernels that a plan launches in benchmarks/kernel_model/predict.py",
            )
        return self.functions[name], self.used[name]


def load_kernels(
    architectures: Sequence[int], sources: Sequence[Path] = ()
) -> dict[int, CompiledKernels]:
    """The kernels of these sources, or of the op's own, compiled or from the cache.

    Raises:
        EnvironmentProblem: nvcc or nvdisasm is not to be had.
        BuildError: a source does not compile.
    """
    functions: dict[int, dict[str, Function]] = {each: {} for each in architectures}
    used: dict[int, dict[str, Resources]] = {each: {} for each in architectures}
    for code in machine_code(sources or kernel_sources(), architectures):
        of_source = resources(code.ptxas)
        for name, function in kernels(code).items():
            title = demangled(name)
            functions[code.architecture][title] = function
            used[code.architecture][title] = of_source[name]
    return {each: CompiledKernels(functions[each], used[each]) for each in architectures}
