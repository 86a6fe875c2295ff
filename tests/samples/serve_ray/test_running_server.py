"""A server that cannot start is told with its log, and leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from samples.serve_ray.running_server import descendants, running_server


def test_a_server_that_does_not_start_is_told_with_its_log(tmp_path, monkeypatch):
    made = []
    make = tempfile.mkdtemp

    def noted(**where):
        made.append(Path(make(**where)))
        return made[-1]

    monkeypatch.setattr(tempfile, "mkdtemp", noted)
    with pytest.raises(RuntimeError, match="manifest"), running_server(tmp_path):
        pytest.fail("a folder without a manifest was served")
    (folder,) = made
    assert not folder.exists()


def test_descendants_are_children_and_grandchildren():
    script = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()'])"
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE) as process:
        try:
            below: list[int] = []
            while len(below) < 1:
                below = descendants(process.pid)
            assert process.pid in descendants(os.getpid())
            assert set(below) < set(descendants(os.getpid()))
        finally:
            process.communicate(b"\n")
