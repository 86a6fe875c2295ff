"""AOTInductor's compiler for tests: it compiles equal programs once, for half a minute each."""

from __future__ import annotations

import hashlib
import io
import shutil
from typing import Any
from unittest import mock

import torch
from torch._inductor import aoti_compile_and_package as compile_and_package

from tests.kept import kept, kept_for_later_runs


def keeping_compiler() -> Any:
    """A context in which PyTorch compiles only what no test has had compiled before.

    All that comes before the compiler is run each time. A program is known by its graph, the
    content of its tensors, PyTorch's version and what the processor can do.
    """

    def compile_once(
        program: torch.export.ExportedProgram, *, package_path: str, **settings: Any
    ) -> str:
        processor = torch.backends.cpu.get_cpu_capability()
        key = [torch.__version__, processor, str(settings), str(program)]
        for name, tensor in {**program.state_dict, **program.constants}.items():
            content = io.BytesIO()
            torch.save(tensor, content)
            key.append(f"{name} {hashlib.sha256(content.getvalue()).hexdigest()}")
        package = kept(
            kept_for_later_runs("aoti"),
            key,
            lambda path: compile_and_package(program, package_path=str(path), **settings),
            suffix=".pt2",
        )
        shutil.copyfile(package, package_path)
        return package_path

    return mock.patch.object(torch._inductor, "aoti_compile_and_package", compile_once)
