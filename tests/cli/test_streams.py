"""Outputs that end, fill up or are not there at all, of real processes."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import HANG_S

TOOL = [sys.executable, "-c", "from vmamba_deploy.cli import main; main()"]
PROGRAM = """
import os, sys
from vmamba_deploy.cli.streams import outlive_readers
outlive_readers()
for _ in range(1000):
    print("x" * 1000, flush=True)
    print("x" * 1000, file=sys.stderr, flush=True)
assert os.open(os.devnull, os.O_RDONLY) > 2
os._exit(7)
"""


@pytest.mark.parametrize("closed", ["| head -1", "2>&1 | head -1", ">&-", "2>&-", ">&- 2>&-"])
def test_a_run_goes_on_without_its_readers(closed):
    script = f'set -o pipefail; "$0" -c "$1" {closed} 2>/dev/null'
    command = ["bash", "-c", script, sys.executable, PROGRAM]
    done = subprocess.run(command, check=False, timeout=HANG_S, stdout=subprocess.DEVNULL)
    assert done.returncode == 7


@pytest.mark.parametrize("arguments", [["--help"], ["doctor"], ["doctor", "--json"], ["info", "."]])
def test_commands_end_with_their_own_code(arguments):
    command = [*TOOL, *arguments]
    whole = subprocess.run(command, check=False, capture_output=True, timeout=HANG_S)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        errors = process.stderr.read()
        assert process.wait(HANG_S) == whole.returncode
    assert errors == whole.stderr


@pytest.mark.parametrize("arguments", [["doctor"], ["doctor", "--json"]])
def test_a_full_disk_is_told(arguments):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*TOOL, *arguments],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=HANG_S,
        )  # fmt: skip
    assert done.returncode == 8
    assert "the output cannot be written: No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
