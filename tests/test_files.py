"""The door for a user's files: regular files of bounded size, and errors that name them."""

from __future__ import annotations

import hashlib
import os
import socket
from pathlib import Path

import pytest

from vmamba_deploy.errors import InputFileError, IntegrityError, UsageError
from vmamba_deploy.files import file_sha256, human_size, open_file, read_file, shown, understood


def test_a_file_and_a_link_to_it_are_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")
    for name in ("file", "link"):
        assert read_file(tmp_path / name, what="a note", limit_bytes=7) == b"content"
        digest = file_sha256(tmp_path / name, what="a note")
        assert digest == hashlib.sha256(b"content").hexdigest()


def test_a_pipe_is_refused_without_waiting_for_its_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputFileError, match="is a pipe; a note is a file"):
        read_file(tmp_path / "pipe", what="a note", limit_bytes=10)


def test_devices_folders_and_sockets_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="is a device"):
        file_sha256(Path("/dev/zero"), what="a note")
    with pytest.raises(InputFileError, match="is a folder"):
        file_sha256(tmp_path, what="a note")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        with pytest.raises(InputFileError, match="cannot be read"):
            file_sha256(tmp_path / "socket", what="a note")


def test_a_larger_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    huge = tmp_path / "huge"
    with huge.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(IntegrityError, match="has 1,099,511,627,776 bytes; a note has at most 10"):
        file_sha256(huge, what="a note", limit_bytes=10, error=IntegrityError)


@pytest.mark.parametrize("name", ["absent", "a\0b", "file/below"])
def test_a_path_that_leads_nowhere_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(InputFileError, match="cannot be read"),
        open_file(tmp_path / name, what="x"),
    ):
        pytest.fail("nothing was opened")


@pytest.mark.parametrize(
    "foreign", [RecursionError("deep"), OverflowError(), UnicodeDecodeError("utf-8", b"", 0, 1, "")]
)
def test_what_a_reader_raises_names_the_file(foreign: Exception) -> None:
    with (
        pytest.raises(
            IntegrityError, match=f"bad cannot be read as a note.*{type(foreign).__name__}"
        ),
        understood(Path("bad"), what="a note", error=IntegrityError),
    ):
        raise foreign


def test_errors_of_ours_and_a_stop_pass_as_they_are() -> None:
    with pytest.raises(UsageError, match="own"), understood(Path("x"), what="a note"):
        raise UsageError("own")
    with pytest.raises(KeyboardInterrupt), understood(Path("x"), what="a note"):
        raise KeyboardInterrupt


def test_what_a_terminal_would_obey_is_shown_escaped() -> None:
    assert shown("plain é") == "plain é"
    assert "\x1b" not in shown("red \x1b[31m")
    assert "\\xff" in shown(Path(os.fsdecode(b"bytes \xff")))


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [(999, "999 B"), (1000, "1.0 kB"), (71_939_676, "71.9 MB"), (8 << 30, "8.59 GB")],
)
def test_sizes_are_told_in_decimal_units(size_bytes: int, text: str) -> None:
    assert human_size(size_bytes) == text
