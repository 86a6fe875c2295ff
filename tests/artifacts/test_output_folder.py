import os
import secrets
import shutil
import signal
import subprocess
import sys
from collections import namedtuple

import pytest

from tests.artifacts.publishing import publish, visible
from vmamba_deploy.artifacts import rename
from vmamba_deploy.artifacts.output_folder import open_output_folder
from vmamba_deploy.artifacts.verification import verify
from vmamba_deploy.errors import ResourceError, UsageError


def test_folder_appears_whole_and_is_replaced_whole(tmp_path):
    target = tmp_path / "deep" / "out"
    publish(target, {"model.onnx": b"old", "gone.txt": b"x"})
    data = secrets.token_bytes(64)
    publish(target, {"model.onnx": data})
    assert visible(target) == ["manifest.json", "model.onnx"]
    assert (target / "model.onnx").read_bytes() == data
    assert visible(target.parent) == ["out"]
    verify(target)


def test_without_an_exchanging_rename_it_is_replaced_too(tmp_path, monkeypatch):
    monkeypatch.setattr(rename, "exchange", lambda first, second: False)
    publish(tmp_path / "out", {"model.onnx": b"old"})
    publish(tmp_path / "out", {"model.onnx": b"new"})
    assert (tmp_path / "out" / "model.onnx").read_bytes() == b"new"
    assert visible(tmp_path) == ["out"]


def test_a_kill_between_the_two_renames_is_undone(tmp_path):
    publish(tmp_path / "out", {"model.onnx": b"old"})
    (tmp_path / "out").rename(tmp_path / ".replaced-out")
    with open_output_folder(tmp_path / "out"):
        pass
    assert (tmp_path / "out" / "model.onnx").read_bytes() == b"old"
    assert visible(tmp_path) == ["out"]


def test_a_kill_after_the_two_renames_leaves_the_new_folder(tmp_path):
    publish(tmp_path / "out", {"model.onnx": b"new"})
    shutil.copytree(tmp_path / "out", tmp_path / ".replaced-out")
    (tmp_path / ".replaced-out" / "model.onnx").write_bytes(b"old")
    with open_output_folder(tmp_path / "out"):
        pass
    assert (tmp_path / "out" / "model.onnx").read_bytes() == b"new"
    assert visible(tmp_path) == ["out"]


def test_an_abandoned_run_leaves_the_old_folder(tmp_path):
    publish(tmp_path / "out", {"model.onnx": b"old"})

    def fail():
        with open_output_folder(tmp_path / "out") as output:
            (output.staging / "model.onnx").write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert (tmp_path / "out" / "model.onnx").read_bytes() == b"old"
    assert visible(tmp_path) == ["out"]


def test_foreign_files_are_never_replaced(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="not an artefact folder"):
        publish(tmp_path, {"model.onnx": b"x"})
    publish(tmp_path / "out", {"model.onnx": b"old"})
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"did not write: notes\.txt"):
        publish(tmp_path / "out", {"model.onnx": b"new"})
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"


def test_foreign_files_are_told_before_the_work_begins(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="not an artefact folder"), open_output_folder(tmp_path):
        pytest.fail("it began")


def test_what_came_while_the_run_worked_is_not_replaced_either(tmp_path):
    with open_output_folder(tmp_path / "out") as output:
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "notes.txt").write_text("mine")
        with pytest.raises(UsageError, match="not an artefact folder"):
            output.publish()
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"


def test_target_that_is_a_file(tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(UsageError, match="is a file"):
        publish(tmp_path / "out", {"model.onnx": b"x"})


def test_a_link_to_a_folder_stays_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    publish(tmp_path / "link", {"model.onnx": b"x"})
    assert (tmp_path / "link").is_symlink()
    verify(tmp_path / "real")


def test_too_little_space_is_said_in_advance(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9, 5_000_000))
    with (
        pytest.raises(ResourceError, match=r"5\.0 MB free; this run needs about 70\.0 MB"),
        open_output_folder(tmp_path / "out", needed_bytes=70_000_000),
    ):
        pass


SECOND = """
import sys
from vmamba_deploy.artifacts.output_folder import open_output_folder
with open_output_folder(sys.argv[1]) as output:
    (output.staging / "model.onnx").write_bytes(b"half")
    print("locked", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def writer(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", SECOND, str(tmp_path / "out")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "locked\n"
    yield process
    process.kill()
    process.communicate()


def test_the_second_writer_fails_at_once_and_names_the_first(tmp_path, writer):
    """It would wait for ever otherwise: the first one writes until the test is over."""
    with pytest.raises(ResourceError, match=f"process {writer.pid} on "):
        publish(tmp_path / "out", {"model.onnx": b"x"})
    assert writer.poll() is None


def test_a_killed_writer_leaves_the_old_folder_and_its_rest_is_cleaned(tmp_path, writer):
    writer.kill()
    assert writer.wait() == -signal.SIGKILL
    assert not (tmp_path / "out").exists()
    assert any(entry.name.startswith(".partial-") for entry in tmp_path.iterdir())
    publish(tmp_path / "out", {"model.onnx": b"new"})
    assert visible(tmp_path) == ["out"]
    verify(tmp_path / "out")


@pytest.fixture
def tiny_disk(tmp_path):
    mount = tmp_path / "disk"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(mount)]
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("mounting a small file system needs root and the right to mount")
    yield mount
    subprocess.run(["umount", str(mount)], check=True)


def test_a_full_disk_keeps_the_old_folder(tiny_disk):
    publish(tiny_disk / "out", {"model.onnx": b"old"})
    with pytest.raises(ResourceError, match="No space left"):
        publish(tiny_disk / "out", {"model.onnx": bytes(1 << 20)})
    assert visible(tiny_disk) == ["out"]
    verify(tiny_disk / "out")


def test_a_mount_point_is_filled_in_place(tiny_disk):
    publish(tiny_disk, {"model.onnx": b"old", "stale.txt": b"x"})
    publish(tiny_disk, {"model.onnx": b"new"})
    assert visible(tiny_disk) == ["manifest.json", "model.onnx"]
    verify(tiny_disk)


@pytest.mark.parametrize("moved", ["manifest.json", "new.bin"])
def test_a_kill_while_files_move_in_place(tmp_path, monkeypatch, moved):
    """What had come already goes again, unless the manifest had come too."""
    monkeypatch.setattr(os.path, "ismount", lambda path: path == tmp_path)
    publish(tmp_path, {"model.onnx": b"old"})
    staging = tmp_path / f".partial-{'0' * 12}-{tmp_path.name}"
    publish(tmp_path / "other", {"new.bin": b"new"})
    (tmp_path / "other").rename(staging)
    (staging / moved).replace(tmp_path / moved)
    try:
        with open_output_folder(tmp_path):
            pass
    except UsageError:
        assert moved == "manifest.json"
    assert not staging.exists()
    assert (tmp_path / "new.bin").exists() is False


def test_folders_within_move_in_place_too(tmp_path, monkeypatch):
    monkeypatch.setattr(os.path, "ismount", lambda path: path == tmp_path)
    publish(tmp_path, {"model.onnx": b"old", "plots/a.png": b"a"})
    publish(tmp_path, {"model.onnx": b"new", "plots/b.png": b"b"})
    assert visible(tmp_path / "plots") == ["b.png"]
    verify(tmp_path)


def test_where_artefacts_go_that_failed(tmp_path, monkeypatch):
    with open_output_folder(tmp_path / "out") as output:
        assert output.failed == tmp_path / "out.failed"
    monkeypatch.setattr(os.path, "ismount", lambda path: path == tmp_path)
    with open_output_folder(tmp_path) as output:
        assert output.failed == tmp_path / f".{tmp_path.name}.failed"


def test_a_read_only_disk_is_a_usage_problem(tiny_disk):
    subprocess.run(["mount", "-o", "remount,ro", str(tiny_disk)], check=True)
    with pytest.raises(UsageError, match="not writable"):
        publish(tiny_disk / "out", {"model.onnx": b"x"})
