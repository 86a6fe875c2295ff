"""Eight who write at a time: each is whole or is told who was first, and none reads a mixture."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from tests.artifacts.publishing import publish, visible
from tests.faults.writers import content, write_file, write_folder
from vmamba_deploy.artifacts.verification import verify
from vmamba_deploy.errors import IntegrityError, ResourceError, VmambaError

WRITERS = 8
# Started afresh, for this process has threads.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.faults.writers"])


def run_all(work: Callable[[str, Path, int], None], way: str, targets: list[Path]) -> list[int]:
    processes = [
        PROCESSES.Process(target=work, args=(way, target, number))
        for number, target in enumerate(targets)
    ]
    for process in processes:
        process.start()
    while any(process.is_alive() for process in processes):
        for target in set(targets):
            look(target)
    for process in processes:
        process.join()
    return [process.exitcode or 0 for process in processes]


def look(target: Path) -> None:
    """What a reader finds is one writer's, all of it, or is refused."""
    if target.is_dir():
        try:
            verify(target)
        except (IntegrityError, OSError):
            return
    elif target.is_file():
        assert_of_one_writer(target.read_bytes())


def assert_of_one_writer(data: bytes) -> None:
    word = data[: data.index(b".") + 1]
    assert data == word * 5000


@pytest.mark.parametrize("way", ["at once", "without exchange", "in place"])
def test_eight_writers_of_one_folder(tmp_path: Path, way: str) -> None:
    target = tmp_path / "out"
    target.mkdir()
    assert run_all(write_folder, way, [target] * WRITERS) == [0] * WRITERS
    verify(target)
    files = {(target / name).read_bytes() for name in content("")}
    (data,) = files
    assert_of_one_writer(data)
    assert visible(tmp_path) == ["out"]
    assert visible(target) == ["manifest.json", "model.engine", "model.onnx"]


def test_eight_writers_of_eight_folders_side_by_side(tmp_path: Path) -> None:
    targets = [tmp_path / f"out{number}" for number in range(WRITERS)]
    assert run_all(write_folder, "at once", targets) == [0] * WRITERS
    assert visible(tmp_path) == [target.name for target in targets]
    for target in targets:
        verify(target)


def test_eight_writers_of_one_file(tmp_path: Path) -> None:
    target = tmp_path / "file"
    assert run_all(write_file, "", [target] * WRITERS) == [0] * WRITERS
    assert_of_one_writer(target.read_bytes())
    assert visible(tmp_path) == ["file"]


def start_of(written: str | bytes) -> str:
    return repr(written[:20])


OWNERS = ["", "{", "[]", '"text"', '{"pid": 1}', "\x1b[2J", '{"pid": "\x1b[2J"}', "9" * 5000]
OWNERS += ["[" * 10**5, '{"pid": "\\u001b[2J", "host": "\\u202e", "since": "\\n"}']


@pytest.mark.parametrize("written", [*OWNERS, b"\xff\xfe", b"\0" * 5000], ids=start_of)
def test_a_lock_file_that_says_nonsense_is_no_obstacle(
    tmp_path: Path, written: str | bytes
) -> None:
    lock = tmp_path / ".out.lock"
    lock.write_bytes(written if isinstance(written, bytes) else written.encode())
    publish(tmp_path / "out", content("x."))
    verify(tmp_path / "out")


@pytest.mark.parametrize("written", [*OWNERS, b"\xff\xfe"], ids=start_of)
def test_the_second_is_refused_whatever_the_lock_file_says(
    tmp_path: Path, written: str | bytes
) -> None:
    lock = tmp_path / ".out.lock"
    with FileLock(lock):
        lock.write_bytes(written if isinstance(written, bytes) else written.encode())
        with pytest.raises(ResourceError, match="is being written by") as told:
            publish(tmp_path / "out", content("x."))
    assert told.value.message.isprintable()


@pytest.mark.parametrize("kind", ["a folder", "a link to nothing", "a link to a file"])
def test_something_else_in_the_place_of_the_lock(tmp_path: Path, kind: str) -> None:
    lock, theirs = tmp_path / ".out.lock", tmp_path / "theirs"
    theirs.write_text(json.dumps("theirs"))
    make: dict[str, Callable[[], object]] = {
        "a folder": lock.mkdir,
        "a link to nothing": lambda: lock.symlink_to(tmp_path / "nowhere" / "file"),
        "a link to a file": lambda: lock.symlink_to(theirs),
    }
    make[kind]()
    with pytest.raises(VmambaError):
        publish(tmp_path / "out", content("x."))
    assert theirs.read_text() == json.dumps("theirs")
    assert not (tmp_path / "out").exists()


def test_a_pipe_in_the_place_of_the_lock_hangs_nobody(tmp_path: Path) -> None:
    lock = tmp_path / ".out.lock"
    os.mkfifo(lock)
    publish(tmp_path / "out", content("x."))
    with FileLock(lock), pytest.raises(ResourceError, match="by another process"):
        publish(tmp_path / "out", content("x."))
