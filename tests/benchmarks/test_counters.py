"""Counters as Nsight Compute prints them, and what is told where it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.gpu import counters
from benchmarks.gpu.counters import ProfilerError, profile_op, rows_of
from benchmarks.texts import counters_text
from vmamba_deploy import native
from vmamba_deploy.errors import EnvironmentProblem

COLUMNS = '"ID","Process ID","Kernel Name","Block Size","Grid Size","CC"'
OUTPUT = f"""==PROF== Connected to process 731 (/usr/bin/python3.12)
==PROF== Profiling "scan_image": 0%....50%....100% - 4 passes
==PROF== Disconnected from process 731
{COLUMNS},"gpu__time_duration.sum","dram__bytes_read.sum","launch__registers_per_thread"
"","","","","","","us","Mbyte","register/thread"
"0","731","void vmamba::scan_image<__half, 1>(Params)","(128, 1, 1)","(132, 1, 1)","9.0","61.41","1,204.5","96"
"1","731","vmamba::find_starts(Params, int)","(32, 1, 1)","(8, 2, 1)","9.0","4.10","","40"
"""  # noqa: E501 - as it is printed


def test_each_launch_is_a_row_whose_values_carry_their_unit() -> None:
    assert rows_of(OUTPUT) == [
        {
            "kernel": "void vmamba::scan_image<__half, 1>(Params)",
            "grid": "(132, 1, 1)",
            "duration": "61.41 us",
            "DRAM bytes read": "1,204.5 Mbyte",
            "registers": "96 register/thread",
        },
        {
            "kernel": "vmamba::find_starts(Params, int)",
            "grid": "(8, 2, 1)",
            "duration": "4.10 us",
            "registers": "40 register/thread",
        },
    ]
    text = counters_text({"rows": rows_of(OUTPUT)})
    first, second = text.splitlines()
    assert first.startswith(
        "void vmamba::scan_image<__half, 1>: grid (132, 1, 1), duration 61.41 us"
    )
    assert second.endswith("registers 40 register/thread")


@pytest.mark.parametrize("output", ["", "==ERROR== ERR_NVGPUCTRPERM: no permission\n"])
def test_without_counters_there_are_no_rows(output: str) -> None:
    assert rows_of(output) == []


@pytest.fixture
def ncu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program in the profiler's place, which a test writes."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(native, "library_path", lambda name: tmp_path / f"lib{name}.so")
    program = tmp_path / "ncu"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return program


def test_the_profiler_is_asked_for_every_counter(ncu: Path, tmp_path: Path) -> None:
    (tmp_path / "output").write_text(OUTPUT)
    ncu.write_text(
        f'#!/bin/sh\necho "$VMAMBA_NATIVE_DIR $@" > {tmp_path}/asked\ncat {tmp_path}/output\n'
    )
    assert profile_op(60)["rows"] == rows_of(OUTPUT)
    asked = (tmp_path / "asked").read_text()
    assert asked.startswith(f"{tmp_path} --csv ")
    assert all(metric in asked for metric in counters.METRICS)
    assert asked.endswith("-m benchmarks.gpu.device_calls profiled\n")


def test_a_profiler_without_counters_is_an_error_in_its_words(ncu: Path) -> None:
    ncu.write_text("#!/bin/sh\necho '==ERROR== ERR_NVGPUCTRPERM'\nexit 1\n")
    with pytest.raises(ProfilerError, match="ERR_NVGPUCTRPERM"):
        profile_op(60)


def test_without_a_profiler_the_machine_lacks_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("benchmarks.gpu.counters._PLACES", (str(tmp_path),))
    with pytest.raises(EnvironmentProblem, match="ncu"):
        profile_op(60)
