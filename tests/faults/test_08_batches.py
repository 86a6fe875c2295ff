"""Batches of none, of more than was asked for, and of more than the memory holds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.digits import digits_of
from tests.faults.asking import ask, assert_refused
from tests.faults.conftest import Refuses
from tests.processes import HANG_S
from vmamba_deploy.errors import ExitCode, UsageError
from vmamba_deploy.inference import load


@pytest.mark.parametrize(
    "batch", ["0", "-1", "4097", "999999999", "1,0", "8,1", "1,1", "1,,8", "", "1e3", "٣٤x"]
)
@pytest.mark.parametrize("command", ["compare", "bench"])
def test_a_batch_that_none_can_have(
    refuses: Refuses, artifact: Path, command: str, batch: str
) -> None:
    refuses([command, artifact, "--batch", batch], ExitCode.USAGE, "batch")


@pytest.mark.parametrize("largest", [0, -1])
def test_a_limit_that_lets_nothing_through(artifact: Path, largest: int) -> None:
    with pytest.raises(UsageError, match="at least 1"):
        load(artifact, runtime="ort", max_batch=largest)


@pytest.mark.parametrize("batch", [1, 31, 33, 65, 450])
def test_a_batch_above_the_largest_is_split_and_right(artifact: Path, batch: int) -> None:
    with load(artifact, runtime="ort") as model:
        pixels = model.preprocess(list(digits_of("test").images[:batch]))
        one_by_one = np.concatenate([model(pixel[None]) for pixel in pixels])
        np.testing.assert_allclose(model(pixels), one_by_one, rtol=0, atol=1e-4)


OUT_OF_MEMORY = """
import resource, sys
from pathlib import Path
import numpy as np
from vmamba_deploy.errors import ResourceError
from vmamba_deploy.inference import load

with load(sys.argv[1], runtime="ort", streams=1, threads=1, max_batch=100_000) as model:
    one = np.zeros((1, 3, 32, 32), np.float32)
    before = model(one)
    many = np.zeros((20_000, 3, 32, 32), np.float32)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20), resource.RLIM_INFINITY))
    try:
        model(many)
    except ResourceError as error:
        print(error.message)
    np.testing.assert_array_equal(model(one), before)
"""


def test_a_batch_that_the_memory_cannot_hold(artifact: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", OUT_OF_MEMORY, artifact],
        capture_output=True,
        text=True,
        check=False,
        timeout=HANG_S,
    )
    assert ended.returncode == 0, ended.stderr
    assert "not enough memory" in ended.stdout


def test_memory_that_runs_out_in_a_command(
    monkeypatch: pytest.MonkeyPatch, artifact: Path, image: Path
) -> None:
    def full(*_: object, **_options: object) -> None:
        raise MemoryError

    monkeypatch.setattr("vmamba_deploy.inference.model.preprocess", full)
    answer = ask("predict", artifact, image, "--runtime", "ort")
    assert_refused(answer, ExitCode.RESOURCES, "not enough memory")
