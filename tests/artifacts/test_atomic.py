import errno
import os
import secrets

import pytest

from vmamba_deploy.artifacts.atomic import (
    atomic_write,
    explain_system_error,
    explain_write_error,
    make_folder,
)
from vmamba_deploy.errors import InputFileError, ResourceError, UsageError


def test_file_appears_whole_and_nothing_else_stays(tmp_path):
    payload = secrets.token_bytes(4096)
    target = tmp_path / "new" / "model.onnx"
    with atomic_write(target) as temporary:
        assert temporary.parent == target.parent
        assert temporary.suffix == ".onnx"
        temporary.write_bytes(payload)
        assert not target.exists()
    assert target.read_bytes() == payload
    assert list(target.parent.iterdir()) == [target]


def test_failure_keeps_the_old_file_and_removes_the_temporary_one(tmp_path):
    target = tmp_path / "report.json"
    target.write_text("old")

    def fail_half_way():
        with atomic_write(target) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail_half_way()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_permissions_follow_the_umask(tmp_path):
    previous = os.umask(0o022)
    try:
        with atomic_write(tmp_path / "a") as temporary:
            temporary.write_text("x")
    finally:
        os.umask(previous)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o644


def test_a_full_disk_is_a_resource_problem(tmp_path):
    def fill():
        with atomic_write(tmp_path / "a") as temporary:
            temporary.write_text("x")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(ResourceError, match="No space left"):
        fill()
    assert list(tmp_path.iterdir()) == []


def test_a_parent_that_is_a_file_is_a_usage_problem(tmp_path):
    (tmp_path / "file").write_text("")

    def write():
        with atomic_write(tmp_path / "file" / "a") as temporary:
            temporary.write_text("x")

    with pytest.raises(UsageError, match="cannot write"):
        write()


def test_errors_about_other_files_are_left_alone(tmp_path):
    error = PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "in" / "weights.pth"))
    assert explain_write_error(error, tmp_path / "out" / "model.onnx") is None


def test_missing_file_in_the_block_is_not_hidden(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_write(tmp_path / "a"):
        pass


def test_a_refusal_that_names_no_file_is_not_about_ours(tmp_path):
    assert explain_write_error(PermissionError(errno.EACCES, "Permission denied"), tmp_path) is None


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.ENOSPC, "x", "/data/a"), ResourceError),
        (OSError(errno.EMFILE, "x"), ResourceError),
        (OSError(errno.EIO, "x", "/data/a"), InputFileError),
        (OSError(errno.EIO, "x", b"/data/a"), InputFileError),
        (OSError(errno.EIO, "x"), type(None)),
        (OSError(errno.EIO, "x", 7), type(None)),
    ],
)
def test_what_the_system_refuses_is_told_where_it_names_something(error, expected):
    told = explain_system_error(error)
    assert type(told) is expected
    if expected is InputFileError:
        assert told.message == "cannot use /data/a: Input/output error"


def test_a_folder_in_the_place_of_a_file_is_not_made(tmp_path):
    make_folder(tmp_path / "deep" / "folder")
    make_folder(tmp_path / "deep" / "folder")
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot make the folder") as problem:
        make_folder(tmp_path / "file" / "folder")
    assert problem.value.hint
