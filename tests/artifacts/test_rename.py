"""Two folders change places in one step, or nothing happens and that is said."""

from __future__ import annotations

import ctypes
import errno
import sys

import pytest

from vmamba_deploy.artifacts.rename import exchange


@pytest.fixture
def two(tmp_path):
    folders = tmp_path / "first", tmp_path / "second"
    for folder in folders:
        folder.mkdir()
        (folder / folder.name).touch()
    return folders


def test_they_change_places(two):
    first, second = two
    assert exchange(first, second)
    assert (first / "second").exists()
    assert (second / "first").exists()


def test_one_that_is_not_there(two):
    with pytest.raises(FileNotFoundError):
        exchange(two[0], two[1] / "absent")


def test_another_system(two, monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert exchange(*two) is False
    assert (two[0] / "first").exists()


def test_a_system_without_the_call(two, monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: object())
    assert exchange(*two) is False


@pytest.mark.parametrize(("code", "told"), [(errno.EINVAL, False), (errno.EXDEV, True)])
def test_a_file_system_that_cannot(two, monkeypatch, code, told):
    class Library:
        def renameat2(self, *_):
            ctypes.set_errno(code)
            return -1

    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: Library())
    if told:
        with pytest.raises(OSError, match="cross-device"):
            exchange(*two)
    else:
        assert exchange(*two) is False
