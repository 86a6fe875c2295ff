"""The CUDA kernels, compiled for the host, under the address and undefined-behaviour sanitizers.

Every buffer ends where the interface says that it does, shared memory where the launch says.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from emulation import EMULATION, SANITIZER_FLAGS, VECTOR_FLAGS, compile_emulated
from launch_cases import WAYS, LaunchCase, Way
from scan_cases import check_answer, write_call

from tests.processes import HANG_S
from vmamba_deploy.ops.op import BFLOAT16, FLOAT16, FLOAT32
from vmamba_deploy.testing import random_case


@pytest.fixture(scope="session")
def program() -> Path:
    return compile_emulated((*SANITIZER_FLAGS, *VECTOR_FLAGS), (EMULATION / "scan_program.cpp",))


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS, ids=str)
def test_every_way_of_launching(
    program: Path, tmp_path: Path, launch_cases: dict[Way, LaunchCase], way: Way
) -> None:
    case = launch_cases[way]
    arguments = [str(program), str(case.device.multiprocessors)]
    arguments += [str(case.device.shared_bytes_per_block), "5"]
    dtypes = [(FLOAT32, FLOAT32), (FLOAT16, FLOAT16), (BFLOAT16, FLOAT32)]
    scan_cases = [random_case(case.dims, in_dtype, seed=11) for in_dtype, _ in dtypes]
    answers = [tmp_path / f"y{i}" for i in range(len(dtypes))]
    for i, (scan_case, (_, out_dtype)) in enumerate(zip(scan_cases, dtypes, strict=True)):
        call = tmp_path / f"call{i}"
        write_call(call, scan_case, out_dtype, routes=True)
        arguments += [str(call), str(answers[i])]
    result = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=HANG_S)
    assert result.returncode == 0, result.stderr
    for answer, scan_case, (_, out_dtype) in zip(answers, scan_cases, dtypes, strict=True):
        check_answer(answer, scan_case, out_dtype)
