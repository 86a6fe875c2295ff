"""One holder at a time among real processes, though each takes the lock's file away."""

from __future__ import annotations

import subprocess
import sys

import filelock
import pytest

from vmamba_deploy.artifacts.locking import exclusive
from vmamba_deploy.errors import ResourceError, UsageError

# Each turn adds one to a number by reading and writing it: two holders at once would lose one.
TURNS = """
import sys
from pathlib import Path
from vmamba_deploy.artifacts.locking import exclusive
from vmamba_deploy.errors import ResourceError

folder = Path(sys.argv[1])
count, turns = folder / "count", 0
while turns < 150:
    try:
        with exclusive(folder / ".lock", what="the count"):
            count.write_text(str(int(count.read_text()) + 1))
            turns += 1
    except ResourceError:
        pass
"""


def test_processes_take_turns_and_leave_nothing(tmp_path):
    (tmp_path / "count").write_text("0")
    command = [sys.executable, "-c", TURNS, str(tmp_path)]
    processes = [subprocess.Popen(command) for _ in range(4)]
    assert [process.wait() for process in processes] == [0] * 4
    assert (tmp_path / "count").read_text() == "600"
    assert [path.name for path in tmp_path.iterdir()] == ["count"]


def test_who_holds_it_is_told(tmp_path):
    lock = tmp_path / ".lock"
    with (
        exclusive(lock, what="folder x"),
        pytest.raises(ResourceError, match=r"folder x is being written by process \d+ on"),
        exclusive(lock, what="folder x"),
    ):
        pytest.fail("held twice")
    assert not lock.exists()


def test_the_file_of_a_killed_holder_is_taken_over(tmp_path):
    lock = tmp_path / ".lock"
    lock.write_text('{"pid": 1, "host": "x", "since": "00:00:00"}')
    with exclusive(lock, what="folder x"):
        pass
    assert not lock.exists()


def test_a_place_that_is_not_there(tmp_path):
    lock = exclusive(tmp_path / "absent" / ".lock", what="it")
    with pytest.raises(UsageError, match="cannot write"), lock:
        pass


def test_a_holder_that_has_just_ended(tmp_path, monkeypatch):
    """It took its file away between our attempt and our look at who it is."""
    acquire, path = filelock.FileLock.acquire, tmp_path / ".lock"

    def too_late(self):
        monkeypatch.setattr(filelock.FileLock, "acquire", acquire)
        path.unlink()
        raise filelock.Timeout(str(path))

    monkeypatch.setattr(filelock.FileLock, "acquire", too_late)
    with exclusive(path, what="it"):
        assert path.exists()
    assert not path.exists()


def test_a_holder_that_has_not_said_who_it_is(tmp_path):
    with exclusive(tmp_path / ".lock", what="it"):
        (tmp_path / ".lock").write_text("{")
        second = exclusive(tmp_path / ".lock", what="it")
        with pytest.raises(ResourceError, match="it is being written by another process"), second:
            pass
