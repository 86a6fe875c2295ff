"""Commands that a stage runs, and what it makes of how they end."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.gpu_check.commands import (
    ROOT,
    CommandFailedError,
    ProjectCommand,
    gpu_test_files,
    raise_for_failures,
    run_all,
    run_command,
)
from benchmarks.gpu_check.context import StageSkippedError

TESTS = """
import time
import pytest

def test_good(): pass
def test_bad(): assert 1 == 2, "one is not two"
@pytest.mark.skip(reason="no GPU here")
def test_skipped(): pass
def test_slow():
    print("started", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def pytest_of(tmp_path: Path):
    (tmp_path / "test_sample.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")

    def command(name: str) -> ProjectCommand:
        arguments = ("pytest", "-q", "-s", "--rootdir", str(tmp_path), "-p", "no:cacheprovider")
        node = f"{tmp_path / 'test_sample.py'}::test_{name}"
        return ProjectCommand(name, (*arguments, "-c", str(tmp_path / "pytest.ini"), node), ())

    return command


def test_the_end_of_each_command_is_told(pytest_of) -> None:
    results = run_all([pytest_of(name) for name in ("good", "bad", "skipped")], seconds=60)
    assert {name: result["status"] for name, result in results.items()} == {
        "good": "passed",
        "bad": "failed",
        "skipped": "skipped",
    }
    assert results["good"]["counts"] == {"passed": 1}
    with pytest.raises(CommandFailedError, match=r"bad: failed\n[\s\S]*one is not two"):
        raise_for_failures(results)


def test_a_command_that_takes_too_long_keeps_what_it_printed(pytest_of) -> None:
    result = run_command(pytest_of("slow"), seconds=4)
    assert result["status"] == "timeout"
    assert "started" in result["output"]
    with pytest.raises(CommandFailedError, match="slow: timeout"):
        raise_for_failures({"slow": result})


def test_a_command_whose_packages_are_missing_is_skipped() -> None:
    command = ProjectCommand("engine", ("engine",), ("no_such_package",))
    result = run_command(command, seconds=1)
    assert result["reason"] == "Python has no no_such_package"
    with pytest.raises(StageSkippedError, match="engine: Python has no no_such_package"):
        raise_for_failures({"engine": result})


def test_only_files_with_tests_for_a_gpu_are_collected() -> None:
    files = gpu_test_files("tests/ops", "tests/plugins")
    assert "tests/plugins/test_cuda_gpu.py" in files
    assert "tests/ops/test_float64_reference.py" not in files
    assert all((ROOT / file).is_file() for file in files)
    with pytest.raises(StageSkippedError, match="tests/artifacts: no test needs a GPU"):
        gpu_test_files("tests/artifacts")
