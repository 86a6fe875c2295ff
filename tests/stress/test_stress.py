"""A few of the kills and meetings of `make stress`."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_killed_and_meeting_exports_leave_whole_folders() -> None:
    command = [sys.executable, "-m", "tests.stress", "--kills=2", "--rounds=1", "--writers=4"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    seen = {what: int(count) for count, what in re.findall(r"(?m)^ *(\d+) (.+)$", result.stdout)}
    assert seen["corrupt loads"] == 0
    assert seen["loads"] > 0
    assert seen["exports published"] >= 1
    assert seen["old artefacts in place"] + seen.get("new artefacts in place", 0) == 2
