"""A run that is killed at any step leaves the old folder or the new one, and no debris for long."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.killed_writers import WAYS
from tests.processes import HANG_S

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("way", list(WAYS))
def test_a_writer_that_is_killed_at_every_step(tmp_path: Path, way: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "tests.faults.killed_writers", way, tmp_path],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=HANG_S,
    )
    assert ended.returncode == 0, ended.stderr
    *kills, whole = [json.loads(line) for line in ended.stdout.splitlines()]
    assert len(kills) > 20
    assert whole["left"] == "new"
    allowed = {"in place": {"old", "new", "refused"}}.get(way, {"old", "new"})
    if way == "without an exchanging rename":
        allowed |= {"absent"}  # between two renames; the next run puts it back
    assert {kill["left"] for kill in kills} <= allowed
    assert {kill["left"] for kill in kills} >= {"old"}
    for kill in kills:
        assert kill["repaired"] == "new"
        assert sorted(kill["names"]) == ["added.txt", "manifest.json", "model.onnx", "out"]
